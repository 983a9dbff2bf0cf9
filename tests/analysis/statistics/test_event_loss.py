"""The stratified sequential test of equal losses, against arithmetic by hand."""

import numpy as np
import pytest
from scipy import stats

from analysis.statistics.event_loss import LOG_RATIO_SPREAD, LOG_RATIOS, anytime_loss_p

ONE = np.zeros(1, dtype=np.int64)


def by_hand(days: list[tuple[int, int, int, int]]) -> float:
    """Bayes factor of (lost baseline, lost treatment, units baseline, units treatment) a day."""
    weights = np.exp(-0.5 * (LOG_RATIOS / LOG_RATIO_SPREAD) ** 2)
    total = 0.0
    for weight, ratio in zip(weights / weights.sum(), np.exp(LOG_RATIOS), strict=True):
        factor = weight
        for lost_baseline, lost_treatment, baseline, treatment in days:
            share = treatment / (baseline + treatment)
            alternative = share * ratio / (share * ratio + 1 - share)
            factor *= (alternative / share) ** lost_treatment * ((1 - alternative) / (1 - share)) ** lost_baseline
        total += factor
    return total


def test_days_multiply_and_each_has_its_own_share() -> None:
    """Day 1 at 100/100, day 2 at 300/100: the same losses mean something else."""
    p = anytime_loss_p(([5, 30], [15, 30]), ([100, 300], [100, 100]), np.zeros(2, dtype=np.int64))
    first, both = by_hand([(5, 15, 100, 100)]), by_hand([(5, 15, 100, 100), (30, 30, 300, 100)])
    assert first > 1
    assert p == pytest.approx([1 / first, 1 / both])


def test_the_smallest_p_stays_and_each_series_starts_afresh() -> None:
    series = np.array([0, 0, 1])
    p = anytime_loss_p(([0, 40, 10], [30, 10, 10]), ([100] * 3, [100] * 3), series)
    assert p[0] == p[1] < 0.001
    assert p[2] == 1


def test_a_day_of_one_arm_says_nothing() -> None:
    assert anytime_loss_p(([50], [0]), ([100], [0]), ONE) == pytest.approx([1])
    assert anytime_loss_p(([0], [0]), ([0], [0]), ONE) == pytest.approx([1])
    assert len(anytime_loss_p(([], []), ([], []), np.zeros(0, dtype=np.int64))) == 0


def test_arms_trade_places() -> None:
    swapped = anytime_loss_p(([15], [5]), ([100], [100]), ONE)
    assert swapped == pytest.approx(anytime_loss_p(([5], [15]), ([100], [100]), ONE))


def test_the_factor_s_mean_is_at_most_one_over_the_hypergeometric() -> None:
    """Exact enumeration: 12 lost of 20 and 30 units, split without regard to the arm."""
    chances = stats.hypergeom(50, 30, 12).pmf(np.arange(13))
    mean = sum(chance * by_hand([(12 - k, k, 20, 30)]) for k, chance in enumerate(chances))
    assert mean <= 1
