"""Beta posteriors against exact arithmetic, Cook's identities, quadrature, and huge or fractional parameters."""

from fractions import Fraction
from math import comb

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, special, stats

from analysis.statistics.bayesian.beta_binomial import (
    Beta,
    chance_to_beat,
    compare,
    credible_interval,
    expected_loss,
    posterior,
)

# Miller's closed form in exact rational arithmetic, uniform priors: conversions and units of both arms,
# P(treatment larger), loss of shipping the treatment, loss of keeping the baseline.
EXACT = [
    (1, 2, 1, 2, 0.5, 0.12857142857142856, 0.12857142857142856),
    (0, 1, 1, 1, 0.8333333333333334, 0.03333333333333333, 0.36666666666666664),
    (10, 100, 15, 100, 0.8532837899339661, 0.003578088130711048, 0.0525976959738483),
    (50, 500, 65, 500, 0.9308395683611923, 0.0006184445989193468, 0.030498922686568748),
    (120, 200, 100, 200, 0.02241363672784998, 0.09942306494377741, 0.0004131639536783922),
    (200, 1000, 230, 1000, 0.9486182892111011, 0.0003961846891051458, 0.030336304449584187),
]


def beta(a, b) -> Beta:
    return Beta(np.asarray(a, dtype=float), np.asarray(b, dtype=float))


def larger(a_t: float, b_t: float, a_b: float, b_b: float) -> float:
    return float(compare(beta(a_b, b_b), beta(a_t, b_t)).chance_treatment_larger)


def test_published_figures() -> None:
    x_b, n_b, x_t, n_t, chance, ship, keep = np.array(EXACT).T
    result = compare(posterior(n_b, x_b / n_b), posterior(n_t, x_t / n_t))
    loss = expected_loss(result, 1.0)
    np.testing.assert_allclose(chance_to_beat(result, 1.0), chance, rtol=1e-12)
    np.testing.assert_allclose(loss.treatment, ship, rtol=1e-12)
    np.testing.assert_allclose(loss.baseline, keep, rtol=1e-12)


def exact_chance(a_t: int, b_t: int, a_b: int, b_b: int) -> Fraction:
    """P(T > B) in whole numbers, by Miller's sum over i < a_t."""

    def beta_function(a: int, b: int) -> Fraction:
        return Fraction(1, a * comb(a + b - 1, a))

    terms = (
        beta_function(a_b + i, b_b + b_t) / ((b_t + i) * beta_function(1 + i, b_t) * beta_function(a_b, b_b))
        for i in range(a_t)
    )
    return sum(terms, Fraction(0))


@settings(max_examples=60, deadline=None)
@given(*[st.integers(1, 60) for _ in range(4)])
def test_whole_parameters_equal_exact_fractions(a_t: int, b_t: int, a_b: int, b_b: int) -> None:
    exact = exact_chance(a_t, b_t, a_b, b_b)
    assert larger(a_t, b_t, a_b, b_b) == pytest.approx(float(exact), rel=1e-12)
    # E[max(0, T - B)] = E[T]·P(T' > B) - E[B]·P(T > B'), a prime adding one conversion.
    gain = Fraction(a_t, a_t + b_t) * exact_chance(a_t + 1, b_t, a_b, b_b)
    gain -= Fraction(a_b, a_b + b_b) * exact_chance(a_t, b_t, a_b + 1, b_b)
    assert compare(beta(a_b, b_b), beta(a_t, b_t)).treatment_excess == pytest.approx(float(gain), rel=1e-11)


@settings(max_examples=60, deadline=None)
@given(*[st.floats(0.3, 3000) for _ in range(4)])
def test_identities(a: float, b: float, c: float, d: float) -> None:
    """Cook 2005: g(a,b,c,d) = g(d,c,b,a) = g(d,b,c,a) = 1 - g(c,d,a,b), g(a+1,b,c,d) = g + h/a."""
    g = larger(a, b, c, d)
    h = np.exp(special.betaln(a + c, b + d) - special.betaln(a, b) - special.betaln(c, d))
    np.testing.assert_allclose([larger(d, c, b, a), larger(d, b, c, a), 1 - larger(c, d, a, b)], g, atol=1e-12)
    assert larger(a + 1, b, c, d) == pytest.approx(g + h / a, abs=1e-11)


@pytest.mark.parametrize("a", [0.05, 0.5, 1, 3, 40, 1e3, 1e7])
@pytest.mark.parametrize("ratio", [1, 10, 1e3, 1e6])
def test_equal_posteriors_are_a_coin(a: float, ratio: float) -> None:
    result = compare(beta(a, a * ratio), beta(a, a * ratio))
    # With few events in millions of units scipy's incomplete beta function has ten or eleven digits.
    assert result.chance_treatment_larger == pytest.approx(0.5, abs=1e-12 if ratio < 1e6 else 1e-11)
    assert result.treatment_excess == pytest.approx(result.baseline_excess, rel=1e-12)


def test_a_constant_threshold_in_the_limit() -> None:
    """A baseline known to 1e-5 (2e9 units at .2) against Beta(3.5, 8.2): the tail of one beta at .2."""
    result = compare(beta(4e8, 1.6e9), beta(3.5, 8.2))
    theirs = stats.beta(3.5, 8.2)
    assert result.chance_treatment_larger == pytest.approx(theirs.sf(0.2), abs=1e-9)
    excess = integrate.quad(theirs.sf, 0.2, 1, epsabs=1e-14)[0]
    assert result.treatment_excess == pytest.approx(excess, abs=1e-9)


def test_far_apart_posteriors_keep_digits() -> None:
    """P = Γ-ratio in closed form for b = 1: P(Beta(a,1) < Beta(c,1)) = c/(a + c); and a tail of 1e-40 by quadrature."""
    assert larger(3.0, 1.0, 5.0e6, 1.0) == pytest.approx(3.0 / (5.0e6 + 3.0), rel=1e-9)
    narrow, wide = stats.beta(900, 300), stats.beta(200, 300)
    theirs = integrate.quad(lambda x: narrow.cdf(x) * wide.pdf(x), 0.4, 0.75, epsabs=0, epsrel=1e-11, limit=200)[0]
    assert theirs < 1e-30
    assert larger(200, 300, 900, 300) == pytest.approx(theirs, rel=1e-9)
    loss = integrate.quad(lambda x: narrow.cdf(x) * wide.sf(x), 0.4, 0.75, epsabs=0, epsrel=1e-11, limit=200)[0]
    result = compare(beta(900, 300), beta(200, 300))
    assert result.treatment_excess == pytest.approx(loss, rel=1e-8)


def test_huge_samples_approach_the_normal() -> None:
    """1e7 units at 1 %: z = difference over √(Σ p(1 - p)/n), skewness below 1e-3 standard errors."""
    n, share = 1e7, np.array([0.01, 0.010_05])
    result = compare(posterior(np.array(n), share[0]), posterior(np.array(n), share[1]))
    z = (share[1] - share[0]) / np.sqrt((share * (1 - share) / n).sum())
    assert result.chance_treatment_larger == pytest.approx(stats.norm.cdf(z), abs=2e-4)


def test_directions_and_shapes() -> None:
    baseline = posterior(np.array([[100.0], [1000.0]]), np.array([[0.1], [0.1]]))
    result = compare(baseline, posterior(np.array([100.0, 500.0, 0.0]), np.array([0.12, 0.09, np.nan])))
    assert result.chance_treatment_larger.shape == (2, 3)
    assert np.isnan(result.chance_treatment_larger[:, 2]).all()
    assert np.isnan(result.treatment_excess[:, 2]).all()
    up, down = expected_loss(result, 1.0), expected_loss(result, -1.0)
    np.testing.assert_array_equal(up.treatment, down.baseline)
    total = chance_to_beat(result, 1.0) + chance_to_beat(result, -1.0)
    np.testing.assert_allclose(total[:, :2], 1, rtol=1e-15)


def test_priors_count_as_units() -> None:
    result = posterior(np.array([100.0, 0.0, 50.0]), np.array([0.25, 0.1, 1.2]), 2.5, 7.5)
    np.testing.assert_allclose([result.a, result.b], [[27.5, np.nan, np.nan], [82.5, np.nan, np.nan]])
    with pytest.raises(ValueError, match="positive"):
        posterior(np.array(10.0), np.array(0.1), 0.0)


def test_credible_interval_of_a_share_equals_scipy() -> None:
    ci = credible_interval(beta([3, 1], [9, 1e6]), 0.1)
    np.testing.assert_allclose([ci.low, ci.high], stats.beta([3, 1], [9, 1e6]).ppf([[0.05], [0.95]]), rtol=1e-10)


def test_chances_are_calibrated() -> None:
    """20,000 pairs of shares from the prior Beta(2, 20), 200/50 units, seed 82: P(T > B | chance > .8) is its mean."""
    rng = np.random.default_rng(82)
    truth = rng.beta(2, 20, (2, 20_000))
    n = np.array([[200.0], [50.0]])
    baseline, treatment = (
        posterior(size, rng.binomial(int(size[0]), p) / size, 2, 20) for size, p in zip(n, truth, strict=True)
    )
    result = compare(baseline, treatment)
    chance = chance_to_beat(result, 1.0)
    sure = chance > 0.8
    assert np.mean(truth[1] > truth[0], where=sure) == pytest.approx(
        chance[sure].mean(), abs=3.29 * 0.4 / np.sqrt(sure.sum())
    )
    lost = np.maximum(0, truth[0] - truth[1])
    assert lost.mean() == pytest.approx(result.baseline_excess.mean(), abs=3.29 * lost.std() / np.sqrt(lost.size))
