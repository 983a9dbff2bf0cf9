"""The chance to be best of many arms against two-arm closed forms, symmetry, and quadrature."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, stats

from analysis.statistics.bayesian.best import best_of_betas, best_of_normals
from analysis.statistics.bayesian.beta_binomial import Beta, compare


@settings(max_examples=50, deadline=None)
@given(st.floats(-3, 3), st.floats(0.02, 50), st.sampled_from([1.0, -1.0]))
def test_two_normals_have_a_closed_form(mean: float, sd: float, sign: float) -> None:
    """P = Φ(z), z = ±difference/√(1 + sd²), and loss √(1 + sd²)·(φ(z) - z·Φ(-z))."""
    best = best_of_normals(np.array([0.0, mean]), np.array([1.0, sd]), sign)
    scale = np.hypot(1, sd)
    z = sign * mean / scale
    np.testing.assert_allclose(best.chance, [stats.norm.sf(z), stats.norm.cdf(z)], atol=1e-10)
    loss = [scale * (stats.norm.pdf(z) + z * stats.norm.cdf(z)), scale * (stats.norm.pdf(z) - z * stats.norm.sf(z))]
    np.testing.assert_allclose(best.expected_loss, loss, atol=1e-10 * scale)


@pytest.mark.parametrize("arms", [3, 8])
def test_equal_arms_share_the_chance(arms: int) -> None:
    """The loss is the expected maximum: 3/(2√π) of three standard normals, 1.4236 of eight (Tippett 1925)."""
    best = best_of_normals(np.zeros(arms), np.ones(arms))
    np.testing.assert_allclose(best.chance, 1 / arms, rtol=1e-10)
    maximum = integrate.quad(lambda x: x * arms * stats.norm.pdf(x) * stats.norm.cdf(x) ** (arms - 1), -9, 9)[0]
    np.testing.assert_allclose(best.expected_loss, maximum, rtol=1e-8)
    assert maximum == pytest.approx({3: 1.5 / np.sqrt(np.pi), 8: 1.42360}[arms], abs=1e-5)


def test_arms_of_very_different_spread() -> None:
    """One arm known to a thousandth of the others': P of the sharp one at 0 is that no other is above 0."""
    mean, sd = np.array([0.0, -1.0, -0.5]), np.array([1e-5, 1.0, 2.0])
    best = best_of_normals(mean, sd)
    assert best.chance[0] == pytest.approx(stats.norm.cdf(1) * stats.norm.cdf(0.25), abs=1e-5)
    assert best.chance.sum() == pytest.approx(1, abs=1e-10)


@settings(max_examples=40, deadline=None)
@given(st.floats(0.5, 1e6), st.floats(0.5, 1e6), st.floats(0.5, 1e3), st.floats(0.5, 1e3))
def test_two_betas_equal_the_comparison_of_two(a: float, b: float, c: float, d: float) -> None:
    pair = compare(Beta(np.asarray(a), np.asarray(b)), Beta(np.asarray(c), np.asarray(d)))
    best = best_of_betas(Beta(np.array([a, c]), np.array([b, d])))
    chances = [pair.chance_baseline_larger, pair.chance_treatment_larger]
    np.testing.assert_allclose(best.chance, chances, atol=1e-8)
    np.testing.assert_allclose(best.expected_loss, [pair.treatment_excess, pair.baseline_excess], atol=1e-8)
    worst = best_of_betas(Beta(np.array([a, c]), np.array([b, d])), -1.0)
    np.testing.assert_allclose(worst.chance, chances[::-1], atol=1e-8)


def test_four_betas_equal_quadrature() -> None:
    a, b = np.array([10.0, 15.0, 12.0, 0.7]), np.array([100.0, 120.0, 90.0, 20.0])
    best, arms = best_of_betas(Beta(a, b)), [stats.beta(*ab) for ab in zip(a, b, strict=True)]
    for i in (0, 3):
        arm = arms[i]
        others = [other for j, other in enumerate(arms) if j != i]
        chance = integrate.quad(lambda x, f=arm, g=others: f.pdf(x) * np.prod([o.cdf(x) for o in g]), 0, 0.6, limit=200)
        loss = integrate.quad(lambda x, f=arm, g=others: f.cdf(x) * (1 - np.prod([o.cdf(x) for o in g])), 0, 0.8)
        assert best.chance[i] == pytest.approx(chance[0], abs=1e-7)
        assert best.expected_loss[i] == pytest.approx(loss[0], abs=1e-8)
    assert best.chance.sum() == pytest.approx(1, abs=1e-9)


def test_groups_side_by_side_and_unknown_arms() -> None:
    mean = np.array([[0.0, 1.0, 2.0], [0.0, np.nan, 1.0], [5.0, 5.0, 5.0]])
    best = best_of_normals(mean, np.array([[1.0, 1.0, 1.0], [1.0, 1.0, 1.0], [1.0, 0.0, 1.0]]))
    alone = best_of_normals(mean[0], np.ones(3))
    np.testing.assert_allclose(best.chance[0], alone.chance, rtol=1e-12)
    assert np.isnan(best.chance[1:]).all()
    assert np.isnan(best.expected_loss[1:]).all()
