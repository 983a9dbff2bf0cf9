"""Comparisons of quantiles, from how many units have each value; they share families with all other metrics."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.scorecard.inference import Arrays
from analysis.statistics.quantile import (
    BEYOND_REASON,
    CLUSTERS_BEYOND_REASON,
    Histogram,
    Integers,
    Quantile,
    QuantileDifference,
    compare_quantiles,
    unit_quantile,
)
from analysis.statistics.status import Codes, Floats, Status
from analysis.statistics.student_t import Interval
from configs.schema import Metric

QUANTILE, EVENT_QUANTILE = "quantile", "event_quantile"
GROUP = ["as_of_date", "experiment_id", "segment_name", "segment_value", "metric_id", "variant_id"]

REASONS = {
    Status.TOO_FEW_UNITS: BEYOND_REASON,
    Status.FAILED: "the units counted by value are not those of the metric; build fct_value_counts again",
    Status.ZERO_VARIANCE: "so many units share one value that neither arm's quantile has an interval around it",
    Status.ZERO_BASELINE: "the baseline's quantile is 0, so a relative effect or margin is undefined",
}
EVENT_REASONS = REASONS | {
    Status.NO_UNITS: "an arm has no unit with a mature window, or none of these has an event",
    Status.TOO_FEW_UNITS: CLUSTERS_BEYOND_REASON,
    Status.FAILED: "the events counted by value are not those of the metric; build fct_event_value_counts again",
    Status.ZERO_VARIANCE: "so many events share one value that neither arm's quantile has an interval around it",
}
NO_RELATIVE_INTERVAL = "the baseline's interval reaches 0 or twice its quantile"


@dataclass(frozen=True)
class ComparedQuantiles:
    """Quantile comparisons: their rows' positions and differences."""

    index: NDArray[np.intp]
    difference: QuantileDifference

    def interval(self, alpha: Floats) -> Interval:
        """The effects' intervals at other levels."""
        return self.difference.interval(alpha)


def infer_quantiles(
    rows: pd.DataFrame, values: pd.DataFrame | None, metrics: Mapping[str, Metric], n: tuple[Floats, Floats]
) -> tuple[Arrays, ComparedQuantiles]:
    """Numbers and status codes of the rows whose estimator is a quantile, as `inference.infer` names them.

    `values` is fct_value_counts; `n` are the baselines' and treatments' units by the metric's moments, over all
    rows, NaN where nothing may be computed. Counts that do not add up to them are FAILED.
    Where neither arm's interval has any width, units share one value and the status is ZERO_VARIANCE.
    """
    index = np.flatnonzero(rows["estimator"] == QUANTILE)
    some = rows.iloc[index]
    histogram, keys = grouped_histogram(values, "n_units")
    level, arms, mismatch = levels(some, metrics), [], np.zeros(len(index), dtype=bool)
    for variant, expected in zip(("baseline_id", "variant_id"), (each[index] for each in n), strict=True):
        usable = ~np.isnan(expected)
        group = groups_of_arm(keys, some, variant, usable)
        arms.append(unit_quantile(histogram, level, group))
        mismatch |= usable & (histogram.n(group) != expected)
    return compared_quantiles(some, index, (arms[0], arms[1]), mismatch)


def compared_quantiles(
    rows: pd.DataFrame, index: NDArray[np.intp], arms: tuple[Quantile, Quantile], mismatch: NDArray[np.bool_]
) -> tuple[Arrays, ComparedQuantiles]:
    """What `infer_quantiles` gives, of the arms' quantiles; FAILED where the counts do not fit (`mismatch`)."""
    difference = compare_quantiles(*arms)
    alpha = rows["alpha"].to_numpy()
    status = np.where(mismatch, np.int8(Status.FAILED), difference.status)
    ci = difference.interval(alpha)
    status = np.where((status == Status.OK) & (ci.low == ci.high), np.int8(Status.ZERO_VARIANCE), status)
    difference = replace(difference, status=status.astype(np.int8))
    with np.errstate(invalid="ignore"):
        return _results(rows, difference, alpha), ComparedQuantiles(index, difference)


def quantile_reasons(rows: pd.DataFrame, code: Codes, reason: NDArray) -> NDArray:
    """The reasons, with those of quantiles in their own words."""
    for estimator, reasons in ((QUANTILE, REASONS), (EVENT_QUANTILE, EVENT_REASONS)):
        of_quantile = (rows["estimator"] == estimator).to_numpy()
        if of_quantile.any():
            own = [of_quantile & (code == status) for status in reasons]
            reason = np.select(own, list(reasons.values()), reason)
    return reason


def relative_reasons(rows: pd.DataFrame, code: Codes, reason: NDArray) -> NDArray:
    """Why there is no relative interval, of quantiles in their own words."""
    of_quantile = rows["estimator"].isin([QUANTILE, EVENT_QUANTILE]).to_numpy()
    if not of_quantile.any():
        return reason
    no_interval = of_quantile & (code == Status.IMPRECISE)
    return quantile_reasons(rows, code, np.where(no_interval, NO_RELATIVE_INTERVAL, reason))


def levels(rows: pd.DataFrame, metrics: Mapping[str, Metric]) -> Floats:
    """The level of each row's quantile."""
    return rows["metric_id"].map({id_: metric.quantile for id_, metric in metrics.items()}).to_numpy(dtype=float)


def grouped_histogram(values: pd.DataFrame | None, count: str) -> tuple[Histogram, pd.MultiIndex]:
    """All groups of units or events, `count` of each value, and their keys in the histogram's order.

    The histogram has one group more, without any, at the end: that of comparisons which are not in the table.
    """
    if values is None or values.empty:
        nothing = Histogram(np.empty(0), np.empty(0), np.zeros(2, dtype=np.int64))
        return nothing, pd.MultiIndex.from_tuples([], names=GROUP)
    typed = values.astype({name: "str" for name in GROUP if name != "as_of_date"})
    typed["as_of_date"] = pd.to_datetime(typed["as_of_date"]).astype("datetime64[us]")
    number, keys = pd.MultiIndex.from_frame(typed[GROUP]).factorize()
    value = typed["value"].to_numpy(dtype=float)
    order = np.lexsort((value, number))
    sizes = np.bincount(number, minlength=len(keys) + 1)
    offsets = np.concatenate([[0], np.cumsum(sizes)])
    return Histogram(value[order], typed[count].to_numpy(dtype=float)[order], offsets), keys


def groups_of_arm(keys: pd.MultiIndex, rows: pd.DataFrame, variant: str, usable: NDArray[np.bool_]) -> Integers:
    """The histogram's group of each row's arm; the empty one behind the keys where there is none, or not usable."""
    wanted = pd.MultiIndex.from_frame(rows[[*GROUP[:-1], variant]].set_axis(GROUP, axis=1))
    found = keys.get_indexer(wanted) if len(keys) else np.full(len(rows), -1)
    return np.where(usable & (found >= 0), found, len(keys)).astype(np.int64)


def _results(rows: pd.DataFrame, difference: QuantileDifference, alpha: Floats) -> Arrays:
    sign = rows["sign"].to_numpy()
    base, treatment = (
        np.where(np.isfinite(arm.value), arm.value, np.nan) for arm in (difference.baseline, difference.treatment)
    )
    ok = difference.status == Status.OK
    ci, se = difference.interval(alpha), difference.se()
    with np.errstate(invalid="ignore", divide="ignore"):
        relative = difference.relative_interval(alpha)
        share = np.where(base == 0, np.nan, difference.effect / np.abs(base))
    relative_status = np.select(
        [~ok, base == 0, np.isnan(relative.low)],
        [difference.status, np.int8(Status.ZERO_BASELINE), np.int8(Status.IMPRECISE)],
        np.int8(Status.OK),
    ).astype(np.int8)
    guard, guard_p = _non_inferiority(rows, difference, sign)
    zero = np.zeros(len(rows), dtype=np.int8)
    return {
        "baseline_mean": base,
        "treatment_mean": treatment,
        "effect": difference.effect,
        "effect_se": np.where(ok, se, np.nan),
        "effect_se_pooled": np.where(ok, se, np.nan),
        "effect_relative": share,
        "ci_low": ci.low,
        "ci_high": ci.high,
        "relative_ci_low": relative.low,
        "relative_ci_high": relative.high,
        "p_value": difference.two_sided_p(),
        "p_value_improvement": difference.upper_tail_p(sign),
        "p_value_deterioration": difference.upper_tail_p(-sign),
        "p_value_non_inferiority": guard_p,
        "p_value_equivalence": _equivalence(rows, difference),
        "status": difference.status,
        "relative_status": relative_status,
        "non_inferiority_status": guard,
        **dict.fromkeys(("relative_shape", "is_weak", "is_fieller", "is_skewed", "is_margin_skewed", "withheld"), zero),
    }


def _non_inferiority(rows: pd.DataFrame, difference: QuantileDifference, sign: Floats) -> tuple[Codes, Floats]:
    """Status and p-value of each guardrail's test; OK and NaN for other metrics."""
    margin, kind = rows["margin"].to_numpy(), rows["margin_type"].to_numpy()
    p = _margin_p(difference, sign, margin, kind)
    ok = difference.status == Status.OK
    no_margin = (kind == "relative") & (difference.baseline.value == 0) & ok
    return np.where(no_margin, np.int8(Status.ZERO_BASELINE), np.int8(Status.OK)), np.where(no_margin, np.nan, p)


def _equivalence(rows: pd.DataFrame, difference: QuantileDifference) -> Floats:
    """The larger of two one-sided p-values, that the effect is above -margin and below it; else NaN (TOST)."""
    margin, kind = rows["equivalence_margin"].to_numpy(), rows["equivalence_margin_type"].to_numpy()
    up = np.ones(len(rows))
    p = np.maximum(_margin_p(difference, up, margin, kind), _margin_p(difference, -up, margin, kind))
    return np.where((kind == "relative") & (difference.baseline.value == 0), np.nan, p)


def _margin_p(difference: QuantileDifference, sign: Floats, margin: Floats, kind: NDArray) -> Floats:
    """One-sided p-value that sign·(T - B) is above -margin by its kind (a level: that sign·(T - margin) is above 0)."""
    has_margin = ~np.isnan(margin)
    share = np.where((kind == "relative") & has_margin, margin, 0.0)
    factor = np.where(kind == "level", 0.0, 1 - sign * share * np.sign(difference.baseline.value))
    absolute = np.select([kind == "absolute", kind == "level"], [margin, -sign * margin], 0.0)
    known = has_margin & (kind != "") & np.isfinite(factor)
    p = difference.upper_tail_p(sign, baseline_factor=np.where(known, factor, 1.0), margin=np.where(known, absolute, 0))
    return np.where(known, p, np.nan)
