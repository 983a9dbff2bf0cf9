"""Wilson and Newcombe intervals against published tables, exact coverage, and rare events."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from analysis.statistics.proportions import newcombe, risk_ratio, wilson

# Newcombe 1998, Statistics in Medicine 17, 873-890, Table II, method 10: x1, n1, x2, n2, interval of p1 - p2.
NEWCOMBE = [
    (56, 70, 48, 80, 0.0524, 0.3339),
    (9, 10, 3, 10, 0.1705, 0.8090),
    (6, 7, 2, 7, 0.0582, 0.8062),
    (5, 56, 0, 29, -0.0381, 0.1926),
    (0, 10, 0, 20, -0.1611, 0.2775),
    (0, 10, 0, 10, -0.2775, 0.2775),
    (10, 10, 0, 20, 0.6791, 1.0000),
    (10, 10, 0, 10, 0.6075, 1.0000),
]


def test_newcombe_1998_table() -> None:
    x1, n1, x2, n2, low, high = np.array(NEWCOMBE).T
    ci = newcombe(n2, x2 / n2, n1, x1 / n1, 0.05)
    np.testing.assert_allclose(ci.low, low, atol=5e-5)
    np.testing.assert_allclose(ci.high, high, atol=5e-5)


@pytest.mark.parametrize(("x", "n"), [(0, 5), (1, 20), (7, 20), (81, 263), (20, 20), (3, 10**6)])
@pytest.mark.parametrize("alpha", [0.01, 0.05, 0.2])
def test_wilson_equals_scipy(x: int, n: int, alpha: float) -> None:
    theirs = stats.binomtest(x, n).proportion_ci(1 - alpha, method="wilson")
    ours = wilson(np.array(n), np.array(x / n), alpha)
    np.testing.assert_allclose([ours.low, ours.high], [theirs.low, theirs.high], rtol=1e-9, atol=1e-15)


def test_wilson_of_81_in_263() -> None:
    """Newcombe 1998, Statistics in Medicine 17, 857-872, Table I: .2553 to .3662; 0 of 20: 0 to .1611."""
    ci = wilson(np.array([263, 20]), np.array([81 / 263, 0]), 0.05)
    np.testing.assert_allclose(ci.low, [0.2553, 0], atol=5e-5)
    np.testing.assert_allclose(ci.high, [0.3662, 0.1611], atol=5e-5)


def test_ends_solve_the_score_equation_at_probabilities_of_1e_9() -> None:
    n, share = np.array([1e12, 1e10, 1e9]), np.array([1e-9, 1e-9, 2e-9])
    ci, z = wilson(n, share, 0.05), stats.norm.ppf(0.975)
    for end in (ci.low, ci.high):
        np.testing.assert_allclose(np.abs(share - end) / np.sqrt(end * (1 - end) / n), z, rtol=1e-6)


def test_risk_ratio_of_r_epitools() -> None:
    """10 of 100 against 20 of 100, riskratio.wald: 2 (.9865632067318, 4.054479198805)."""
    ci = risk_ratio(np.array(100), np.array(0.1), np.array(100), np.array(0.2), 0.05)
    np.testing.assert_allclose([ci.low, ci.high], [0.9865632067318 - 1, 4.054479198805 - 1], rtol=1e-10)


@settings(deadline=None)
@given(st.integers(1, 400), st.integers(1, 400), st.floats(0, 1), st.floats(0, 1))
def test_swapping_arms_or_outcomes_mirrors_the_interval(n1: int, n2: int, a: float, b: float) -> None:
    p1, p2 = np.array(round(a * n1) / n1), np.array(round(b * n2) / n2)
    ci = newcombe(np.array(n1), p1, np.array(n2), p2, 0.05)
    swapped = newcombe(np.array(n2), p2, np.array(n1), p1, 0.05)
    complement = newcombe(np.array(n1), 1 - p1, np.array(n2), 1 - p2, 0.05)
    np.testing.assert_allclose([ci.low, ci.high], [-swapped.high, -swapped.low], atol=1e-12)
    np.testing.assert_allclose([ci.low, ci.high], [-complement.high, -complement.low], atol=1e-12)
    assert -1 <= ci.low <= p2 - p1 <= ci.high <= 1


def test_no_units_or_no_share_is_nan() -> None:
    ci = newcombe(
        np.array([0, 10, 10]), np.array([np.nan, 0.1, 1.5]), np.full(3, 10), np.array([0.1, np.nan, 0.5]), 0.05
    )
    assert np.isnan([ci.low, ci.high]).all()
    assert np.isnan(risk_ratio(np.array(10), np.array(0.0), np.array(10), np.array(0.1), 0.05).low)


@pytest.mark.parametrize(("n", "m", "p", "q"), [(400, 40, 0.02, 0.02), (200, 40, 0.05, 0.1), (1000, 100, 0.01, 0.01)])
def test_exact_coverage(n: int, m: int, p: float, q: float) -> None:
    """All outcomes enumerated: .95 is nominal, at least .9427 is asked; Wald's is below it in each case."""
    x, y = np.arange(n + 1)[:, None], np.arange(m + 1)[None, :]
    weight = stats.binom.pmf(x, n, p) * stats.binom.pmf(y, m, q)
    ci = newcombe(np.array(n), x / n, np.array(m), y / m, 0.05)
    half = stats.norm.ppf(0.975) * np.sqrt(x / n * (1 - x / n) / n + y / m * (1 - y / m) / m)
    wald = np.abs(y / m - x / n - (q - p)) <= half
    assert weight[(ci.low <= q - p) & (q - p <= ci.high)].sum() >= 0.9427
    assert weight[wald].sum() < 0.9427
