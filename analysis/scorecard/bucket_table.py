"""Sums of bootstrapped metrics over buckets of units, arm by arm."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.statistics.status import Floats

BUCKETS = 1000
"""As many as dbt's macro `unit_bucket` makes."""

REQUIRED = (
    *("as_of_date", "experiment_id", "metric_id", "variant_id", "bucket"),
    *("n_units", "value_sum", "denominator_sum", "decimals", "denominator_decimals"),
)
_KEYS = ["experiment_id", "metric_id", "variant_id"]


@dataclass(frozen=True)
class ArmSums:
    """An arm's buckets at some dates: units (dates, buckets), and numerator and denominator of its statistic.

    These `parts` (dates, buckets, 2) are whole numbers; their quotient times `scale` is in the metric's unit. The
    denominator of a metric that is no ratio is the number of units.
    """

    n_units: Floats
    parts: Floats
    scale: float


class BucketTable:
    """fct_bucket_sums, by experiment, metric and variant."""

    def __init__(self, sums: pd.DataFrame | None) -> None:
        """Raises ValueError for missing columns, a bucket that is out of range and a row that occurs twice."""
        frame = pd.DataFrame(columns=list(REQUIRED)) if sums is None else sums
        if missing := [name for name in REQUIRED if name not in frame.columns]:
            raise ValueError(f"bucket sums lack the columns {', '.join(missing)}; build fct_bucket_sums again")
        frame = frame[list(REQUIRED)].reset_index(drop=True)
        if frame.duplicated([*_KEYS, "as_of_date", "bucket"]).any():
            raise ValueError("bucket sums hold a row twice; build fct_bucket_sums again")
        if not frame["bucket"].between(0, BUCKETS - 1).all():
            raise ValueError(f"bucket sums hold a bucket that is not one of {BUCKETS}; build fct_bucket_sums again")
        self._rows = frame.assign(as_of_date=pd.to_datetime(frame["as_of_date"]).astype("datetime64[us]"))
        self._groups = frame.groupby(_KEYS, sort=False).indices if len(frame) else {}

    def arm(self, experiment_id: str, metric_id: str, variant_id: str, dates: pd.DatetimeIndex) -> ArmSums:
        """The arm's sums at distinct dates; 0 where the table has none."""
        found = self._groups.get((experiment_id, metric_id, variant_id), np.empty(0, dtype=np.intp))
        rows = self._rows.iloc[found]
        date = dates.get_indexer(pd.DatetimeIndex(rows["as_of_date"]))
        wanted = date >= 0
        at = (date[wanted], rows["bucket"].to_numpy(dtype=np.intp)[wanted])
        n, value, denominator = (
            _placed(rows[name].to_numpy(dtype=float)[wanted], at, len(dates))
            for name in ("n_units", "value_sum", "denominator_sum")
        )
        is_ratio = bool(rows["denominator_sum"].notna().any())
        decimals = (
            int(rows["denominator_decimals"].iloc[0]) * is_ratio - int(rows["decimals"].iloc[0]) if len(rows) else 0
        )
        return ArmSums(n, np.stack([value, denominator if is_ratio else n], axis=-1), 10.0**decimals)


def _placed(values: Floats, at: tuple[NDArray[np.intp], NDArray[np.intp]], n_dates: int) -> Floats:
    table = np.zeros((n_dates, BUCKETS))
    table[at] = values
    return table
