"""Comparisons of quantiles, from how many units have each value; they share families with all other metrics."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.scorecard.inference import Arrays
from analysis.statistics.quantile import (
    BEYOND_REASON,
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

QUANTILE = "quantile"
GROUP = ["as_of_date", "experiment_id", "segment_name", "segment_value", "metric_id", "variant_id"]

REASONS = {
    Status.TOO_FEW_UNITS: BEYOND_REASON,
    Status.FAILED: "the units counted by value are not those of the metric; build fct_value_counts again",
    Status.ZERO_VARIANCE: "so many units share one value that neither arm's quantile has an interval around it",
    Status.ZERO_BASELINE: "the baseline's quantile is 0, so a relative effect or margin is undefined",
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
    histogram, keys = _histogram(values)
    level = some["metric_id"].map({id_: metric.quantile for id_, metric in metrics.items()}).to_numpy(dtype=float)
    arms = [
        _arm(histogram, keys, some, variant, level, units[index])
        for variant, units in zip(("baseline_id", "variant_id"), n, strict=True)
    ]
    difference = compare_quantiles(*(quantile for quantile, _ in arms))
    mismatch = arms[0][1] | arms[1][1]
    alpha = some["alpha"].to_numpy()
    status = np.where(mismatch, np.int8(Status.FAILED), difference.status)
    ci = difference.interval(alpha)
    status = np.where((status == Status.OK) & (ci.low == ci.high), np.int8(Status.ZERO_VARIANCE), status)
    difference = replace(difference, status=status.astype(np.int8))
    with np.errstate(invalid="ignore"):
        return _results(some, difference, alpha), ComparedQuantiles(index, difference)


def quantile_reasons(rows: pd.DataFrame, code: Codes, reason: NDArray) -> NDArray:
    """The reasons, with those of quantiles in their own words."""
    of_quantile = (rows["estimator"] == QUANTILE).to_numpy()
    own = [of_quantile & (code == status) for status in REASONS]
    return np.select(own, list(REASONS.values()), reason) if of_quantile.any() else reason


def relative_reasons(rows: pd.DataFrame, code: Codes, reason: NDArray) -> NDArray:
    """Why there is no relative interval, of quantiles in their own words."""
    of_quantile = (rows["estimator"] == QUANTILE).to_numpy()
    if not of_quantile.any():
        return reason
    no_interval = of_quantile & (code == Status.IMPRECISE)
    return quantile_reasons(rows, code, np.where(no_interval, NO_RELATIVE_INTERVAL, reason))


def _histogram(values: pd.DataFrame | None) -> tuple[Histogram, pd.MultiIndex]:
    """All groups of units, and their keys in the histogram's order."""
    if values is None or values.empty:
        nothing = Histogram(np.empty(0), np.empty(0), np.zeros(2, dtype=np.int64))
        return nothing, pd.MultiIndex.from_tuples([], names=GROUP)
    typed = values.astype({name: "str" for name in GROUP if name != "as_of_date"})
    typed["as_of_date"] = pd.to_datetime(typed["as_of_date"]).astype("datetime64[us]")
    number, keys = pd.MultiIndex.from_frame(typed[GROUP]).factorize()
    value = typed["value"].to_numpy(dtype=float)
    order = np.lexsort((value, number))
    # One group more, without units, is that of comparisons that are not in the table.
    sizes = np.bincount(number, minlength=len(keys) + 1)
    offsets = np.concatenate([[0], np.cumsum(sizes)])
    return Histogram(value[order], typed["n_units"].to_numpy(dtype=float)[order], offsets), keys


def _arm(
    histogram: Histogram, keys: pd.MultiIndex, rows: pd.DataFrame, variant: str, level: Floats, n: Floats
) -> tuple[Quantile, NDArray[np.bool_]]:
    """The arm's quantiles, and where its counts are not those of the moments."""
    wanted = pd.MultiIndex.from_frame(rows[[*GROUP[:-1], variant]].set_axis(GROUP, axis=1))
    found = keys.get_indexer(wanted) if len(keys) else np.full(len(rows), -1)
    usable = ~np.isnan(n)
    empty = histogram.offsets.size - 2
    group: Integers = np.where(usable & (found >= 0), found, empty).astype(np.int64)
    return unit_quantile(histogram, level, group), usable & (histogram.n(group) != n)


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
