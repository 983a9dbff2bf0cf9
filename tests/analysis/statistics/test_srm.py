"""Sample ratio mismatch against published figures, exact arithmetic and simulation."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from scipy.special import gammaln

from analysis.statistics.srm import anytime_p_value, chi_squared, log_bayes_factor, proportional_prior

REFERENCE = Path(__file__).parents[4] / "shared" / "reference"


def reference(name: str) -> dict[str, Any]:
    if not (REFERENCE / name).exists():
        pytest.skip(f"reference figures {name} are not beside this checkout")
    return json.loads((REFERENCE / name).read_text())


def test_sequential_test_matches_lindon_and_malek() -> None:
    for case in reference("sequential_srm.json")["cases"]:
        cumulative = np.cumsum(case["data"], axis=0)
        log_bf = log_bayes_factor(cumulative, case["theta0"], case["alpha"])
        log_m0 = np.cumsum([stats.multinomial.logpmf(row, sum(row), case["theta0"]) for row in case["data"]])
        np.testing.assert_allclose(log_bf, case["log_BF"], rtol=0, atol=1e-9)
        np.testing.assert_allclose(log_m0 + log_bf, case["log_m1"], rtol=0, atol=1e-9)


def test_sequential_test_matches_exact_arithmetic_at_a_million_units() -> None:
    for case in reference("sequential_srm.json")["computed"]:
        log_bf = log_bayes_factor(case["n"], case["theta0"], case["dirichlet_alpha"])
        assert log_bf == pytest.approx(case["log_BF10_mp"], abs=1e-9)
        assert anytime_p_value(log_bf[None])[0] == pytest.approx(case["seq_p_if_single_look"], rel=1e-8)


def test_chi_squared_matches_r() -> None:
    for case in reference("proportions_srm.json")["srm"]:
        result = chi_squared(case["n"], case["expected"])
        assert result.statistic == pytest.approx(case["chisq"], rel=1e-10)
        assert result.p_value == pytest.approx(case["p"], rel=1e-9)


def test_cookie_cats_is_borderline() -> None:
    """Published: 44,700 and 45,489 players, χ² 6.9024, p 0.008608."""
    result = chi_squared([44_700, 45_489], [0.5, 0.5])
    assert result.statistic == pytest.approx(6.90240, abs=1e-5)
    assert result.p_value == pytest.approx(0.008608, abs=1e-6)


def test_batches_equal_single_calls() -> None:
    counts = np.array([[[500, 480], [90, 10]], [[7, 3], [0, 1]]])
    weights = np.array([[[0.5, 0.5], [0.9, 0.1]], [[0.7, 0.3], [0.5, 0.5]]])
    prior = proportional_prior(weights, 10_000)
    batch = log_bayes_factor(counts, weights, prior)
    for index in np.ndindex(2, 2):
        assert batch[index] == log_bayes_factor(counts[index], weights[index], prior[index])
        assert chi_squared(counts, weights).p_value[index] == chi_squared(counts[index], weights[index]).p_value


def test_an_arm_of_zero_weight_leaves_the_test_alone_until_a_unit_arrives() -> None:
    clean, dirty = [520, 480, 0], [520, 480, 1]
    weights = [0.5, 0.5, 0.0]
    prior = proportional_prior(weights, 10_000)
    assert chi_squared(clean, weights).df == 1
    assert chi_squared(clean, weights).p_value == chi_squared(clean[:2], weights[:2]).p_value
    assert log_bayes_factor(clean, weights, prior) == log_bayes_factor(clean[:2], weights[:2], prior[:2])
    assert chi_squared(dirty, weights).p_value == 0
    assert np.isposinf(chi_squared(dirty, weights).statistic)
    assert np.isposinf(log_bayes_factor(dirty, weights, prior))
    assert anytime_p_value([np.inf])[0] == 0


def test_nothing_to_test_is_not_a_number() -> None:
    assert np.isnan(chi_squared([0, 0], [0.5, 0.5]).p_value)
    assert np.isnan(chi_squared([10, 0], [1.0, 0.0]).p_value)
    assert log_bayes_factor([0, 0], [0.5, 0.5], [1, 1]) == pytest.approx(0, abs=1e-14)


def test_bad_input_is_refused() -> None:
    with pytest.raises(ValueError, match="must not be negative"):
        chi_squared([-1, 2], [0.5, 0.5])
    with pytest.raises(ValueError, match="positive weight"):
        chi_squared([1, 2], [0, 0])
    with pytest.raises(ValueError, match="prior must be positive"):
        log_bayes_factor([1, 2], [0.5, 0.5], [1, 0])


def test_anytime_p_value_never_rises_and_never_exceeds_one() -> None:
    np.testing.assert_allclose(
        anytime_p_value([[-5.0, np.log(4), -800.0, np.log(10)]]), [[1.0, 0.25, 0.25, 0.1]], rtol=1e-15
    )


shares = st.lists(st.floats(0.01, 1), min_size=2, max_size=5)


@given(
    shares,
    st.lists(st.integers(0, 10_000), min_size=5, max_size=5),
    st.lists(st.floats(0.1, 500), min_size=5, max_size=5),
)
def test_log_bayes_factor_equals_the_textbook_form(weights: list[float], units: list[int], prior: list[float]) -> None:
    theta, n, a = (
        np.array(weights) / sum(weights),
        np.array(units[: len(weights)]),
        np.array(prior[: len(weights)]),
    )
    textbook = gammaln(a.sum()) - gammaln(a.sum() + n.sum()) + (gammaln(a + n) - gammaln(a) - n * np.log(theta)).sum()
    # gammaln of up to 50,000 is about 5e5: differences of such terms carry an error of about 1e-9.
    assert log_bayes_factor(n, weights, a) == pytest.approx(textbook, abs=1e-8, rel=1e-9)


@given(shares, st.lists(st.integers(0, 10**12), min_size=5, max_size=5), st.randoms())
def test_the_order_of_arms_does_not_matter(weights: list[float], units: list[int], random: Any) -> None:
    n = units[: len(weights)]
    order = list(range(len(weights)))
    random.shuffle(order)
    shuffled = chi_squared([n[i] for i in order], [weights[i] for i in order])
    if sum(n) == 0:
        assert np.isnan(shuffled.statistic)
        return
    assert shuffled.statistic == pytest.approx(chi_squared(n, weights).statistic, rel=1e-9, abs=1e-9)


def test_a_thousand_clean_experiments_raise_few_alarms_over_sixty_looks() -> None:
    """60 daily looks at three splits; at most 5 of 1,000 p-values below .001 (99.9 % binomial)."""
    generator = np.random.default_rng(20261101)
    alarms = 0
    for weights in ([0.5, 0.5], [0.9, 0.1], [0.4, 0.3, 0.2, 0.1]):
        daily = generator.multinomial(generator.poisson(2_000, size=(334, 60)), weights)
        logs = log_bayes_factor(daily.cumsum(axis=1), weights, proportional_prior(weights, 10_000))
        alarms += int((anytime_p_value(logs)[:, -1] < 0.001).sum())
    assert alarms <= 5


def test_a_five_percent_loss_in_one_arm_is_found_within_a_month() -> None:
    """80,000 units at .5128/.4872 have χ² of about 53: every one of 200 experiments must alarm."""
    generator = np.random.default_rng(7)
    daily = generator.multinomial(np.full((200, 28), 2_857), [1 / 1.95, 0.95 / 1.95])
    logs = log_bayes_factor(daily.cumsum(axis=1), [0.5, 0.5], proportional_prior([0.5, 0.5], 10_000))
    assert (anytime_p_value(logs)[:, -1] < 0.001).all()
