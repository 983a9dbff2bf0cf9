"""Dunnett's test against published tables, scipy, direct integration, and its familywise error."""

import numpy as np
import pytest
from scipy import integrate, special, stats

from analysis.statistics.alternative import Alternative
from analysis.statistics.dunnett import dunnett, dunnett_interval_alpha, loading, sets_in_family
from analysis.statistics.moments import MeanMoments
from analysis.statistics.welch import welch

TWO_SIDED, GREATER, LESS = Alternative.TWO_SIDED, Alternative.GREATER, Alternative.LESS


def one_set(size: int) -> np.ndarray:
    return np.zeros(size, dtype=np.int64)


def critical(arms: int, df: float, alternative: Alternative) -> float:
    """The critical value at .05 with equal arms, whose effects have correlation ½."""
    set_, full = one_set(arms), np.ones(arms)
    alpha = dunnett_interval_alpha(df * full, np.sqrt(0.5) * full, set_, set_, 0.05 * full, alternative)
    return float(-special.stdtrit(df, alpha[0] / (2 if alternative is TWO_SIDED else 1)))


# Dunnett 1955 (one-sided) and 1964 (two-sided), joint confidence .95: arms, degrees of freedom, both values.
TABLE = [
    (2, 10, 2.15, 2.57),
    (3, 10, 2.34, 2.76),
    (2, 20, 2.03, 2.38),
    (3, 20, 2.19, 2.54),
    (4, 20, 2.30, 2.65),
    (5, 20, 2.39, 2.73),
    (2, 1e9, 1.92, 2.21),
    (3, 1e9, 2.06, 2.35),
    (5, 1e9, 2.23, 2.51),
    (9, 1e9, 2.42, 2.69),
]


@pytest.mark.parametrize(("arms", "df", "one_sided", "two_sided"), TABLE)
def test_published_critical_values(arms: int, df: float, one_sided: float, two_sided: float) -> None:
    assert critical(arms, df, GREATER) == pytest.approx(one_sided, abs=0.0051)
    assert critical(arms, df, TWO_SIDED) == pytest.approx(two_sided, abs=0.0051)


@pytest.mark.parametrize("alternative", list(Alternative))
def test_equals_scipy_with_pooled_variance(alternative: Alternative) -> None:
    """Scipy integrates by quasi-Monte Carlo, so three digits."""
    rng = np.random.default_rng(91)
    control = rng.normal(10, 2, 30)
    samples = [rng.normal(mean, 2, size) for mean, size in ((11, 20), (10.5, 45), (9, 15))]
    theirs = stats.dunnett(*samples, control=control, alternative=alternative.value.replace("_", "-"), rng=rng)
    n = np.array([len(sample) for sample in samples])
    df = np.full(3, float(n.sum() + 30 - 4))
    weights = np.sqrt(n / (n + 30))
    set_ = one_set(3)
    p = dunnett(theirs.statistic, df, weights, set_, set_, alternative)
    np.testing.assert_allclose(p, theirs.pvalue, atol=5e-4)


def direct(c: float, df: float, loadings: list[float]) -> float:
    """P(max |T_j| > c) by nested adaptive quadrature over log S and the baseline's deviate."""
    lam = np.array(loadings)
    tau = np.sqrt(1 - lam**2)

    def beyond(x: float) -> float:
        def integrand(z: float) -> float:
            q = special.ndtr((lam * z - x) / tau) + special.ndtr((-lam * z - x) / tau)
            return stats.norm.pdf(z) * -np.expm1(np.log1p(-np.minimum(q, 1 - 1e-16)).sum())

        return 2 * integrate.quad(integrand, 0, max(10, x + 8), epsabs=0, epsrel=1e-10, points=[lam.max() * x])[0]

    def over_scale(w: float) -> float:
        log_density = np.log(2) + df / 2 * np.log(df / 2) - special.gammaln(df / 2) + df * w - df * np.exp(2 * w) / 2
        return np.exp(log_density) * beyond(c * np.exp(w))

    centre, sd = np.log(df / (df + c * c)) / 2, 1 / np.sqrt(2 * df)
    return integrate.quad(over_scale, centre - 12 * sd - 27 / df, 12 * sd, epsabs=0, epsrel=1e-8, points=[centre, 0])[0]


INTEGRATED = [
    (3.0, 5000, [0.7, 0.5, 0.9], 7.642389623e-03),
    (6.0, 30, [0.7, 0.7], 2.761295236e-06),
    (9.0, 4e4, [0.7, 0.7, 0.2], 7.061686130e-19),
    (2.5, 40, [0.99, 0.7], 2.877134034e-02),
]


def adjusted(c: float, df: float, loadings: list[float]) -> float:
    size = len(loadings)
    t = np.r_[c, np.zeros(size - 1)]
    return float(dunnett(t, np.full(size, df), np.array(loadings), one_set(size), one_set(size), TWO_SIDED)[0])


@pytest.mark.parametrize(("c", "df", "loadings", "expected"), INTEGRATED)
def test_equals_figures_of_direct_integration(c: float, df: float, loadings: list[float], expected: float) -> None:
    assert adjusted(c, df, loadings) == pytest.approx(expected, rel=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize(("c", "df", "loadings", "expected"), INTEGRATED)
def test_figures_of_direct_integration(c: float, df: float, loadings: list[float], expected: float) -> None:
    assert direct(c, df, loadings) == pytest.approx(expected, rel=1e-6)


def test_one_arm_is_the_t_test_and_none_correlated_is_sidak() -> None:
    t, df = np.array([-8.0, 0.3, 2.0, 40.0]), np.array([7.0, 3.0, 1e4, 1e7])
    alone = np.arange(4)
    p = dunnett(t, df, np.full(4, 0.7), alone, alone, TWO_SIDED)
    np.testing.assert_allclose(p, 2 * special.stdtr(df, -np.abs(t)), rtol=1e-7, atol=1e-300)
    for alternative, sign in ((GREATER, 1), (LESS, -1)):
        np.testing.assert_allclose(
            dunnett(t, df, np.full(4, 0.7), alone, alone, alternative),
            special.stdtr(df, -sign * t),
            rtol=1e-7,
            atol=1e-300,
        )
    independent = dunnett(np.full(4, 2.5), np.full(4, 1e9), np.zeros(4), one_set(4), one_set(4), TWO_SIDED)
    np.testing.assert_allclose(independent, 1 - (1 - 2 * stats.norm.sf(2.5)) ** 4, rtol=1e-7)


def test_sets_of_different_sizes_do_not_touch_each_other() -> None:
    rng = np.random.default_rng(92)
    arms = rng.permutation(np.repeat([4, 7, 1, 9], [3, 1, 3, 2]))
    t, df, weights = rng.normal(0, 2, 9), rng.uniform(5, 1e5, 9), rng.uniform(0.2, 0.9, 9)
    together = dunnett(t, df, weights, arms, arms, TWO_SIDED)
    for member in np.unique(arms):
        i = arms == member
        alone = dunnett(t[i], df[i], weights[i], one_set(i.sum()), one_set(i.sum()), TWO_SIDED)
        np.testing.assert_allclose(together[i], alone, rtol=1e-12)


def test_a_family_of_several_metrics_is_bonferroni_over_them() -> None:
    arms, family = np.array([0, 0, 1, 1, 2]), np.array([5, 5, 5, 5, 6])
    assert sets_in_family(arms, family).tolist() == [2, 2, 2, 2, 1]
    full = np.ones(5)
    p = dunnett(2.4 * full, 50 * full, 0.7 * full, arms, family, TWO_SIDED)
    single = dunnett(2.4 * full, 50 * full, 0.7 * full, arms, arms, TWO_SIDED)
    np.testing.assert_allclose(p, single * [2, 2, 2, 2, 1], rtol=1e-14)


def test_a_failed_comparison_counts_as_one_more_independent_arm() -> None:
    t, df = np.array([2.4, np.nan, 1.0]), np.array([60.0, np.nan, 60.0])
    weights = np.array([0.7, np.nan, 0.6])
    p = dunnett(t, df, weights, one_set(3), one_set(3), TWO_SIDED)
    complete = dunnett(
        np.array([2.4, 0.1, 1.0]), np.full(3, 60.0), np.array([0.7, 0, 0.6]), one_set(3), one_set(3), TWO_SIDED
    )
    np.testing.assert_allclose(p, [complete[0], np.nan, complete[2]], rtol=1e-12)
    alpha = dunnett_interval_alpha(df, weights, one_set(3), one_set(3), np.full(3, 0.05), TWO_SIDED)
    assert np.isnan(alpha).tolist() == [False, True, False]


@pytest.mark.parametrize("alternative", list(Alternative))
def test_an_interval_excludes_zero_where_the_adjusted_p_value_says_so(alternative: Alternative) -> None:
    """At the critical value itself the adjusted p-value is alpha; it lies between unadjusted and Bonferroni."""
    df, weights, set_ = np.array([8.0, 90.0, 3e5]), np.array([0.9, 0.6, 0.4]), one_set(3)
    alpha = dunnett_interval_alpha(df, weights, set_, set_, np.full(3, 0.05), alternative)
    t = -special.stdtrit(df, alpha / (2 if alternative is TWO_SIDED else 1))
    p = dunnett(-t if alternative is LESS else t, df, weights, set_, set_, alternative)
    np.testing.assert_allclose(p, 0.05, rtol=1e-7)
    assert ((alpha > 0.05 / 3) & (alpha < 0.05)).all()


@pytest.mark.parametrize("first", [np.nan, 30.0])
def test_intervals_of_many_units_beside_sets_of_few_or_none(first: float) -> None:
    """A first set that has failed, or has few degrees of freedom, as at early dates, leaves the others as they are."""
    arms = np.repeat([0, 1, 2], 2)
    df = np.array([first, first, 5_000.0, 6_000.0, 900.0, 900.0])
    load = np.array([0.7, 0.6, 0.7, 0.6, 0.5, 0.5])
    level = np.full(6, 0.05)
    two_sided = Alternative.TWO_SIDED
    together = dunnett_interval_alpha(df, load, arms, arms, level, two_sided)
    alone = dunnett_interval_alpha(df[2:], load[2:], arms[2:], arms[2:], level[2:], two_sided)
    np.testing.assert_array_equal(together[2:], alone)
    assert np.isnan(together[:2]).all() == np.isnan(first)


@pytest.mark.parametrize("df", [60.0, 4e4])
def test_to_the_last_bit_a_set_does_not_depend_on_others(df: float) -> None:
    """A day computed by itself must publish what it does among others."""
    rng = np.random.default_rng(95)
    arms = np.repeat(np.arange(40), 3)
    load, level = np.sqrt(1 / (1 + 10 ** rng.uniform(-2, 2, arms.size))), np.full(arms.size, 0.01)
    t, df_of = rng.normal(0, 2, arms.size), df * rng.uniform(1, 2, arms.size)
    together = dunnett_interval_alpha(df_of, load, arms, arms, level, TWO_SIDED)
    p = dunnett(t, df_of, load, arms, arms, TWO_SIDED)
    for member in range(40):
        i = arms == member
        alone = dunnett_interval_alpha(df_of[i], load[i], one_set(3), one_set(3), level[i], TWO_SIDED)
        np.testing.assert_array_equal(together[i], alone)
        np.testing.assert_array_equal(p[i], dunnett(t[i], df_of[i], load[i], one_set(3), one_set(3), TWO_SIDED))


@pytest.mark.parametrize("df", [50.0, 1e7])
@pytest.mark.parametrize("largest", [0.999, 1 - 1e-8, 1.0])
def test_an_arm_without_variance_leaves_the_others_their_intervals(df: float, largest: float) -> None:
    """No event in one arm: its effect is the baseline's noise. Conservative by some thousandths of itself."""
    load, level, two_sided = np.array([0.7, largest]), np.full(2, 0.05), Alternative.TWO_SIDED
    alpha = dunnett_interval_alpha(np.full(2, df), load, one_set(2), one_set(2), level, two_sided)
    critical = -special.stdtrit(df, alpha[0] / 2)
    p = dunnett(np.full(2, critical), np.full(2, df), load, one_set(2), one_set(2), two_sided)
    np.testing.assert_allclose(p, 0.05, rtol=1e-6)
    if df > 1e6 and largest == 1.0:
        own = np.sqrt(1 - 0.7**2)

        def inside(z: float) -> float:
            return float(
                stats.norm.pdf(z) * np.diff(stats.norm.cdf((np.array([-critical, critical]) - 0.7 * z) / own))[0]
            )

        exact = 1 - integrate.quad(inside, -critical, critical)[0]
        assert exact < 0.05
        assert exact == pytest.approx(0.05, rel=3e-3)


def test_no_comparisons() -> None:
    none, nobody = np.array([]), np.array([], dtype=np.int64)
    assert dunnett(none, none, none, nobody, nobody, TWO_SIDED).size == 0


@pytest.mark.parametrize(("runs", "bound"), [(1_500, 0.0186), pytest.param(20_000, 0.0051, marks=pytest.mark.slow)])
def test_familywise_error_with_unequal_arms_and_variances(runs: int, bound: float) -> None:
    """Null experiments, baseline 200 units of sd 1, arms 50, 100, 400 of sd 2, 1, .5, seed 93: 3.29·√(.05·.95/runs)."""
    rng = np.random.default_rng(93)
    plan = [(200, 1.0), (50, 2.0), (100, 1.0), (400, 0.5)]
    base, *arms = [
        MeanMoments(
            np.full(runs, float(n)),
            rng.normal(0, sd / np.sqrt(n), runs),
            sd**2 * rng.chisquare(n - 1, runs) / (n - 1),
            np.zeros(runs),
        )
        for n, sd in plan
    ]
    estimates = [welch(base, arm) for arm in arms]
    differences = [estimate.difference for estimate in estimates]
    t, df, weights = (
        np.concatenate(parts)
        for parts in (
            [difference.value / difference.se for difference in differences],
            [difference.df for difference in differences],
            [loading(estimate) for estimate in estimates],
        )
    )
    experiment = np.tile(np.arange(runs), 3)
    p = dunnett(t, df, weights, experiment, experiment, TWO_SIDED).reshape(3, runs)
    assert abs(np.mean((p <= 0.05).any(axis=0)) - 0.05) <= bound
