"""Effects, tests and intervals of every comparison, computed method by method over whole arrays."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.statistics import non_inferiority
from analysis.statistics.estimate import Contrast, Estimate
from analysis.statistics.multiplicity import CORRECTIONS
from analysis.statistics.registry import ESTIMATORS, INFERENCES, Columns, Inference
from analysis.statistics.relative import is_weak, relative_effect, relative_point
from analysis.statistics.skewness import is_skewed, tail_shift
from analysis.statistics.status import Codes, Floats, Status

Arrays = dict[str, NDArray]

NUMBERS = (
    "baseline_mean",
    "treatment_mean",
    "effect",
    "effect_se",
    "effect_se_pooled",
    "df",
    "ci_low",
    "ci_high",
    "effect_relative",
    "relative_ci_low",
    "relative_ci_high",
    "p_value",
    "p_value_non_inferiority",
    "p_value_deterioration",
    "variance_reduction",
)
CODES = ("status", "relative_status", "non_inferiority_status", "is_weak", "is_skewed")
ADJUSTED = ("p_value_adjusted", "ci_low_adjusted", "ci_high_adjusted", "confidence_level_adjusted")


def infer(rows: pd.DataFrame, baseline: Columns, treatment: Columns) -> Arrays:
    """Numbers (`NUMBERS`) and status codes (`CODES`) of every comparison, each on its own.

    `rows` has the plan's columns with `estimator` as chosen; the arms are arrays over its rows. A row whose
    estimator or inference is not registered stays NaN.
    """
    results: Arrays = {name: np.full(len(rows), np.nan) for name in NUMBERS}
    results |= {name: np.zeros(len(rows), dtype=np.int8) for name in CODES}
    for (estimator, inference), index in rows.groupby(["estimator", "inference"]).indices.items():
        if estimator not in ESTIMATORS or inference not in INFERENCES:
            continue
        arms = [{name: values[index] for name, values in arm.items()} for arm in (baseline, treatment)]
        with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
            estimate = ESTIMATORS[estimator](*arms)
            computed = _inferred(rows.iloc[index], estimate, INFERENCES[inference])
        for name, values in computed.items():
            results[name][index] = values
    return results


def adjust(rows: pd.DataFrame, results: Arrays) -> Arrays:
    """Adjusted p-values and intervals (`ADJUSTED`) over the families numbered in `rows["family"]`.

    A family lies within one experiment, so it has one correction and one method.
    """
    adjusted: Arrays = {name: np.full(len(rows), np.nan) for name in ADJUSTED}
    for (correction, inference), index in rows.groupby(["correction", "inference"]).indices.items():
        if correction not in CORRECTIONS or inference not in INFERENCES:
            continue
        family, alpha = rows["family"].to_numpy()[index], rows["alpha"].to_numpy()[index]
        p = results["p_value"][index]
        interval_alpha = CORRECTIONS[correction].interval_alpha(p, family, alpha)
        effect, se, df, status = (results[name][index] for name in ("effect", "effect_se", "df", "status"))
        difference = Contrast(effect, se, df, status)
        ci = INFERENCES[inference].interval(difference, interval_alpha)
        adjusted["p_value_adjusted"][index] = CORRECTIONS[correction].adjust(p, family)
        adjusted["ci_low_adjusted"][index] = ci.low
        adjusted["ci_high_adjusted"][index] = ci.high
        adjusted["confidence_level_adjusted"][index] = 1 - interval_alpha
    return adjusted


def _inferred(rows: pd.DataFrame, estimate: Estimate, method: Inference) -> Arrays:
    alpha, sign = rows["alpha"].to_numpy(), rows["sign"].to_numpy()
    difference, relative = estimate.difference, relative_effect(estimate)
    guard, guard_p = _non_inferiority(rows, estimate, sign, method)
    ci, relative_ci = method.interval(difference, alpha), method.interval(relative, alpha)
    return {
        "baseline_mean": estimate.baseline.mean,
        "treatment_mean": estimate.treatment.mean,
        "effect": estimate.effect,
        "effect_se": difference.se,
        "effect_se_pooled": estimate.pooled_se,
        "df": difference.df,
        "ci_low": ci.low,
        "ci_high": ci.high,
        "effect_relative": relative_point(estimate),
        "relative_ci_low": relative_ci.low,
        "relative_ci_high": relative_ci.high,
        "p_value": method.two_sided_p(difference),
        "p_value_non_inferiority": guard_p,
        "p_value_deterioration": method.upper_tail_p(non_inferiority.deterioration(estimate, sign)),
        "variance_reduction": np.where(rows["is_adjusted"], estimate.variance_reduction, np.nan),
        "status": estimate.status,
        "relative_status": relative.status,
        "non_inferiority_status": guard,
        "is_weak": is_weak(estimate),
        "is_skewed": is_skewed(tail_shift(estimate, alpha)),
    }


def _non_inferiority(rows: pd.DataFrame, estimate: Estimate, sign: Floats, method: Inference) -> tuple[Codes, Floats]:
    """Status and p-value of each guardrail's test by its kind of margin; OK and NaN for other metrics."""
    margin, kind = rows["margin"].to_numpy(), rows["margin_type"].to_numpy()
    tests = {
        "relative": non_inferiority.relative_margin(estimate, sign, margin),
        "absolute": non_inferiority.absolute_margin(estimate, sign, margin),
        "level": non_inferiority.level(estimate, sign, margin),
    }
    masks = [kind == name for name in tests]
    value, se, df = (
        np.select(masks, [getattr(test, name) for test in tests.values()], np.nan) for name in ("value", "se", "df")
    )
    status = np.select(masks, [test.status for test in tests.values()], np.int8(Status.OK))
    p = method.upper_tail_p(Contrast(value, se, df, status))
    # A share that never varied can still be held against a level: no error in 10,000 units proves a lot.
    is_exact = rows["is_share"] & (kind == "level") & np.isin(estimate.status, (Status.OK, Status.ZERO_VARIANCE))
    exact = method.share_level_p(estimate.treatment, sign, margin)
    return np.where(is_exact, np.int8(Status.OK), status), np.where(is_exact, exact, p)
