"""Units near and above the quantile caps of bootstrapped metrics."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from analysis.scorecard.bucket_table import BUCKETS, ArmSums
from analysis.statistics.bootstrap import weight_blocks
from analysis.statistics.moving_cap import Tails, replicated_sums, tails
from analysis.statistics.status import Floats

REQUIRED = (
    *("as_of_date", "experiment_id", "metric_id", "variant_id", "part", "bucket"),
    *("value", "n_units", "cap", "least_cap"),
)
PARTS = ("value", "denominator")


class CapTails:
    """fct_cap_tails, by experiment and metric."""

    def __init__(self, rows: pd.DataFrame | None) -> None:
        """Raises ValueError for missing columns."""
        frame = pd.DataFrame(columns=list(REQUIRED)) if rows is None else rows
        if missing := [name for name in REQUIRED if name not in frame.columns]:
            raise ValueError(f"cap tails lack the columns {', '.join(missing)}; build fct_cap_tails again")
        frame = frame[list(REQUIRED)].reset_index(drop=True)
        self._rows = frame.assign(as_of_date=pd.to_datetime(frame["as_of_date"]).astype("datetime64[us]"))
        self._groups = frame.groupby(["experiment_id", "metric_id"]).indices if len(frame) else {}

    def of_metric(self, experiment_id: str, metric_id: str) -> pd.DataFrame:
        """The rows of a metric."""
        return self._rows.iloc[self._groups.get((experiment_id, metric_id), np.empty(0, dtype=np.intp))]


def recapped(
    rows: pd.DataFrame,
    dates: pd.DatetimeIndex,
    arms: Mapping[str, ArmSums],
    quantile: float,
    seeds: Mapping[str, list[int]],
    replicates: int,
) -> dict[str, Floats]:
    """Each arm's numerators and denominators (dates, replicates, 2) in replicates that estimate their caps anew.

    `rows` are a metric's tails; `arms` are all of its experiment's, whose units the caps are quantiles of.
    """
    names = list(arms)
    n_units = np.stack([arm.n_units for arm in arms.values()], axis=1)
    sums = np.zeros((len(names), len(dates), replicates, 2))
    for date, day in enumerate(dates):
        for part, name in enumerate(PARTS):
            some = rows[((rows["as_of_date"] == day) & (rows["part"] == name)).to_numpy(dtype=bool)]
            capped = np.stack([arm.parts[date, :, part] for arm in arms.values()])
            weights = zip(*(weight_blocks(seeds[arm], replicates, BUCKETS) for arm in names), strict=True)
            if some.empty:  # no unit is above the least cap, or there is no cap
                found = [np.stack([w @ s for w, s in zip(block, capped, strict=True)]) for block in weights]
                sums[:, date, :, part] = np.concatenate(found, axis=-1)
            else:
                sums[:, date, :, part] = replicated_sums(_tails(some, names, n_units[date], capped), quantile, weights)
    return dict(zip(names, sums, strict=True))


def _tails(rows: pd.DataFrame, names: list[str], n_units: Floats, capped: Floats) -> Tails:
    arm = pd.Index(names).get_indexer(rows["variant_id"])
    cells = np.asarray(arm * BUCKETS + rows["bucket"].to_numpy(dtype=np.intp))
    cap, least_cap = (float(rows[name].iloc[0]) for name in ("cap", "least_cap"))
    values, n = (rows[name].to_numpy(dtype=float) for name in ("value", "n_units"))
    return tails(n_units, capped, cap, least_cap, cells, values, n)
