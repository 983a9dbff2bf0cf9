"""Power against R, against simulation, and against itself."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from analysis.statistics.power import (
    mean_detectable_effect,
    mean_power,
    mean_sample_size,
    per_test_power,
    power_at,
    proportion_power,
    proportion_sample_size,
)

REFERENCE = Path(__file__).parents[4] / "shared" / "reference" / "power.json"


@pytest.fixture(scope="module")
def reference() -> dict[str, Any]:
    if not REFERENCE.exists():
        pytest.skip("the reference figures of R's power functions are not beside this checkout")
    return json.loads(REFERENCE.read_text())


def test_means_match_r(reference: dict[str, Any]) -> None:
    for case in reference["ttest"]:
        sides = 1 if case.get("alternative") == "one.sided" else 2
        n, delta, variance, alpha = case["n"], case["delta"], case["sd"] ** 2, case.get("sig", 0.05)
        assert mean_power(delta, variance, variance, n, n, alpha, sides) == pytest.approx(case["power"], abs=1e-6)
        if n == 1000:  # R solved this one for delta, to a tolerance; n is far more sensitive
            effect = mean_detectable_effect(variance, variance, n, n, alpha, case["power"], sides)
            assert effect == pytest.approx(delta, rel=1e-6)
        else:
            size = mean_sample_size(delta, variance, variance, alpha, case["power"], sides=sides)
            assert size == pytest.approx(n, rel=1e-6)


# R 4.2.2, power.prop.test: n an arm, shares, level, power. The figures of reference/power.json.
PROPORTIONS = [
    (50, 0.5, 0.75, 0.05, 0.7401659013314),
    (76.706930114108, 0.5, 0.75, 0.05, 0.9),
    (86.13546650866, 0.5, 0.75, 0.01, 0.8),
    (122_123.465281755, 0.05, 0.0525, 0.05, 0.8),
    (120.471938184663, 0.15, 0.3, 0.05, 0.8),
]


@pytest.mark.parametrize(("n", "p1", "p2", "alpha", "power"), PROPORTIONS)
def test_shares_match_r(n: float, p1: float, p2: float, alpha: float, power: float) -> None:
    assert proportion_power(p1, p2, n, n, alpha) == pytest.approx(power, abs=1e-6)
    assert proportion_sample_size(p1, p2, alpha, power) == pytest.approx(n, rel=1e-6)


def test_all_reference_shares_are_tested(reference: dict[str, Any]) -> None:
    known = {(n, p1, p2, alpha, power) for n, p1, p2, alpha, power in PROPORTIONS}
    assert {(c["n"], c["p1"], c["p2"], c.get("sig", 0.05), c["power"]) for c in reference["prop"]} == known


def test_kohavi_2009_rule_of_thumb_for_a_share() -> None:
    """Kohavi et al. 2009, 3.1: 16·.05·.95/(.05·.05)² = 121,600; the exact factor is 15.698."""
    size = mean_sample_size(0.0025, 0.0475, 0.0475, 0.05, 0.8)
    assert size == pytest.approx(121_600 * 15.6978 / 16, rel=1e-4)


def test_power_of_shares_in_unequal_arms_by_simulation() -> None:
    """The pooled test on 20,000 pairs of 900 and 300 units; 3.29 binomial standard errors, and .005 for the count."""
    generator = np.random.default_rng(8)
    a, b = generator.binomial(900, 0.2, 20_000) / 900, generator.binomial(300, 0.28, 20_000) / 300
    pooled = (900 * a + 300 * b) / 1_200
    rejected = (b - a) / np.sqrt(pooled * (1 - pooled) * (1 / 900 + 1 / 300)) > stats.norm.ppf(0.975)
    planned = float(proportion_power(0.2, 0.28, 900, 300, 0.05))
    assert rejected.mean() == pytest.approx(planned, abs=3.29 * np.sqrt(planned * (1 - planned) / 20_000) + 0.005)


def test_kohavi_2009_rule_of_thumb() -> None:
    """Kohavi et al. 2009, 3.1: 16 σ²/δ² = 409,600 for σ 30 and 5 % of 3.75; the exact factor is 15.698."""
    size = mean_sample_size(3.75 * 0.05, 900, 900, 0.05, 0.8)
    assert size == pytest.approx(409_600 * 15.6978 / 16, rel=1e-4)


def test_a_small_change_of_a_share_needs_what_r_says() -> None:
    """R 4.2.2, power.prop.test(p1 = .05, p2 = .0525, power = .8): n = 122123.465; it pools the variance."""
    size = mean_sample_size(0.0025, 0.05 * 0.95, 0.0525 * 0.9475, 0.05, 0.8)
    assert size == pytest.approx(122_123.465281755, rel=1e-4)


def test_planned_power_of_each_test() -> None:
    """β .2, α_d .025: without guardrails .825; with four each test needs 1 − .175/5 = .965."""
    np.testing.assert_allclose(per_test_power(0.8, 0.025, [0, 4]), [0.825, 0.965], rtol=1e-15)
    assert np.isnan(per_test_power(0.98, 0.025, 0))


def test_power_from_a_standard_error() -> None:
    """At δ = (1.959964 + .841621)·SE the power is .8; one-sided 1.644854 + .841621."""
    np.testing.assert_allclose(power_at([2.801585, -2.801585], 1.0, 0.05), 0.8, atol=1e-6)
    assert power_at(2.486475, 1.0, 0.05, sides=1) == pytest.approx(0.8, abs=1e-6)
    assert power_at(0.0, 1.0, 0.05) == pytest.approx(0.025)
    assert np.isnan(power_at(0.0, 0.0, 0.05))


def test_simulated_power_of_unequal_arms() -> None:
    """Welch on 20,000 pairs of 60 and 20 units, variances 1 and 4; 3.29 binomial standard errors."""
    generator = np.random.default_rng(5)
    a, b = generator.normal(0, 1, (20_000, 60)), generator.normal(1.2, 2, (20_000, 20))
    rejected = stats.ttest_ind(b, a, axis=1, equal_var=False).pvalue < 0.05
    planned = float(mean_power(1.2, 1, 4, 60, 20, 0.05))
    assert rejected.mean() == pytest.approx(planned, abs=3.29 * np.sqrt(planned * (1 - planned) / 20_000))


def test_what_no_sample_size_reaches_is_not_a_number() -> None:
    assert np.isnan(mean_sample_size(0.0, 1.0, 1.0, 0.05, 0.8))
    assert np.isnan(mean_sample_size(1.0, 1.0, 1.0, 0.05, np.nan))
    assert np.isnan(mean_sample_size(np.nan, 1.0, 1.0, 0.05, 0.8))


def test_arrays_equal_single_calls() -> None:
    effects, alphas = np.array([0.1, 0.2, 0.5]), np.array([[0.05], [0.01]])
    sizes = mean_sample_size(effects, 1.0, 2.0, alphas, 0.9, treatment_per_baseline=0.5)
    assert sizes.shape == (2, 3)
    for i, j in np.ndindex(2, 3):
        single = mean_sample_size(effects[j], 1.0, 2.0, alphas[i, 0], 0.9, treatment_per_baseline=0.5)
        assert sizes[i, j] == pytest.approx(single, rel=1e-12)


@given(st.floats(0.01, 2), st.floats(0.1, 10), st.floats(0.1, 10), st.floats(0.05, 1), st.floats(0.5, 0.99))
def test_sample_size_effect_and_power_agree(
    effect: float, variance_a: float, variance_b: float, ratio: float, power: float
) -> None:
    n = mean_sample_size(effect, variance_a, variance_b, 0.05, power, treatment_per_baseline=ratio)
    reached = mean_power(effect, variance_a, variance_b, n, n * ratio, 0.05)
    assert reached >= power - 1e-9
    if n * min(ratio, 1) > 2.01:
        assert reached == pytest.approx(power, abs=1e-9)
        detectable = mean_detectable_effect(variance_a, variance_b, n, n * ratio, 0.05, power)
        assert detectable == pytest.approx(effect, rel=1e-6)
