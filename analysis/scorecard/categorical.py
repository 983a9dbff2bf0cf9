"""Comparisons of how units spread over categories; they share families with all other metrics."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.scorecard.inference import Arrays
from analysis.statistics.categorical import homogeneity, total_variation
from analysis.statistics.status import Codes, Floats, Status, first_status

CHI_SQUARED = "chi_squared"
GROUP = ["as_of_date", "experiment_id", "segment_name", "segment_value", "metric_id", "variant_id"]

SPARSE = "sparse"
SPARSE_REASON = "sparse: too many categories expect fewer than 5 units in an arm, so the p-value is rough"
UNDIRECTED = "the effect is the share of units in another category: no direction, so no interval and no relative effect"
REASONS = {
    Status.FAILED: "the units counted by category are not those of the metric; build fct_category_counts again",
    Status.ZERO_VARIANCE: "all units are in one category, so there is nothing to compare",
}


def infer_categories(
    rows: pd.DataFrame, counts: pd.DataFrame | None, n: tuple[Floats, Floats]
) -> tuple[Arrays, NDArray[np.intp]]:
    """Numbers and status codes of the rows that compare categories, as `inference.infer` names them; their positions.

    `counts` is fct_category_counts; `n` are the baselines' and treatments' units by the metric's moments, over all
    rows, NaN where nothing may be computed. Counts that do not add up to them are FAILED. The effect is the total
    variation distance, the p-value Pearson's; what needs a direction or an interval stays NaN.
    """
    index = np.flatnonzero(rows["estimator"] == CHI_SQUARED)
    some = rows.iloc[index]
    table, keys = _table(counts)
    arms = [_arm(table, keys, some, variant) for variant in ("baseline_id", "variant_id")]
    units = [each[index] for each in n]
    stacked = np.stack(arms, axis=-2)
    tested = homogeneity(stacked)
    mismatch = np.logical_or.reduce([arm.sum(axis=-1) != own for arm, own in zip(arms, units, strict=True)])
    status = first_status(
        (np.logical_or.reduce([own == 0 for own in units]), Status.NO_UNITS),
        (mismatch, Status.FAILED),
        (np.isnan(tested.p_value), Status.ZERO_VARIANCE),
    )
    ok = status == Status.OK
    return {
        "effect": np.where(ok, total_variation(stacked), np.nan),
        "p_value": np.where(ok, tested.p_value, np.nan),
        "status": status,
        "is_sparse": (ok & tested.is_sparse).astype(np.int8),
    }, index


def category_reasons(rows: pd.DataFrame, code: Codes, reason: NDArray) -> NDArray:
    """The reasons, with those of categories in their own words."""
    own = (rows["estimator"] == CHI_SQUARED).to_numpy()
    if not own.any():
        return reason
    return np.select([own & (code == status) for status in REASONS], list(REASONS.values()), reason)


def _table(counts: pd.DataFrame | None) -> tuple[Floats, pd.MultiIndex]:
    """Units by group and position of the category, with a last group without units; the groups' keys."""
    if counts is None or counts.empty:
        return np.zeros((1, 1)), pd.MultiIndex.from_tuples([], names=GROUP)
    typed = counts.astype({name: "str" for name in GROUP if name != "as_of_date"})
    typed["as_of_date"] = pd.to_datetime(typed["as_of_date"]).astype("datetime64[us]")
    number, keys = pd.MultiIndex.from_frame(typed[GROUP]).factorize()
    position = typed["position"].to_numpy(dtype=np.int64)
    table = np.zeros((len(keys) + 1, int(position.max())))
    table[number, position - 1] = typed["n_units"].to_numpy(dtype=float)
    return table, keys


def _arm(table: Floats, keys: pd.MultiIndex, rows: pd.DataFrame, variant: str) -> Floats:
    """The arm's units by category, none where the table has no such group."""
    wanted = pd.MultiIndex.from_frame(rows[[*GROUP[:-1], variant]].set_axis(GROUP, axis=1))
    found = keys.get_indexer(wanted) if len(keys) else np.full(len(rows), -1)
    return np.asarray(table[found])
