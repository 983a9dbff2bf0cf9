"""Effects, tests and intervals of every comparison, computed method by method over whole arrays."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.scorecard.designs import about_margin, comparison_designs
from analysis.scorecard.relative import relative_results
from analysis.scorecard.strata import Strata
from analysis.statistics import non_inferiority
from analysis.statistics.design import Design
from analysis.statistics.dunnett import loading
from analysis.statistics.estimate import Contrast, Estimate
from analysis.statistics.further_covariates import restricted
from analysis.statistics.inference import INFERENCES, Inference
from analysis.statistics.registry import ESTIMATORS, STRATIFIED, Columns
from analysis.statistics.relative import is_weak
from analysis.statistics.schedules import Schedules
from analysis.statistics.skewness import is_difference_skewed, is_margin_test_skewed
from analysis.statistics.status import Codes, Floats, Status
from analysis.statistics.student_t import Interval

Arrays = dict[str, NDArray]

# What a look decides: withheld before the first one, and carried on between looks.
TESTS = (
    "p_value",
    "p_value_improvement",
    "p_value_non_inferiority",
    "p_value_deterioration",
    "p_value_equivalence",
)
INTERVALS = (("ci_low", "ci_high"), ("relative_ci_low", "relative_ci_high"))
DETAILS = (
    "critical_value",
    "p_value_stagewise",
    "effect_median_unbiased",
    "stagewise_ci_low",
    "stagewise_ci_high",
    "is_futile",
    "projected_n",
    "posterior_mean",
    "posterior_sd",
    "probability_better",
    "probability_equivalent",
    "expected_loss",
    "expected_loss_relative",
)
NUMBERS = (
    "baseline_mean",
    "treatment_mean",
    "effect",
    "effect_se",
    "effect_se_pooled",
    "loading",
    "baseline_se",
    "treatment_se",
    "df",
    "effect_relative",
    "variance_reduction",
    *TESTS,
    *(end for interval in INTERVALS for end in interval),
    *DETAILS,
)
_WITHHELD = {*TESTS, *(end for interval in INTERVALS for end in interval), *DETAILS}
CODES = (
    "status",
    "relative_status",
    "relative_shape",
    "non_inferiority_status",
    "is_weak",
    "is_fieller",
    "is_skewed",
    "is_sparse",
    "is_margin_skewed",
    "withheld",
)


@dataclass(frozen=True)
class Compared:
    """Comparisons of one estimator and one method: their rows' positions, estimates, designs and method."""

    index: NDArray[np.intp]
    estimate: Estimate
    design: Design
    method: Inference

    def interval(self, alpha: Floats) -> Interval:
        """The effects' intervals at other levels, unless the method withholds them."""
        return self.method.interval_of_effect(self.estimate, self.design.at(alpha))


def infer(
    rows: pd.DataFrame, baseline: Columns, treatment: Columns, schedules: Schedules, strata: Strata
) -> tuple[Arrays, list[Compared]]:
    """Numbers (`NUMBERS`) and status codes (`CODES`) of every comparison, each on its own.

    `rows` has the plan's columns with `estimator` as chosen and each look's `schedule`; the arms are arrays
    over its rows. A row whose estimator or inference is not registered stays NaN.
    """
    results: Arrays = {name: np.full(len(rows), np.nan) for name in NUMBERS}
    results |= {name: np.zeros(len(rows), dtype=np.int8) for name in CODES}
    compared = []
    for (estimator, inference, count), index in rows.groupby(["estimator", "inference", "n_further"]).indices.items():
        if estimator not in ESTIMATORS or inference not in INFERENCES:
            continue
        arms = [restricted(arm, index, count) for arm in (baseline, treatment)]
        if estimator in STRATIFIED:
            arms = [arm | dict(within) for arm, within in zip(arms, strata.columns(index), strict=True)]
        some = rows.iloc[index]
        with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
            estimate = ESTIMATORS[estimator](*arms)
            design = comparison_designs(some, estimate, schedules)
            one = Compared(index, estimate, design, INFERENCES[inference])
            computed = _inferred(some, one)
        for name, values in computed.items():
            results[name][index] = values
        compared.append(one)
    return results, compared


def _inferred(rows: pd.DataFrame, one: Compared) -> Arrays:
    estimate, method, design = one.estimate, one.method, one.design
    sign, is_one_sided = rows["sign"].to_numpy(), (rows["alternative"] == "improvement").to_numpy()
    difference = estimate.difference
    margin = _margin_contrast(rows, estimate, sign)
    guard, guard_p = _non_inferiority(rows, estimate, margin, method, design)
    ci = one.interval(design.alpha)
    computed: Arrays = {
        "baseline_mean": estimate.baseline.mean,
        "treatment_mean": estimate.treatment.mean,
        "effect": estimate.effect,
        "effect_se": difference.se,
        "effect_se_pooled": estimate.pooled_se,
        "loading": loading(estimate),
        "baseline_se": np.where(estimate.status == Status.OK, np.sqrt(estimate.baseline.adjusted_variance), np.nan),
        "treatment_se": np.where(estimate.status == Status.OK, np.sqrt(estimate.treatment.adjusted_variance), np.nan),
        "df": difference.df,
        "ci_low": ci.low,
        "ci_high": ci.high,
        "p_value": method.p_of_effect(estimate, design),
        "p_value_improvement": method.tail_p_of_effect(estimate, design, sign),
        "p_value_non_inferiority": guard_p,
        "p_value_deterioration": method.tail_p_of_effect(estimate, design, -sign),
        "p_value_equivalence": _equivalence(rows, estimate, method, design),
        "variance_reduction": np.where(rows["is_adjusted"], estimate.variance_reduction, np.nan),
        "status": estimate.status,
        "non_inferiority_status": guard,
        "is_weak": is_weak(estimate),
        # One-sided, the whole level is in one tail.
        "is_skewed": is_difference_skewed(estimate, design.alpha * np.where(is_one_sided, 2.0, 1.0)),
        "is_margin_skewed": has_skewed_margin_test(
            rows, estimate, share_levels_are_exact=method.share_level_p is not None
        ),
        **relative_results(rows, estimate, method, design),
    }
    if method.details is not None:
        computed |= method.details(estimate, design, sign)
    if method.futility is not None:
        computed["is_futile"] = method.futility(*_goals(rows, estimate, margin, design))
    if method.withheld is None:
        return computed
    return _withheld(computed, method.withheld(estimate, design))


def _withheld(computed: Arrays, withheld: Codes) -> Arrays:
    """Without the tests and intervals of comparisons that their method does not test yet."""
    shown = {
        name: np.where(withheld == Status.OK, values, np.nan) if name in _WITHHELD else values
        for name, values in computed.items()
    }
    status = np.where(computed["status"] == Status.OK, withheld, computed["status"])
    return shown | {"status": status, "withheld": withheld}


def _equivalence(rows: pd.DataFrame, estimate: Estimate, method: Inference, design: Design) -> Floats:
    """The larger of two one-sided p-values, that the effect is above -margin and below it; else NaN (TOST)."""
    margin, kind = rows["equivalence_margin"].to_numpy(), rows["equivalence_margin_type"].to_numpy()
    tests = {"relative": non_inferiority.relative_margin, "absolute": non_inferiority.absolute_margin}
    p = np.full(len(rows), -np.inf)
    for sign in (np.ones(len(rows)), -np.ones(len(rows))):
        contrast = _selected(kind, {name: test(estimate, sign, margin) for name, test in tests.items()})
        p = np.maximum(p, method.upper_tail_p(contrast, about_margin(design, estimate, contrast, sign)))
    return p


def _margin_contrast(rows: pd.DataFrame, estimate: Estimate, sign: Floats) -> Contrast:
    """What is positive if a metric is within its margin, by the margin's kind; NaN and OK of metrics without one."""
    margin, kind = rows["margin"].to_numpy(), rows["margin_type"].to_numpy()
    tests = {
        "relative": non_inferiority.relative_margin,
        "absolute": non_inferiority.absolute_margin,
        "level": non_inferiority.level,
    }
    return _selected(kind, {name: test(estimate, sign, margin) for name, test in tests.items()})


def _non_inferiority(
    rows: pd.DataFrame, estimate: Estimate, contrast: Contrast, method: Inference, design: Design
) -> tuple[Codes, Floats]:
    """Status and p-value of the test of each metric's margin; OK and NaN for metrics without one."""
    sign, margin, kind = (rows[name].to_numpy() for name in ("sign", "margin", "margin_type"))
    is_level = kind == "level"
    p = method.upper_tail_p(contrast, about_margin(design, estimate, contrast, sign))
    of_level = method.upper_tail_p(contrast, design.of_one_arm(estimate.treatment.n))
    status, p = contrast.status, np.where(is_level, of_level, p)
    if method.share_level_p is None:
        return status, p
    # A share that never varied can still be held against a level: no error in 10,000 units proves a lot.
    is_exact = rows["is_share"] & is_level & np.isin(estimate.status, (Status.OK, Status.ZERO_VARIANCE))
    exact = method.share_level_p(estimate.treatment, sign, margin)
    return np.where(is_exact, np.int8(Status.OK), status), np.where(is_exact, exact, p)


def _goals(rows: pd.DataFrame, estimate: Estimate, margin: Contrast, design: Design) -> tuple[Contrast, Design]:
    """What each metric hopes for, a positive contrast, and the two-sided level that it is proven at.

    A goal of do_no_harm is to be within its margin at one-sided alpha: no effect at all is what it hopes for.
    """
    is_held = ((rows["role"] == "primary") & (rows["margin_type"] != "")).to_numpy()
    improvement = estimate.plus_baseline(0.0, rows["sign"].to_numpy())
    goal = _selected(np.where(is_held, "margin", "better"), {"margin": margin, "better": improvement})
    return goal, design.at(np.where(is_held, 2 * design.alpha, design.alpha))


def has_skewed_margin_test(
    rows: pd.DataFrame, estimate: Estimate, *, share_levels_are_exact: bool
) -> NDArray[np.bool_]:
    """Whether skewness lets a test of non-inferiority or equivalence pass too often at its own level.

    An exact test of a share against a level does not mind.
    """
    sign, margin, kind = (rows[name].to_numpy() for name in ("sign", "margin", "margin_type"))
    if share_levels_are_exact:
        kind = np.where(rows["is_share"] & (kind == "level"), "", kind)
    own, own_kind = rows["equivalence_margin"].to_numpy(), rows["equivalence_margin_type"].to_numpy()
    up = np.ones(len(rows))
    tests = ((sign, margin, kind), (up, own, own_kind), (-up, own, own_kind))
    found = np.zeros(len(rows), dtype=bool)
    for side, margins, kinds in tests:
        if not np.isnan(margins).all():
            moving = 1 - side * margins * np.sign(estimate.baseline.mean)
            keep = np.select([kinds == "relative", kinds == "absolute", kinds == "level"], [moving, 1.0, 0.0], np.nan)
            found |= is_margin_test_skewed(estimate, side, keep, rows["alpha"].to_numpy())
    return found


def _selected(kind: NDArray, tests: dict[str, Contrast]) -> Contrast:
    """Each comparison's contrast by the kind of its margin; NaN and OK where there is none."""
    masks = [kind == name for name in tests]
    value, se, df = (
        np.select(masks, [getattr(test, name) for test in tests.values()], np.nan) for name in ("value", "se", "df")
    )
    return Contrast(value, se, df, np.select(masks, [test.status for test in tests.values()], np.int8(Status.OK)))
