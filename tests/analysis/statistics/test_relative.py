"""Relative effects: the delta method with the baseline's noise, signs, and weak or zero baselines."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.statistics.cuped import cuped, pooled_theta
from analysis.statistics.moments import JointMoments, MeanMoments
from analysis.statistics.relative import is_weak, relative_effect, relative_point
from analysis.statistics.status import Status
from analysis.statistics.student_t import interval
from analysis.statistics.welch import welch


def moments(n: float, mean: float, variance: float) -> MeanMoments:
    return MeanMoments(*(np.asarray(x, dtype=float) for x in (n, mean, variance, 0.0)))


def test_against_the_textbook_formula() -> None:
    """Baseline 10 ± 0.2 SE, treatment 12 ± 0.3 SE: r = .2, SE = √(.3² + 1.2²·.2²)/10."""
    relative = relative_effect(welch(moments(100, 10, 4), moments(100, 12, 9)))
    assert relative.value == pytest.approx(0.2)
    assert relative.se == pytest.approx(np.sqrt(0.09 + 1.44 * 0.04) / 10, rel=1e-12)


def test_a_negative_baseline_keeps_the_sign_of_the_change() -> None:
    """From -10 to -12 is a change of -20 %, the mirror of 10 to 12."""
    up = relative_effect(welch(moments(100, 10, 4), moments(100, 12, 9)))
    down = relative_effect(welch(moments(100, -10, 4), moments(100, -12, 9)))
    assert down.value == pytest.approx(-0.2)
    np.testing.assert_allclose([down.se, down.df], [up.se, up.df], rtol=1e-12)


def test_adjusted_effects_keep_their_covariance_with_the_raw_baseline() -> None:
    """Against linearised unit-level values: y - θx in the treatment, y - θx + r·y in the baseline."""
    rng = np.random.default_rng(21)
    x = [rng.gamma(2, 2, size) for size in (90, 70)]
    y = [before + rng.normal(1 + 0.4 * i, 1, before.size) for i, before in enumerate(x)]
    arms = [JointMoments.from_values(y[i], x[i]) for i in range(2)]
    estimate, theta = cuped(*arms), pooled_theta(*arms)[0]
    relative = relative_effect(estimate)
    in_baseline = y[0] - theta * x[0] + relative.value * y[0]
    in_treatment = y[1] - theta * x[1]
    variance = in_baseline.var(ddof=1) / 90 + in_treatment.var(ddof=1) / 70
    assert relative.value == pytest.approx(estimate.effect / y[0].mean(), rel=1e-12)
    assert relative.se == pytest.approx(np.sqrt(variance) / y[0].mean(), rel=1e-12)


def test_a_zero_baseline_has_an_effect_but_no_relative_one() -> None:
    estimate = welch(moments(100, 0, 4), moments(100, 1, 4))
    relative = relative_effect(estimate)
    assert estimate.status == Status.OK
    assert relative.status == Status.ZERO_BASELINE
    assert np.isnan([relative.value, relative.se, relative.df, relative_point(estimate)]).all()


def test_weak_means_within_five_standard_errors_of_zero() -> None:
    """Baseline SE is 0.2, so 1.0 is the edge."""
    means = np.array([0.99, 1.0, -0.99, -1.01])
    baseline = MeanMoments(np.full(4, 100.0), means, np.full(4, 4.0), np.zeros(4))
    assert is_weak(welch(baseline, baseline)).tolist() == [True, False, True, False]


def test_a_treatment_mean_of_exactly_zero_has_no_spread_to_divide() -> None:
    """All of the treatment is 0: the contrast with -100 % has no variance, so no interval is made up."""
    estimate = welch(moments(50, 0.2, 0.16), moments(50, 0, 0))
    relative = relative_effect(estimate)
    assert relative_point(estimate) == -1
    assert relative.status == Status.ZERO_VARIANCE
    assert np.isnan(interval(relative, 0.05).low)


@given(st.floats(0.1, 1e6), st.floats(-1e6, 1e6), st.integers(-200, 200))
def test_the_unit_of_a_metric_does_not_matter(a: float, b: float, exponent: int) -> None:
    scale = 2.0**exponent
    plain = relative_effect(welch(moments(50, a, 4), moments(60, b, 9)))
    scaled = relative_effect(welch(moments(50, a * scale, 4 * scale**2), moments(60, b * scale, 9 * scale**2)))
    np.testing.assert_allclose([scaled.value, scaled.se], [plain.value, plain.se], rtol=1e-12)


def test_coverage_with_a_noisy_baseline() -> None:
    """10,000 experiments, 1 % against 1.2 %, 5,000 an arm, seed 23.

    The acceptance bound for a nominal .95 at 10,000 runs is [.9427, .9570].
    """
    rng = np.random.default_rng(23)
    arms = []
    for rate in (0.01, 0.012):
        share = rng.binomial(5000, rate, 10_000) / 5000
        n = np.full(10_000, 5000.0)
        arms.append(MeanMoments(n, share, share * (1 - share) * n / (n - 1), np.zeros(10_000)))
    ci = interval(relative_effect(welch(*arms)), 0.05)
    assert 0.9427 <= np.mean((ci.low < 0.2) & (ci.high > 0.2)) <= 0.9570
