"""Margins: the contrast of Kieser & Hauschke, absolute margins, levels, and their error rates."""

import numpy as np
import pytest
from scipy import stats

from analysis.statistics import non_inferiority
from analysis.statistics.cuped import cuped, pooled_theta
from analysis.statistics.estimate import Estimate
from analysis.statistics.moments import JointMoments, MeanMoments
from analysis.statistics.status import Status
from analysis.statistics.student_t import upper_tail_p
from analysis.statistics.welch import welch

UP, DOWN = np.asarray(1.0), np.asarray(-1.0)


def estimate(baseline: float, treatment: float) -> Estimate:
    """Standard errors 0.2 and 0.3 with 100 units an arm."""
    arms = [(100, baseline, 4, 0), (100, treatment, 9, 0)]
    return welch(*(MeanMoments(*(np.asarray(x, dtype=float) for x in arm)) for arm in arms))


@pytest.mark.parametrize(
    ("baseline", "treatment", "sign", "value", "weight"),
    [
        (10, 9.8, UP, 0.3, 0.95),  # 9.8 - 10 + .05·10, margin's noise works with the baseline's
        (10, 10.2, DOWN, 0.3, 1.05),  # -(10.2 - 10) + .05·10
        (-10, -10.2, UP, 0.3, 1.05),
        (-10, -9.8, DOWN, 0.3, 0.95),
    ],
)
def test_relative_margin_by_hand(
    baseline: float, treatment: float, sign: np.ndarray, value: float, weight: float
) -> None:
    tested = non_inferiority.relative_margin(estimate(baseline, treatment), sign, np.asarray(0.05))
    assert tested.value == pytest.approx(value)
    assert tested.se == pytest.approx(np.sqrt(0.09 + weight**2 * 0.04), rel=1e-12)


def test_relative_margin_equals_welch_against_a_shrunken_baseline() -> None:
    """Where up is good, Welch's one-sided test with every baseline value times 1 - m; else 1 + m."""
    rng = np.random.default_rng(31)
    baseline, treatment = rng.gamma(3, 1, 60), rng.gamma(3, 1, 45)
    result = welch(MeanMoments.from_values(baseline), MeanMoments.from_values(treatment))
    p = upper_tail_p(non_inferiority.relative_margin(result, UP, np.asarray(0.1)))
    theirs = stats.ttest_ind(treatment, 0.9 * baseline, equal_var=False, alternative="greater")
    assert p == pytest.approx(theirs.pvalue, rel=1e-10)
    p_down = upper_tail_p(non_inferiority.relative_margin(result, DOWN, np.asarray(0.1)))
    theirs = stats.ttest_ind(treatment, 1.1 * baseline, equal_var=False, alternative="less")
    assert p_down == pytest.approx(theirs.pvalue, rel=1e-10)


def test_relative_margin_of_an_adjusted_effect_on_unit_level_values() -> None:
    """The baseline's part is y - θx - m·y, the treatment's y - θx; their variances add."""
    rng = np.random.default_rng(32)
    x = [rng.gamma(2, 2, size) for size in (90, 70)]
    y = [before + rng.normal(1, 1, before.size) for before in x]
    arms = [JointMoments.from_values(y[i], x[i]) for i in range(2)]
    theta, result = pooled_theta(*arms)[0], cuped(*arms)
    tested = non_inferiority.relative_margin(result, UP, np.asarray(0.1))
    in_baseline, in_treatment = y[0] - theta * x[0] - 0.1 * y[0], y[1] - theta * x[1]
    expected = np.sqrt(in_baseline.var(ddof=1) / 90 + in_treatment.var(ddof=1) / 70)
    assert tested.value == pytest.approx(result.effect + 0.1 * y[0].mean(), rel=1e-12)
    assert tested.se == pytest.approx(expected, rel=1e-12)


def test_absolute_margin_shifts_the_test() -> None:
    tested = non_inferiority.absolute_margin(estimate(10, 10.2), DOWN, np.asarray(0.5))
    assert (tested.value, tested.se) == pytest.approx((0.3, np.sqrt(0.13)))


def test_level_is_a_one_sample_test_of_the_treatment() -> None:
    errors = np.array([0.0] * 480 + [1.0] * 20)
    result = welch(MeanMoments.from_values(errors[::2]), MeanMoments.from_values(errors))
    p = upper_tail_p(non_inferiority.level(result, DOWN, np.asarray(0.05)))
    assert p == pytest.approx(stats.ttest_1samp(errors, 0.05, alternative="less").pvalue, rel=1e-10)


def test_a_zero_baseline_has_no_relative_margin() -> None:
    tested = non_inferiority.relative_margin(estimate(0, 1), UP, np.asarray(0.05))
    assert tested.status == Status.ZERO_BASELINE
    assert np.isnan(upper_tail_p(tested))


def test_a_metric_without_margin_has_no_test() -> None:
    tested = non_inferiority.relative_margin(estimate(10, 10), UP, np.asarray(np.nan))
    assert np.isnan(upper_tail_p(tested))


@pytest.mark.parametrize("is_adjusted", [False, True])
def test_size_on_the_margin(is_adjusted: bool) -> None:
    """20,000 experiments exactly 10 % worse, 60/60 units, standard deviation as large as the mean, seed 33.

    At one-sided .05 a count is Binomial(20000, .05): .05 ± 3.29·.00154 holds 99.9 %.
    """
    rng = np.random.default_rng(33)
    before = [rng.normal(0, 1, (20_000, 60)) for _ in range(2)]
    values = [mean + rng.normal(0, 1, x.shape) * 0.6 + 0.8 * x for mean, x in zip((1.0, 0.9), before, strict=True)]
    if is_adjusted:
        result = cuped(*(JointMoments.from_values(y, x) for y, x in zip(values, before, strict=True)))
    else:
        result = welch(*(MeanMoments.from_values(y) for y in values))
    p = upper_tail_p(non_inferiority.relative_margin(result, UP, np.asarray(0.1)))
    assert 0.0449 <= np.mean(p < 0.05) <= 0.0551
