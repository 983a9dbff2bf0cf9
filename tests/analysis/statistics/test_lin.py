"""Regression with slopes per arm against interacted least squares by statsmodels, and its coverage."""

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import example, given, settings
from hypothesis import strategies as st

from analysis.statistics.cuped import cuped
from analysis.statistics.lin import lin
from analysis.statistics.moments import JointMoments, MeanMoments
from analysis.statistics.non_inferiority import relative_margin
from analysis.statistics.relative import relative_effect
from analysis.statistics.status import Status
from analysis.statistics.student_t import interval
from analysis.statistics.welch import welch


def arm(rng: np.random.Generator, units: int, lift: float, slope: float, covariates: int = 1) -> list[np.ndarray]:
    """Value first; then covariates, of which all but the first are half as strong."""
    x = rng.gamma(2, 1, (covariates, units))
    strength = np.where(np.arange(covariates) == 0, slope, slope / 2)
    return [lift + strength @ x + rng.normal(0, 1, units), *x]


@pytest.mark.parametrize("covariates", [1, 3])
def test_effect_equals_interacted_least_squares(covariates: int) -> None:
    rng = np.random.default_rng(21)
    arms = [arm(rng, 700, 0, 0.5, covariates), arm(rng, 250, 0.3, 2, covariates)]
    result = lin(*(JointMoments.from_values(*values) for values in arms))

    y, *x = np.concatenate(arms, axis=1)
    treated = np.repeat([0.0, 1.0], [700, 250])
    centred = np.column_stack(x) - np.mean(x, axis=1)
    design = sm.add_constant(np.column_stack([treated, centred, centred * treated[:, None]]))
    fit = sm.OLS(y, design).fit(cov_type="HC2")
    assert result.effect == pytest.approx(fit.params[1], rel=1e-9)

    # HC2 takes each unit's leverage, moments only the average: .3 % apart at 250 units.
    gap = fit.params[2 + covariates :]
    of_means = gap @ np.cov(np.vstack(x)).reshape(covariates, covariates) @ gap / y.size
    assert result.difference.se == pytest.approx(np.sqrt(fit.bse[1] ** 2 + of_means), rel=0.02)
    assert (result.baseline.mean, result.treatment.mean) == pytest.approx((arms[0][0].mean(), arms[1][0].mean()))


def test_variance_is_residual_variance_plus_the_error_of_the_pooled_means() -> None:
    """The formula written out on unit-level data: s²_a·(1/n_a + leverage) + Δ²·(n_B·S_B + n_T·S_T)/N²."""
    rng = np.random.default_rng(22)
    arms = [arm(rng, 60, 0, 0), arm(rng, 40, 1, 2)]
    result = lin(*(JointMoments.from_values(*values) for values in arms))
    fits = [sm.OLS(y, sm.add_constant(x)).fit() for y, x in arms]
    pooled = np.mean(np.concatenate([x for _, x in arms]))
    residual = sum(fit.get_prediction([1, pooled]).se_mean[0] ** 2 for fit in fits)
    between = (fits[1].params[1] - fits[0].params[1]) ** 2
    of_means = between * sum(x.size * x.var(ddof=1) for _, x in arms) / 100**2
    assert result.difference.se == pytest.approx(np.sqrt(residual + of_means), rel=1e-12)


def test_equal_slopes_and_arms_agree_with_cuped() -> None:
    """With the arms' covariates alike to the last unit the slopes' average is the pooled one."""
    rng = np.random.default_rng(23)
    x = rng.normal(0, 1, 500)
    arms = [JointMoments.from_values(2 * x + rng.normal(0, 1, 500), x) for _ in range(2)]
    assert lin(*arms).effect == pytest.approx(cuped(*arms).effect, rel=1e-12)
    assert lin(*arms).difference.se == pytest.approx(cuped(*arms).difference.se, rel=3e-3)
    assert lin(*arms).variance_reduction == pytest.approx(0.8, abs=0.05)


def test_a_covariate_unusable_in_one_arm_is_used_in_none() -> None:
    rng = np.random.default_rng(24)
    (y_b, x_b), (y_t, x_t) = arm(rng, 50, 0, 1), arm(rng, 30, 0, 1)
    constant = JointMoments.from_values(y_b, np.zeros_like(x_b))
    result = lin(constant, JointMoments.from_values(y_t, x_t))
    plain = welch(MeanMoments.from_values(y_b), MeanMoments.from_values(y_t))
    assert result.effect == pytest.approx(plain.effect, rel=1e-14)
    assert result.difference.se == pytest.approx(plain.difference.se, rel=1e-14)
    assert result.variance_reduction == pytest.approx(0, abs=1e-14)


def test_too_few_units_for_the_covariates_leave_welchs_test() -> None:
    rng = np.random.default_rng(25)
    arms = [arm(rng, 4, 0, 1, 3), arm(rng, 50, 0, 1, 3)]
    result = lin(*(JointMoments.from_values(*values) for values in arms))
    plain = welch(*(MeanMoments.from_values(values[0]) for values in arms))
    assert result.status == Status.OK
    assert result.difference.se == pytest.approx(plain.difference.se, rel=1e-14)


@settings(deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([2.0**-40, 0.5, 2.0**40]), st.integers(-50, 50))
def test_unit_and_origin_of_covariates_and_order_of_arms_do_not_matter(seed: int, scale: float, shift: int) -> None:
    arms = [arm(np.random.default_rng([seed, i]), 25 + i, 0.2, 1 + i) for i in range(2)]
    plain = lin(*(JointMoments.from_values(y, x) for y, x in arms))
    moved = lin(*(JointMoments.from_values(y, (x + shift) * scale) for y, x in reversed(arms)))
    np.testing.assert_allclose(moved.effect, -plain.effect, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(moved.difference.se, plain.difference.se, rtol=1e-9)


def test_many_comparisons_at_once_equal_one_by_one() -> None:
    rng = np.random.default_rng(26)
    batch = [
        JointMoments.from_values(*(v.reshape(6, units) for v in arm(rng, 6 * units, 0, slope)))
        for units, slope in ((30, 1), (50, 2))
    ]
    together = lin(*batch)
    for i in range(6):
        alone = lin(*(JointMoments(a.n[i], a.mean[i], a.covariance[i]) for a in batch))
        np.testing.assert_allclose(
            [together.effect[i], together.difference.se[i]], [alone.effect, alone.difference.se], rtol=1e-12
        )


@pytest.mark.parametrize("share", [0.5, 0.1])
def test_coverage_needs_the_error_of_the_pooled_means(share: float) -> None:
    """5,000 experiments of 600 units, slopes 0 and 2 on a standard normal covariate, noise 1, effect .5, seed 27.

    At .95 a count is Binomial(5000, .95): .95 ± 3.29·.0031 holds 99.9 %. Without the term (θ_T - θ_B)²·Var(x)/N
    half of the variance of equal arms is missing: 2Φ(1.96/√2) - 1 = .834.
    """
    rng = np.random.default_rng(27)
    arms, theta = [], []
    for units, lift, slope in ((600 * (1 - share), 0.0, 0.0), (600 * share, 0.5, 2.0)):
        x = rng.normal(0, 1, (5000, round(units)))
        arms.append(JointMoments.from_values(lift + slope * x + rng.normal(0, 1, x.shape), x))
        theta.append(arms[-1].covariance[:, 0, 1] / arms[-1].covariance[:, 1, 1])
    result = lin(*arms)
    ci = interval(result.difference, 0.05)
    assert 0.9399 <= np.mean((ci.low < 0.5) & (ci.high > 0.5)) <= 0.9601

    pooled = sum(a.n * a.covariance[:, 1, 1] for a in arms) / 600
    without = np.sqrt(result.difference.se**2 - (theta[1] - theta[0]) ** 2 * pooled / 600)
    covered = np.mean(np.abs(result.effect - 0.5) < 1.96 * without)
    assert covered < (0.86 if share == 0.5 else 0.94)


def test_coverage_of_a_proportion_its_relative_effect_and_size_of_a_margin() -> None:
    """6,000 experiments of 900 and 450 units, shares .3·(1 + x/2) and .36·(1 + x/2), x uniform on ±1, seed 28.

    At .95 a count is Binomial(6000, .95): .95 ± 3.29·.0028; the margin is the true effect, +.2, so its test
    rejects at .05 one-sided: .05 ± 3.29·.0028.
    """
    rng = np.random.default_rng(28)
    arms = []
    for units, share in ((900, 0.3), (450, 0.36)):
        x = rng.uniform(-1, 1, (6000, units))
        arms.append(JointMoments.from_values(rng.random(x.shape) < share * (1 + x / 2), x))
    result = lin(*arms)
    for contrast, truth in ((result.difference, 0.06), (relative_effect(result), 0.2)):
        ci = interval(contrast, 0.05)
        assert 0.9407 <= np.mean((ci.low < truth) & (ci.high > truth)) <= 0.9593
    beyond = relative_margin(result, np.asarray(1.0), np.asarray(-0.2))
    rejected = np.mean(beyond.value / beyond.se > 1.6449)
    assert 0.0407 <= rejected <= 0.0593


@settings(deadline=None)
@given(
    st.tuples(
        *[st.sampled_from([0, 1, 2, 3, 4, 1e6, 1e12, np.nan])] * 2,
        *[st.sampled_from([0.0, 1e9, 1e15, 1e-300, -1e308, 1e308, np.nan, np.inf])] * 4,
        *[st.sampled_from([0.0, 1.0, 5e-324, 1e300, 1e308, np.nan, np.inf, -1.0])] * 4,
        st.floats(-1.5, 1.5),
    )
)
@example((3, 3, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 5e-324, 1.0))
def test_no_input_gives_half_a_result(drawn: tuple[float, ...]) -> None:
    (n, m), means, variances, correlation = drawn[:2], drawn[2:6], drawn[6:10], drawn[10]
    arms = []
    with np.errstate(all="ignore"):
        for i, units in enumerate((n, m)):
            y, x = variances[2 * i : 2 * i + 2]
            shared = correlation * np.sqrt(y) * np.sqrt(x)
            covariance = np.array([[y, shared], [shared, x]])
            arms.append(JointMoments(np.asarray(float(units)), np.array(means[2 * i : 2 * i + 2]), covariance))
    for method in (lin, cuped):
        difference = method(*arms).difference
        figures = [difference.value, difference.se, difference.df]
        assert np.isfinite(figures).all() == (difference.status == Status.OK)
        assert np.isnan(figures).all() == (difference.status != Status.OK)


def test_a_billion_units_around_a_billion() -> None:
    """Means 1e9 and 1e9 + 2**-10 with unit variance, a covariate of correlation .8 in both arms: 64 % gone."""
    covariance = np.array([[1, 0.8], [0.8, 1]])
    arms = [JointMoments(np.asarray(1e9), np.array([1e9 + gap, 0.0]), covariance) for gap in (0, 2**-10)]
    result = lin(*arms)
    assert result.effect == 2**-10
    assert result.difference.se == pytest.approx(np.sqrt(2 * 0.36e-9), rel=1e-8)
    assert result.variance_reduction == pytest.approx(0.64, abs=1e-8)
