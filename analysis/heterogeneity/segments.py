"""The segments' comparisons of the scorecard in groups, with what else their moments say of them."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.heterogeneity.columns import KEYS
from analysis.heterogeneity.groups import Groups
from analysis.scorecard import ESTIMATED_STATUSES
from analysis.scorecard.comparisons import arm_columns, arm_rows, checked_moments
from analysis.statistics.further_covariates import n_further, restricted
from analysis.statistics.registry import ESTIMATORS, SHARE_TYPES, STRATIFIED
from analysis.statistics.relative import is_weak, relative_effect
from analysis.statistics.status import Floats
from configs.schema import Metric

# What the smaller arm expects at least, of both arms' units split at their ratio; of shares also events, non-events.
SMALLEST = 10
FEWEST_EVENTS = 5
# Between the dimensions of a pair, in names and values; a comma within a value is written %2C.
PAIR = ", "


@dataclass(frozen=True)
class Segments:
    """Rows of the scorecard that compare segments, sorted so that a metric and treatment's dimension is one group.

    Arrays are over rows. `freedom` are each effect's degrees of freedom, ∞ where its error is not made of variances;
    `relative` and `relative_se` NaN where there is none or the baseline is weak; `used` says which are compared,
    `why_not` says why one is not, in `reason`'s words; `heads` has a row for each group.
    """

    rows: pd.DataFrame
    groups: Groups
    baseline: dict[str, NDArray]
    treatment: dict[str, NDArray]
    freedom: Floats
    relative: Floats
    relative_se: Floats
    used: NDArray[np.bool_]
    why_not: NDArray

    @property
    def heads(self) -> pd.DataFrame:
        """The first row of each group: its comparison and dimension."""
        return self.rows.iloc[self.groups.starts].reset_index(drop=True)

    @property
    def effect(self) -> Floats:
        """The published effects, NaN of those that are not compared."""
        return np.where(self.used, self.rows["effect"].to_numpy(dtype=float), np.nan)

    @property
    def se(self) -> Floats:
        """Their standard errors."""
        return np.where(self.used, self.rows["effect_se"].to_numpy(dtype=float), np.nan)


def segments_of(scorecard: pd.DataFrame, moments: pd.DataFrame, metrics: Mapping[str, Metric]) -> Segments:
    """The scorecard's segment rows with their moments; rows of the whole population are left out.

    Raises ValueError for moments that lack a column or hold a row twice.
    """
    rows = scorecard[(scorecard["segment_name"] != "all").to_numpy()]
    rows = rows.sort_values([*KEYS, "segment_value"], kind="stable", ignore_index=True)
    moments = checked_moments(moments[(moments["segment_name"] != "all").to_numpy()])
    baseline, treatment = (
        arm_columns(moments, arm_rows(moments, rows, variant)) for variant in ("baseline_id", "variant_id")
    )
    arms = [baseline, treatment]
    groups = Groups(rows.groupby(KEYS, sort=False).ngroup().to_numpy(dtype=np.int64))
    used, why_not = _used(rows, groups, arms, metrics)
    freedom, relative, relative_se = _from_moments(rows, arms)
    return Segments(rows, groups, baseline, treatment, freedom, relative, relative_se, used, why_not)


def units(counts: pd.Series) -> Floats:
    """Counts as numbers, 0 where missing."""
    return np.nan_to_num(counts.to_numpy(dtype=float, na_value=np.nan))


def _used(
    rows: pd.DataFrame, groups: Groups, arms: list[dict[str, NDArray]], metrics: Mapping[str, Metric]
) -> tuple[NDArray[np.bool_], NDArray]:
    """Which segments are compared, and why the others are not."""
    is_estimated = rows["status"].isin(list(ESTIMATED_STATUSES)).to_numpy()
    has_error = np.nan_to_num(rows["effect_se"].to_numpy(dtype=float)) > 0
    small, few = _too_small(rows, groups, arms, metrics)
    checks = [
        (~is_estimated, rows["status"].to_numpy(dtype=object)),
        (~has_error, "no_error"),
        (small, "too_few_units"),
        (few, "too_few_events"),
    ]
    why_not = np.full(len(rows), "", dtype=object)
    for found, name in reversed(checks):
        why_not[found] = name[found] if isinstance(name, np.ndarray) else name
    return why_not == "", why_not


def too_small(n_b: Floats, n_t: Floats, events: Floats, groups: Groups) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Segments that expect too few units in the smaller arm, and too few of a share's events or non-events.

    Both arms' numbers decide together, for choosing by one arm's would choose by the effect.
    """
    whole_b, whole_t = groups.each(groups.sum(n_b)), groups.each(groups.sum(n_t))
    whole = np.maximum(whole_b + whole_t, 1.0)
    smaller = np.minimum(whole_b, whole_t) / whole
    rarer = np.minimum(events, n_b + n_t - events)
    return (n_b + n_t) * smaller < SMALLEST, rarer * smaller < FEWEST_EVENTS


def _too_small(
    rows: pd.DataFrame, groups: Groups, arms: list[dict[str, NDArray]], metrics: Mapping[str, Metric]
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """`too_small` of the rows; other metrics than shares have no events."""
    n_b, n_t = (units(rows[name]) for name in ("n_baseline", "n_treatment"))
    events = n_b * np.nan_to_num(arms[0]["mean"]) + n_t * np.nan_to_num(arms[1]["mean"])
    shares = [name for name, metric in metrics.items() if metric.type in SHARE_TYPES]
    is_share = rows["metric_id"].isin(shares).to_numpy()
    small, few = too_small(n_b, n_t, events, groups)
    return small, few & is_share


def _from_moments(rows: pd.DataFrame, arms: list[dict[str, NDArray]]) -> tuple[Floats, Floats, Floats]:
    """Degrees of freedom of the effects, and relative effects with their errors."""
    freedom, relative, relative_se = np.full(len(rows), np.inf), *(np.full(len(rows), np.nan) for _ in range(2))
    estimator = rows["method"].str.split(" ").str[0]
    for (name, count), index in rows.groupby([estimator.to_numpy(), n_further(arms[0])]).indices.items():
        if name in ESTIMATORS and name not in STRATIFIED:
            some = [restricted(arm, index, count) for arm in arms]
            with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
                estimate = ESTIMATORS[str(name)](*some)
                ratio, weak = relative_effect(estimate), is_weak(estimate)
            freedom[index] = estimate.difference.df
            relative[index] = np.where(weak, np.nan, ratio.value)
            relative_se[index] = np.where(weak, np.nan, ratio.se)
    return freedom, relative, relative_se
