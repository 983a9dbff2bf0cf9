"""Whether experiments that exclude each other share units all the same."""

from typing import Any

import numpy as np
import pandas as pd

from analysis.health.inputs import LOOK, HealthInputs, and_others, worst_at_looks

KEYS = ["experiment_id", "other_experiment_id"]


def shared_units(inputs: HealthInputs) -> pd.DataFrame:
    """`exclusion_group`: units that are in another experiment of the group too, while both run: fails above 0.1 %.

    Of each other experiment the share of this one's units, mixed ones counted; the worst is told. Experiments without
    a group have no row.
    """
    rows = worst_at_looks(inputs, _pairs(inputs))
    grouped = [id_ for id_, one in inputs.experiments.items() if one.exclusion_group is not None]
    rows = rows[rows["experiment_id"].isin(grouped)].reset_index(drop=True)
    limits = inputs.limit("shared_unit_share", rows["experiment_id"])
    return rows.assign(
        severity="error",
        passed=~rows["fails"],
        statistic=rows["share"].astype("float64").fillna(0.0),
        threshold=limits,
        message=[
            _message(row, str(inputs.experiments[str(row.experiment_id)].exclusion_group), limit)
            for row, limit in zip(rows.itertuples(), limits, strict=True)
        ],
    )


def _pairs(inputs: HealthInputs) -> pd.DataFrame:
    """Of each look and other experiment the units shared so far, and their share."""
    shared = inputs.data.excluded_units.astype({"n_units": "float64"})
    daily = shared.groupby([*KEYS, "known_from"], as_index=False)["n_units"].sum()
    daily["n_units"] = daily.groupby(KEYS)["n_units"].cumsum()
    daily = daily.rename(columns={"known_from": "as_of_date", "n_units": "n_shared"})
    looks = inputs.looks.merge(daily[KEYS].drop_duplicates(), on="experiment_id").sort_values("as_of_date")
    if looks.empty:
        return looks.assign(n_shared=np.nan, n_exposed=np.nan, share=np.nan, fails=False, badness=0.0)
    pairs = pd.merge_asof(looks, daily.sort_values("as_of_date"), on="as_of_date", by=KEYS)
    counts = inputs.epoch_counts[inputs.epoch_counts["segment_name"] == "all"]
    exposed = (counts["n_units"] + counts["n_mixed_excluded"]).groupby([counts[name] for name in LOOK]).sum()
    pairs = pairs.merge(exposed.rename("n_exposed").reset_index(), on=LOOK, how="left")
    share = (pairs["n_shared"] / pairs["n_exposed"]).to_numpy(dtype=float)
    share = np.nan_to_num(share, nan=0.0)
    limits = inputs.limit("shared_unit_share", pairs["experiment_id"])
    return pairs.assign(share=share, fails=share > limits, badness=share)


def _message(row: Any, group: str, limit: float) -> str:
    if not row.share > 0:
        return f"no unit is in another experiment of exclusion group {group} that runs at the same time"
    return (
        f"{row.n_shared:,.0f} of {row.n_exposed:,.0f} units ({row.share:.2%}) are in {row.other_experiment_id} too, of"
        f" the same exclusion group {group} (fails above {limit:.2%})" + and_others(row.n_failing, "experiment")
    )
