"""Exact tests of a share against a level: scipy's binomial test, closed forms, and the size of the test."""

import numpy as np
import pytest
from scipy import stats

from analysis.statistics.binomial import share_level_p
from analysis.statistics.estimate import Arm

UP, DOWN = np.asarray(1.0), np.asarray(-1.0)


def p_value(events: float, n: float, level: float, sign: np.ndarray) -> np.ndarray:
    arm = Arm(np.asarray(n, dtype=float), np.asarray(events / n), np.asarray(np.nan))
    return share_level_p(arm, sign, np.asarray(level))


@pytest.mark.parametrize(
    ("events", "n"), [(0, 100), (1, 100), (7, 150), (99, 100), (100, 100), (1, 1), (54_321, 10**6)]
)
@pytest.mark.parametrize("level", [0.01, 0.05, 0.5])
def test_it_is_scipys_binomial_test(events: int, n: int, level: float) -> None:
    fewer = stats.binomtest(events, n, level, alternative="less").pvalue
    more = stats.binomtest(events, n, level, alternative="greater").pvalue
    assert p_value(events, n, level, DOWN) == pytest.approx(fewer, rel=1e-9)
    assert p_value(events, n, level, UP) == pytest.approx(more, rel=1e-9)


def test_no_event_is_the_best_evidence_that_there_are_few() -> None:
    """The rule of three: no event in 300 units rules out 1 % at .05; .99^299 = .0495, .99^298 = .05003."""
    assert p_value(0, 299, 0.01, DOWN) == pytest.approx(0.99**299)
    assert p_value(0, 299, 0.01, DOWN) < 0.05 < p_value(0, 298, 0.01, DOWN)
    assert p_value(0, 300, 0.01, UP) == 1


def test_a_trillion_units() -> None:
    """3 standard errors of sqrt(n p q) = 217,944 below 5 %: a normal's tail."""
    n = 1e12
    events = np.round(0.05 * n - 3 * np.sqrt(n * 0.05 * 0.95))
    assert p_value(events, n, 0.05, DOWN) == pytest.approx(stats.norm.sf(3), rel=1e-4)


def test_arms_without_units_and_metrics_without_level_have_no_p_value() -> None:
    empty = Arm(np.array([0.0, 10.0]), np.array([np.nan, 0.1]), np.full(2, np.nan))
    assert np.isnan(share_level_p(empty, DOWN, np.array([0.05, np.nan]))).all()


@pytest.mark.parametrize("expected", [3, 10, 50, 500])
@pytest.mark.parametrize("n", [1_000, 20_000])
def test_exactly_at_the_level_the_chance_of_proof_is_at_most_alpha(expected: int, n: int) -> None:
    """Summed over every possible count, not simulated; a t test would have .199 at 3 events expected."""
    level = expected / n
    events = np.arange(n + 1)
    proven = p_value(events, n, level, DOWN) < 0.05
    chance = stats.binom.pmf(events, n, level)[proven].sum()
    assert 0.025 < chance <= 0.05
