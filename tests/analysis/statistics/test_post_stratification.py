"""Post-stratification by hand, against saturated least squares by statsmodels, and its coverage."""

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.statistics.lin import lin
from analysis.statistics.moments import JointMoments, MeanMoments
from analysis.statistics.post_stratification import merge_small, post_stratified, post_stratified_ratio, small_strata
from analysis.statistics.ratio import delta_ratio, delta_ratio_lin
from analysis.statistics.relative import relative_effect
from analysis.statistics.status import Status
from analysis.statistics.student_t import interval
from analysis.statistics.welch import welch

SHIFTS = np.array([0.0, 3.0, 5.0, 9.0])
EFFECTS = np.array([0.0, 0.5, 1.0, -0.5])


def moments(n: list[float], mean: list[float], variance: list[float]) -> MeanMoments:
    return MeanMoments(*(np.asarray(x, dtype=float) for x in (n, mean, variance)), np.full(len(n), np.nan))


def by_stratum(values: np.ndarray, stratum: np.ndarray, strata: int) -> MeanMoments:
    """Moments per stratum of values (..., units)."""
    member = stratum[..., None] == np.arange(strata)
    n = member.sum(axis=-2).astype(float)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.sum(member * values[..., None], axis=-2) / n
        apart = np.where(member, values[..., None] - mean[..., None, :], 0)
        return MeanMoments(n, mean, np.sum(apart**2, axis=-2) / (n - 1), np.full(n.shape, np.nan))


def test_two_strata_by_hand() -> None:
    """Weights (10 + 30)/100 and 60/100; effects 1 and 2, so .4·1 + .6·2 = 1.6.

    Within: .16·(2/10 + 3/30) + .36·(4/40 + 5/20) = .174. Weights: .4·.36 + .6·.16 = .24, less
    .4·.6·(.3 + .35) = .156 of noise, over 100. The raw means are 2.6 (= .2·1 + .8·3) and 3.2.
    """
    baseline = moments([10, 40], [1, 3], [2, 4])
    treatment = moments([30, 20], [2, 5], [3, 5])
    result = post_stratified(baseline, treatment).estimate
    assert result.effect == pytest.approx(1.6, rel=1e-14)
    assert result.difference.se == pytest.approx(np.sqrt(0.174 + (0.24 - 0.156) / 100), rel=1e-14)
    assert (result.baseline.mean, result.treatment.mean) == pytest.approx((2.6, 3.2), rel=1e-14)


def joint_by_stratum(y: np.ndarray, x: np.ndarray, stratum: np.ndarray, strata: int) -> JointMoments:
    """Moments of two values per stratum, units along the last axis."""
    member = (stratum[..., None] == np.arange(strata)).astype(float)
    n = member.sum(axis=-2)
    values = np.stack([y, x], axis=-1)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.einsum("...us,...uk->...sk", member, values) / n[..., None]
        products = np.einsum("...us,...uj,...uk->...sjk", member, values, values)
        outer = mean[..., :, None] * mean[..., None, :]
        return JointMoments(n, mean, (products - n[..., None, None] * outer) / (n[..., None, None] - 1))


def visits(rng: np.random.Generator, stratum: np.ndarray, lift: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Orders and visits: with each stratum visits become more and orders per visit fewer, 1/2, 1/3, 1/4 ..."""
    x = 1.0 + rng.poisson(2.0 * (1 + stratum))
    return rng.poisson(x * (1 + lift) / (2 + stratum)).astype(float), x


def test_a_ratio_in_two_strata_by_hand() -> None:
    """Baseline: y 1 and 3, x 2 and 2 of 10 and 30 units: R = 2.5/2 = 1.25, z = (y - 1.25·x)/2 is -.75 and .25.

    Treatment: y 2 and 3 of 20 and 20 units: R = 1.25 as well, z -.25 and .25. Weights 30/80 and 50/80, so
    0 + .375·(-.25 + .75) + .625·0 = .1875, though the ratios are equal. z varies by 2/4 and 3/4, for x never does.
    """
    fixed = [[[2, 0], [0, 0]], [[3, 0], [0, 0]]]
    baseline = JointMoments(np.array([10.0, 30]), np.array([[1.0, 2], [3, 2]]), np.array(fixed, dtype=float))
    treatment = JointMoments(np.array([20.0, 20]), np.array([[2.0, 2], [3, 2]]), np.array(fixed, dtype=float))
    result = post_stratified_ratio(baseline, treatment).estimate
    assert result.effect == pytest.approx(0.1875, rel=1e-14)
    assert (result.baseline.mean, result.treatment.mean) == pytest.approx((1.25, 1.25))
    within = 0.375**2 * (0.5 / 10 + 0.5 / 20) + 0.625**2 * (0.75 / 30 + 0.75 / 20)
    spread = 0.375 * 0.3125**2 + 0.625 * 0.1875**2 - 0.375 * 0.625 * (0.5 / 10 + 0.5 / 20 + 0.75 / 30 + 0.75 / 20)
    assert result.difference.se == pytest.approx(np.sqrt(within + max(spread, 0) / 80), rel=1e-14)


def test_a_ratio_is_adjusted_as_its_linearised_values_are() -> None:
    rng = np.random.default_rng(43)
    arms, linear, dummies, whole = [], [], [], []
    for units, lift in ((4000, 0.0), (1500, 0.1)):
        stratum = rng.choice(3, units, p=[0.5, 0.3, 0.2])
        y, x = visits(rng, stratum, lift)
        arms.append(joint_by_stratum(y, x, stratum, 3))
        linear.append(by_stratum((y - y.sum() / x.sum() * x) / x.mean(), stratum, 3))
        dummies.append(JointMoments.from_values(y, x, stratum == 1, stratum == 2))
        whole.append(JointMoments.from_values(y, x))
    result, of_values = post_stratified_ratio(*arms).estimate, post_stratified(*linear).estimate
    plain, lin_on_dummies = delta_ratio(*whole), delta_ratio_lin(*dummies)
    assert result.effect == pytest.approx(plain.effect + of_values.effect, rel=1e-10)
    assert result.difference.se == pytest.approx(of_values.difference.se, rel=1e-10)
    assert result.effect == pytest.approx(lin_on_dummies.effect, rel=1e-9)
    assert result.difference.se == pytest.approx(lin_on_dummies.difference.se, rel=0.02)
    np.testing.assert_allclose(
        (result.baseline.mean, result.treatment.mean), (plain.baseline.mean, plain.treatment.mean), rtol=1e-12
    )


def test_a_ratio_in_one_stratum_is_the_plain_one() -> None:
    rng = np.random.default_rng(44)
    arms = [visits(rng, np.zeros(n, dtype=int)) for n in (300, 200)]
    strata = [joint_by_stratum(y, x, np.zeros(len(y)), 1) for y, x in arms]
    ours = post_stratified_ratio(*strata).estimate
    plain = delta_ratio(*(JointMoments.from_values(y, x) for y, x in arms))
    figures = [(e.effect, e.difference.se, e.difference.df, relative_effect(e).se) for e in (ours, plain)]
    np.testing.assert_allclose(*figures, rtol=1e-10)


def test_denominators_that_add_up_to_zero_say_so() -> None:
    """.1 + .2 - .3, which is not 0 in doubles."""
    n, covariance = np.array([1e3, 1e3, 1e3]), np.broadcast_to(np.eye(2), (3, 2, 2))
    arms = [JointMoments(n, np.column_stack([np.ones(3), x]), covariance) for x in ([0.1, 0.2, -0.3], [1, 1, 1])]
    result = post_stratified_ratio(*arms).estimate
    assert result.status == Status.ZERO_DENOMINATOR
    assert np.isnan(result.difference.se)


def test_which_strata_are_small_depends_on_both_arms_units() -> None:
    baseline, treatment = np.array([[50, 6, 4], [50, 90, 1]]), np.array([[44, 10, 6], [50, 91, np.nan]])
    assert small_strata(baseline, treatment).tolist() == [[False, True, True], [False, True, True]]


def test_effect_equals_saturated_least_squares_and_the_error_that_of_slopes_per_arm() -> None:
    rng = np.random.default_rng(41)
    arms = []
    for units, share in ((900, [0.4, 0.3, 0.3]), (500, [0.2, 0.5, 0.3])):
        stratum = rng.choice(3, units, p=share)
        arms.append((rng.normal(2.0 * stratum, 1 + stratum), stratum))
    result = post_stratified(*(by_stratum(y, s, 3) for y, s in arms)).estimate

    y, stratum = (np.concatenate(columns) for columns in zip(*arms, strict=True))
    treated = np.repeat([0.0, 1.0], [900, 500])
    dummies = (stratum[:, None] == [1, 2]).astype(float)
    centred = dummies - dummies.mean(axis=0)
    fit = sm.OLS(y, sm.add_constant(np.column_stack([treated, centred, centred * treated[:, None]]))).fit()
    assert result.effect == pytest.approx(fit.params[1], rel=1e-10)
    on_dummies = lin(*(JointMoments.from_values(v, s == 1, s == 2) for v, s in arms))
    assert result.effect == pytest.approx(on_dummies.effect, rel=1e-10)
    # The dummies' residual variance is one for all strata of an arm, here 1, 4 and 9: 5 % apart.
    assert result.difference.se == pytest.approx(on_dummies.difference.se, rel=0.05)
    assert result.variance_reduction == pytest.approx(on_dummies.variance_reduction, abs=0.1)


def test_one_stratum_is_welchs_test() -> None:
    baseline, treatment = moments([30], [1], [2]), moments([20], [1.5], [3])
    result = post_stratified(baseline, treatment)
    plain = welch(*(MeanMoments(a.n[0], a.mean[0], a.variance[0], np.nan) for a in (baseline, treatment)))
    figures = (plain.effect, plain.difference.se, plain.difference.df)
    ours = result.estimate.difference
    np.testing.assert_allclose((result.estimate.effect, ours.se, ours.df), figures, rtol=1e-14)
    assert relative_effect(result.estimate).se == pytest.approx(relative_effect(plain).se, rel=1e-14)
    assert result.merged == 0


def test_small_strata_are_merged_by_both_arms_units_together() -> None:
    """At 60 to 60 the last two strata expect 8 and 5 units an arm, together 13; split 10 and 6, 4 and 6."""
    baseline = moments([50, 6, 4], [1, 8, 4], [1, 2, 3])
    treatment = moments([44, 10, 6], [1, 5, 7], [1, 2, 2])
    merged_b, merged_t, count = merge_small(baseline, treatment)
    assert count == 2
    assert merged_b.n.tolist() == [50, 10, 0]
    assert merged_t.n.tolist() == [44, 16, 0]
    # Within 5·2 + 3·3 = 19; between 6·1.6² + 4·2.4² = 38.4.
    assert (merged_b.mean[1], merged_b.variance[1]) == pytest.approx((6.4, (19 + 38.4) / 9))


def test_a_merged_stratum_that_is_still_small_joins_the_largest() -> None:
    baseline = moments([50, 90, 1], [1, 2, 4], [1, 2, np.nan])
    treatment = moments([50, 91, 0], [1, 3, np.nan], [1, 2, np.nan])
    merged_b, merged_t, count = merge_small(baseline, treatment)
    assert count == 2
    assert merged_b.n.tolist() == [50, 91, 0]
    assert merged_b.mean[1] == pytest.approx((180 + 4) / 91)
    assert (merged_t.n[1], merged_t.mean[1], merged_t.variance[1]) == pytest.approx((91, 3, 2))
    assert post_stratified(baseline, treatment).estimate.status == Status.OK


def test_an_empty_stratum_counts_for_nothing() -> None:
    arms = [moments([20, 0, 30], [1 + i, np.nan, 3], [2, np.nan, 1]) for i in range(2)]
    full = [MeanMoments(a.n[[0, 2]], a.mean[[0, 2]], a.variance[[0, 2]], a.n[[0, 2]]) for a in arms]
    assert post_stratified(*arms).merged == 0
    assert post_stratified(*arms).estimate.difference == post_stratified(*full).estimate.difference


@pytest.mark.parametrize(
    ("baseline", "treatment", "status"),
    [
        (moments([0, 0], [np.nan] * 2, [np.nan] * 2), moments([5, 5], [1, 2], [1, 1]), Status.NO_UNITS),
        (moments([1, 0], [3, np.nan], [np.nan] * 2), moments([5, 5], [1, 2], [1, 1]), Status.TOO_FEW_UNITS),
        (moments([5, 5], [3, 3], [0, 0]), moments([5, 5], [4, 4], [0, 0]), Status.ZERO_VARIANCE),
        (moments([5, 5], [3, np.nan], [1, 1]), moments([5, 5], [4, 4], [1, 1]), Status.NOT_COMPUTED),
    ],
)
def test_undefined_estimates_say_why(baseline: MeanMoments, treatment: MeanMoments, status: Status) -> None:
    result = post_stratified(baseline, treatment).estimate
    assert result.status == status
    assert np.isnan(result.difference.se)


@settings(deadline=None)
@given(st.integers(0, 2**32 - 1), st.permutations(range(5)))
def test_order_of_strata_and_arms_does_not_matter(seed: int, order: list[int]) -> None:
    rng = np.random.default_rng(seed)
    sizes = [2.0, 3.0, 20.0, 30.0, 40.0]
    arms = [moments(sizes, rng.normal(0, 1, 5).tolist(), rng.gamma(1, 1, 5).tolist()) for _ in range(2)]
    plain = post_stratified(*arms).estimate
    moved = post_stratified(
        *(MeanMoments(a.n[order], a.mean[order], a.variance[order], a.n) for a in reversed(arms))
    ).estimate
    np.testing.assert_allclose(moved.effect, -plain.effect, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(moved.difference.se, plain.difference.se, rtol=1e-9)


@settings(deadline=None)
@given(
    st.tuples(
        *[st.lists(st.sampled_from([0, 1, 2, 30, 1e12, np.nan]), min_size=3, max_size=3)] * 2,
        *[st.lists(st.sampled_from([0.0, 1e9, 1e15, -1e308, 1e308, np.nan, np.inf]), min_size=3, max_size=3)] * 2,
        *[st.lists(st.sampled_from([0.0, 1.0, 5e-324, 1e308, np.nan, np.inf, -1.0]), min_size=3, max_size=3)] * 2,
    )
)
def test_no_input_gives_half_a_result(drawn: tuple[list[float], ...]) -> None:
    difference = post_stratified(moments(*drawn[0::2]), moments(*drawn[1::2])).estimate.difference
    figures = [difference.value, difference.se, difference.df]
    assert np.isfinite(figures).all() == (difference.status == Status.OK)
    assert np.isnan(figures).all() == (difference.status != Status.OK)


@settings(deadline=None)
@given(
    st.lists(st.sampled_from([0, 1, 2, 30, 1e12, np.nan]), min_size=4, max_size=4),
    st.lists(st.sampled_from([0.0, 1e9, -1e308, 1e308, np.nan, np.inf]), min_size=8, max_size=8),
    st.lists(st.sampled_from([0.0, 1.0, 5e-324, 1e308, np.nan, np.inf, -1.0]), min_size=12, max_size=12),
)
def test_no_input_gives_half_a_ratio(n: list[float], means: list[float], parts: list[float]) -> None:
    covariances = np.array(parts)[[0, 1, 1, 2, 3, 4, 4, 5, 6, 7, 7, 8, 9, 10, 10, 11]].reshape(2, 2, 2, 2)
    arms = [
        JointMoments(*fields)
        for fields in zip(np.reshape(n, (2, 2)), np.reshape(means, (2, 2, 2)), covariances, strict=True)
    ]
    difference = post_stratified_ratio(*arms).estimate.difference
    figures = [difference.value, difference.se, difference.df]
    assert np.isfinite(figures).all() == (difference.status == Status.OK)
    assert np.isnan(figures).all() == (difference.status != Status.OK)


@pytest.mark.parametrize(("units", "strata"), [((300, 150), 4), ((150, 150), 12)])
def test_coverage_of_effect_and_relative_effect(units: tuple[int, int], strata: int) -> None:
    """5,000 experiments, effects that differ between strata, strata drawn with the units, seed 42.

    At .95 a count is Binomial(5000, .95): .95 ± 3.29·.0031 holds 99.9 %.
    """
    rng = np.random.default_rng(42)
    kind = np.arange(strata) % 4
    arms = []
    for size, treated in zip(units, (0, 1), strict=True):
        stratum = rng.integers(0, strata, (5000, size))
        level = 5 + SHIFTS[kind][stratum] + treated * EFFECTS[kind][stratum]
        arms.append(by_stratum(level + rng.normal(0, 1, level.shape), stratum, strata))
    estimate = post_stratified(*arms).estimate
    for contrast, truth in ((estimate.difference, 0.25), (relative_effect(estimate), 0.25 / 9.25)):
        ci = interval(contrast, 0.05)
        assert 0.9399 <= np.mean((ci.low < truth) & (ci.high > truth)) <= 0.9601
    assert np.mean(estimate.variance_reduction) > 0.8


def test_coverage_of_a_ratio_and_its_relative_effect() -> None:
    """2,000 experiments at 900/300, strata drawn with the units, ratios up by 5 % in each, seed 45.

    The true ratio is E[y]/E[x] with x̄ = 3, 5, 7 in strata of .5, .3, .2. .95 ± 3.29·.0049 holds 99.9 %.
    """
    rng, share, lift = np.random.default_rng(45), np.array([0.5, 0.3, 0.2]), 0.05
    arms = []
    for size, own in ((900, 0.0), (300, lift)):
        stratum = rng.choice(3, (2000, size), p=share)
        arms.append(joint_by_stratum(*visits(rng, stratum, own), stratum, 3))
    estimate = post_stratified_ratio(*arms).estimate
    visited = np.array([3.0, 5, 7])
    ratio = share @ (visited / [2, 3, 4]) / (share @ visited)
    for contrast, truth in ((estimate.difference, lift * ratio), (relative_effect(estimate), lift)):
        ci = interval(contrast, 0.05)
        assert 0.9339 <= np.mean((ci.low < truth) & (ci.high > truth)) <= 0.9661
    assert np.mean(estimate.variance_reduction) > 0.1
