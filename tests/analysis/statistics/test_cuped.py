"""CUPED against ANCOVA by statsmodels on unit-level data, and its behaviour with useless covariates."""

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given
from hypothesis import strategies as st

from analysis.statistics.cuped import cuped, pooled_theta
from analysis.statistics.moments import JointMoments, MeanMoments
from analysis.statistics.status import Status
from analysis.statistics.student_t import interval, two_sided_p
from analysis.statistics.welch import welch


def arm(rng: np.random.Generator, units: int, lift: float) -> tuple[np.ndarray, ...]:
    """Value, pre-period value, and whether there was a pre-period: a third of the units are new."""
    is_new = (rng.random(units) < 1 / 3).astype(float)
    level = rng.gamma(2, 2, units)
    before = np.where(is_new == 1, 0.0, level + rng.normal(0, 1, units))
    return level + lift + rng.normal(0, 1, units) - 0.5 * is_new, before, is_new


@pytest.mark.parametrize("covariates", [1, 2])
def test_equals_ancova_with_hc2_on_adjusted_values(covariates: int) -> None:
    rng = np.random.default_rng(11)
    arms = [arm(rng, 400, 0.0)[: covariates + 1], arm(rng, 150, 0.3)[: covariates + 1]]
    result = cuped(*(JointMoments.from_values(*values) for values in arms))

    stacked = np.concatenate(arms, axis=1)
    treatment = np.repeat([0.0, 1.0], [400, 150])
    ancova = sm.OLS(stacked[0], sm.add_constant(np.column_stack([treatment, stacked[1:].T]))).fit()
    assert result.effect == pytest.approx(ancova.params[1], rel=1e-9)
    adjusted = stacked[0] - stacked[1:].T @ ancova.params[2:]
    robust = sm.OLS(adjusted, sm.add_constant(treatment)).fit(cov_type="HC2")
    assert result.difference.se == pytest.approx(robust.bse[1], rel=1e-9)

    on_adjusted = welch(MeanMoments.from_values(adjusted[:400]), MeanMoments.from_values(adjusted[400:]))
    assert result.difference.df == pytest.approx(on_adjusted.difference.df, rel=1e-9)
    assert two_sided_p(result.difference) == pytest.approx(two_sided_p(on_adjusted.difference), rel=1e-9)
    plain = welch(*(MeanMoments.from_values(values[0]) for values in arms))
    reduction = 1 - (on_adjusted.difference.se / plain.difference.se) ** 2
    assert result.variance_reduction == pytest.approx(reduction, rel=1e-9)
    assert (result.baseline.mean, result.treatment.mean) == (plain.baseline.mean, plain.treatment.mean)


def test_a_constant_covariate_leaves_welchs_test() -> None:
    rng = np.random.default_rng(12)
    arms = [rng.normal(0, 1, 60), rng.normal(0, 1, 40)]
    adjusted = cuped(*(JointMoments.from_values(y, np.full_like(y, 7.3)) for y in arms))
    plain = welch(*(MeanMoments.from_values(y) for y in arms))
    assert adjusted.effect == pytest.approx(plain.effect, rel=1e-14)
    assert adjusted.difference.se == pytest.approx(plain.difference.se, rel=1e-14)
    assert adjusted.variance_reduction == pytest.approx(0, abs=1e-14)


def test_of_two_collinear_covariates_the_later_is_dropped() -> None:
    rng = np.random.default_rng(13)
    arms = [arm(rng, 80, 0.0), arm(rng, 70, 0.0)]
    alone = cuped(*(JointMoments.from_values(y, x) for y, x, _ in arms))
    twice = [JointMoments.from_values(y, x, 3 - 0.1 * x) for y, x, _ in arms]
    assert pooled_theta(*twice)[1] == 0
    assert cuped(*twice).effect == pytest.approx(alone.effect, rel=1e-12)


def test_a_covariate_that_doubles_cannot_resolve_is_dropped() -> None:
    rng = np.random.default_rng(14)
    arms = [JointMoments.from_values(*arm(rng, 80, 0.0)[:2]) for _ in range(2)]
    far = [JointMoments(a.n, a.mean + np.array([0, 1e16]), a.covariance) for a in arms]
    assert pooled_theta(*far)[0] == 0
    assert pooled_theta(*arms)[0] != 0


def test_a_covariate_that_explains_everything_leaves_no_variance() -> None:
    x = np.array([1.0, 2, 4, 8, 9, 12])
    result = cuped(JointMoments.from_values(0.1 * x, x), JointMoments.from_values(0.1 * x[:4] + 1, x[:4]))
    assert result.effect == pytest.approx(1)
    assert result.status == Status.ZERO_VARIANCE


def test_missing_covariate_moments_are_not_ignored() -> None:
    rng = np.random.default_rng(15)
    a, b = (JointMoments.from_values(*arm(rng, 30, 0.0)[:2]) for _ in range(2))
    broken = JointMoments(b.n, np.array([b.mean[0], np.nan]), b.covariance)
    assert cuped(a, broken).status == Status.NOT_COMPUTED


@given(st.integers(0, 2**32 - 1), st.sampled_from([2.0**-60, 0.125, 2.0**60]), st.integers(-50, 50))
def test_shift_and_scale_of_the_covariate_do_not_matter(seed: int, scale: float, shift: int) -> None:
    arms = [arm(np.random.default_rng([seed, i]), 30, 0.0) for i in range(2)]
    plain = cuped(*(JointMoments.from_values(y, x) for y, x, _ in arms))
    moved = cuped(*(JointMoments.from_values(y, (x + shift) * scale) for y, x, _ in arms))
    np.testing.assert_allclose(moved.effect, plain.effect, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(moved.difference.se, plain.difference.se, rtol=1e-9)


@given(st.integers(0, 2**32 - 1))
def test_swapping_arms_mirrors_the_effect(seed: int) -> None:
    a, b = (JointMoments.from_values(*arm(np.random.default_rng([seed, i]), 25 + i, 0.2)) for i in range(2))
    there, back = cuped(a, b), cuped(b, a)
    np.testing.assert_allclose(there.effect, -back.effect, rtol=1e-10, atol=1e-13)
    np.testing.assert_allclose(there.difference.se, back.difference.se, rtol=1e-10)


def test_coverage_and_variance_reduction() -> None:
    """8,000 experiments, 200/120 units, a third of them new, true effect .3, seed 17.

    At .95 a count is Binomial(8000, .95): .95 ± 3.29·.00244 holds 99.9 %.
    """
    rng = np.random.default_rng(17)
    arms = []
    for units, lift in ((200, 0.0), (120, 0.3)):
        values = (column.reshape(8000, units) for column in arm(rng, units * 8000, lift))
        arms.append(JointMoments.from_values(*values))
    result = cuped(*arms)
    ci = interval(result.difference, 0.05)
    assert 0.9420 <= np.mean((ci.low < 0.3) & (ci.high > 0.3)) <= 0.9580
    # Variance 9: 8 of level, 1 of noise. A pre-period known for 2 of 3 units explains about half of it.
    assert 0.4 < np.mean(result.variance_reduction) < 0.6
