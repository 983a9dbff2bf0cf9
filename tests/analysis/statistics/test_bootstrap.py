"""The bucketed bootstrap against closed forms, scipy's bootstrap, its own definition and simulation."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from analysis.statistics.bootstrap import Bootstrap, bootstrap, compare_arms, draw_arm
from analysis.statistics.moments import JointMoments, MeanMoments
from analysis.statistics.ratio import delta_ratio
from analysis.statistics.status import Status
from analysis.statistics.welch import welch

BUCKETS = 1000


def mean(sums: np.ndarray) -> np.ndarray:
    """Of components n, Σy."""
    return sums[..., 1] / sums[..., 0]


def in_buckets(rng: np.random.Generator, *values: np.ndarray, buckets: int = BUCKETS) -> np.ndarray:
    """Sums of 1 and each value (..., units) per bucket; units fall into buckets at random, alike in all rows."""
    units = values[0].shape[-1]
    edges = np.concatenate([[0], np.cumsum(rng.multinomial(units, np.full(buckets, 1 / buckets)))])
    columns = [
        np.diff(np.cumsum(np.insert(v, 0, 0, axis=-1), axis=-1)[..., edges]) for v in (values[0] * 0 + 1, *values)
    ]
    return np.stack(columns, axis=-1)


def test_standard_errors_of_means_agree_with_welch() -> None:
    """60 differences of 20,000 and 10,000 lognormal units: on average within 1.5 %, each within 4·√(1/2000 + 1/4000).

    The errors of one comparison: of 1,000 buckets' variance 2.2 % an arm, of 1,999 replicates 1.6 %.
    """
    rng = np.random.default_rng(61)
    values = [rng.lognormal(0, 1, (60, units)) for units in (20_000, 10_000)]
    result = bootstrap(*(in_buckets(rng, v) for v in values), mean, seed=1)
    analytic = welch(*(MeanMoments.from_values(v) for v in values))
    np.testing.assert_allclose(result.effect, analytic.effect, rtol=1e-9)
    ratio = result.se / analytic.difference.se
    assert abs(ratio.mean() - 1) < 0.015
    assert np.abs(ratio - 1).max() < 4 * np.sqrt(1 / 2000 + 1 / 4000)


def test_standard_error_of_a_ratio_agrees_with_the_delta_method() -> None:
    rng = np.random.default_rng(62)
    arms = []
    for units in (9_000, 12_000):
        views = rng.poisson(rng.gamma(2, 3, (40, units))) + 1
        arms.append((rng.binomial(views, 0.2).astype(float), views.astype(float)))
    result = bootstrap(*(in_buckets(rng, *arm) for arm in arms), lambda sums: sums[..., 1] / sums[..., 2], seed=2)
    analytic = delta_ratio(*(JointMoments.from_values(*arm) for arm in arms))
    assert np.mean(result.se / analytic.difference.se) == pytest.approx(1, abs=0.015)


def test_the_same_seed_gives_the_same_answer_whatever_else_is_computed() -> None:
    rng = np.random.default_rng(63)
    baseline, treatment = (in_buckets(rng, rng.normal(0, 1, (5, 3000))) for _ in range(2))
    together = bootstrap(baseline, treatment, mean, seed=7, replicates=499)
    alone = bootstrap(baseline[3], treatment[3], mean, seed=7, replicates=499)
    other = bootstrap(baseline[3], treatment[3], mean, seed=8, replicates=499)
    np.testing.assert_allclose(together.replicates[3], alone.replicates, rtol=1e-9, atol=1e-12)
    assert np.array_equal(
        alone.replicates, bootstrap(baseline[3], treatment[3], mean, seed=7, replicates=499).replicates
    )
    assert abs(alone.se / other.se - 1) > 1e-6


def test_percentile_interval_by_hand() -> None:
    """19 replicates 1 ... 19: at alpha .1 the first from either end; 1 is inside it, 0.5 is outside."""
    nineteen = Bootstrap(*(np.asarray(x) for x in (10.0, np.arange(1.0, 20), 0.0, 0.0, 0)))
    ci = nineteen.interval(0.1)
    assert (ci.low, ci.high) == (1, 19)
    assert (nineteen.interval(0.2).low, nineteen.interval(0.2).high) == (2, 18)
    assert np.isinf([nineteen.interval(0.05).low, nineteen.interval(0.05).high]).all()
    assert nineteen.two_sided_p(0.5) == 0.1
    assert nineteen.two_sided_p(1.0) == pytest.approx(0.2)
    assert nineteen.two_sided_p(19.5) == pytest.approx(0.1)
    assert nineteen.upper_tail_p(3.2) == pytest.approx(0.2)
    assert nineteen.lower_tail_p(3.2) == pytest.approx(0.85)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(0.002, 0.95), st.floats(-0.3, 0.3), st.floats(-0.16, 0.16))
def test_tests_agree_with_intervals(seed: int, alpha: float, bias: float, acceleration: float) -> None:
    """Rounded replicates have ties, also with the null."""
    rng = np.random.default_rng(seed)
    drawn = np.sort(rng.normal(rng.normal(), 1, 999).round(1))
    result = Bootstrap(*(np.asarray(x) for x in (np.median(drawn), drawn, bias, acceleration, 0)))
    for null in (0.0, -1.0, 2.5):
        p, ci = result.two_sided_p(null), result.interval(alpha)
        if not np.isclose(p, alpha, rtol=1e-9):
            assert (p < alpha) == ((ci.low > null) | (ci.high < null))
        if not np.isclose(result.upper_tail_p(null), alpha / 2, rtol=1e-9):
            assert (result.upper_tail_p(null) < alpha / 2) == (ci.low > null)


def test_bca_interval_agrees_with_scipy() -> None:
    """One unit a bucket, where both methods resample units.

    The upper end's difference has a standard deviation of 4 % of the width, by other seeds; within 10 %.
    """
    rng = np.random.default_rng(64)
    treatment, baseline = rng.lognormal(0, 1.5, 1000), rng.exponential(1, 1000)
    sums = [np.column_stack([np.ones(1000), values]) for values in (baseline, treatment)]
    ours = bootstrap(*sums, mean, seed=3, replicates=9999)
    theirs = stats.bootstrap(
        (treatment, baseline),
        lambda x, y, axis: x.mean(axis=axis) - y.mean(axis=axis),
        n_resamples=9999,
        rng=np.random.default_rng(65),
        batch=500,
    )
    ci, width = ours.interval(0.05), np.diff(theirs.confidence_interval)[0]
    np.testing.assert_allclose([ci.low, ci.high], theirs.confidence_interval, atol=0.1 * width)
    plain = bootstrap(*sums, mean, seed=3, replicates=9999, corrected=False).interval(0.05)
    assert ci.high - plain.high > 0.03 * width

    # The acceleration of a difference of means: a sixth of the skewness of values over n, treatment less baseline.
    apart = np.concatenate([treatment - treatment.mean(), baseline.mean() - baseline])
    assert ours.acceleration == pytest.approx(np.sum(apart**3) / np.sum(apart**2) ** 1.5 / 6, rel=1e-6)


def test_swapping_arms_mirrors_the_acceleration_and_the_effect() -> None:
    rng = np.random.default_rng(66)
    arms = [in_buckets(rng, rng.lognormal(0, 1 + i / 2, 2000)) for i in range(2)]
    there, back = (bootstrap(*pair, mean, seed=4, replicates=199) for pair in (arms, arms[::-1]))
    assert there.effect == -back.effect
    assert there.acceleration == pytest.approx(-back.acceleration, rel=1e-9)


def test_a_relative_effect_is_another_comparison() -> None:
    rng = np.random.default_rng(67)
    values = [rng.gamma(2, 1, 5000), rng.gamma(2, 1.1, 5000)]
    result = bootstrap(*(in_buckets(rng, v) for v in values), mean, seed=5, comparison=lambda t, b: t / b - 1)
    assert result.effect == pytest.approx(values[1].mean() / values[0].mean() - 1)
    assert result.interval(0.05).low < result.effect < result.interval(0.05).high


def test_replicates_of_whole_numbers_are_exact_and_follow_from_the_arm_s_own_seed() -> None:
    """Weighted sums near 2^50 to the last unit, whatever order they are added in and whatever else is drawn."""
    rng = np.random.default_rng(71)
    sums = rng.integers(0, 2**40, (2, BUCKETS, 2)).astype(float)
    of_both = draw_arm(sums, lambda parts: parts[..., 0] - parts[..., 1], [9, 3], 19)
    alone = draw_arm(sums[1:], lambda parts: parts[..., 0] - parts[..., 1], [9, 3], 19)
    weights = stats.poisson.ppf(np.random.default_rng([9, 3]).random((19, BUCKETS)), 1)
    for element in range(2):
        difference = [int(a) - int(b) for a, b in sums[element]]
        expected = [sum(int(w) * d for w, d in zip(row, difference, strict=True)) for row in weights]
        assert of_both.replicates[element].tolist() == expected
        assert of_both.point[element].tolist() == [sum(difference)]
        assert of_both.without_each[element, 7] == sum(difference) - difference[7]
    assert np.array_equal(of_both.take(np.array([1])).replicates, alone.replicates)


def test_a_comparison_may_leave_an_arm_out() -> None:
    """Against a level of 2.1 only the treatment's buckets count, and their skewness is the whole acceleration."""
    rng = np.random.default_rng(72)
    values = rng.gamma(1, 2, 1000)
    sums = [np.column_stack([np.ones(1000), v]) for v in (rng.normal(0, 1, 1000), values)]
    arms = [draw_arm(each, mean, seed, 999) for seed, each in enumerate(sums)]
    result = compare_arms(*arms, lambda t, b: t - 0 * b - 2.1)
    assert result.effect == pytest.approx(values.mean() - 2.1)
    assert result.se == pytest.approx(values.std() / np.sqrt(1000), rel=0.1)
    apart = values - values.mean()
    assert result.acceleration == pytest.approx(np.sum(apart**3) / np.sum(apart**2) ** 1.5 / 6, rel=1e-6)


def test_undefined_bootstraps_say_why() -> None:
    rng = np.random.default_rng(68)
    good = in_buckets(rng, rng.normal(0, 1, 2000))
    constant = good.copy()
    constant[:, 1] = 3 * constant[:, 0]
    missing = np.where(np.arange(2) == 1, np.nan, good)
    rare = np.zeros_like(good)
    rare[0] = [1, 1]
    for baseline, treatment, status in (
        (good, np.zeros_like(good), Status.ZERO_DENOMINATOR),
        (rare, good, Status.ZERO_DENOMINATOR),
        (missing, good, Status.NOT_COMPUTED),
        (constant, constant, Status.ZERO_VARIANCE),
    ):
        result = bootstrap(baseline, treatment, mean, seed=6, replicates=99)
        assert result.status == status
        assert np.isnan([result.se, result.two_sided_p(), result.interval(0.1).low, result.interval(0.1).high]).all()


def test_few_buckets_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 1000"):
        bootstrap(np.ones((999, 2)), np.ones((999, 2)), mean, seed=1)


def coverage(experiments: int, seed: int) -> tuple[float, float]:
    """Of the ratio of lognormal means less 1, by BCa and percentile; new data and new weights for each 50."""
    rng = np.random.default_rng(seed)
    covered = []
    for weights in range(experiments // 50):
        arms = [in_buckets(rng, rng.lognormal(shift, 1, (50, 3000))) for shift in (0, np.log(1.1))]
        bca, percentile = (
            bootstrap(*arms, mean, seed=weights, replicates=999, comparison=lambda t, b: t / b - 1, corrected=c)
            for c in (True, False)
        )
        covered.append([(r.interval(0.05).low <= 0.1) & (r.interval(0.05).high >= 0.1) for r in (bca, percentile)])
    bca, percentile = np.mean(covered, axis=(0, 2))
    return float(bca), float(percentile)


def test_coverage() -> None:
    """500 experiments, 3,000 units an arm, seed 69: .95 ± 3.29·.0097 holds 99.9 %."""
    for covered in coverage(500, 69):
        assert 0.918 <= covered <= 0.982


@pytest.mark.slow
def test_coverage_at_length() -> None:
    """10,000 experiments: .95 ± (3.29·.0022 + .002 for 1,000 buckets, 999 replicates and a skewed mean)."""
    for covered in coverage(10_000, 70):
        assert 0.9407 <= covered <= 0.9593
