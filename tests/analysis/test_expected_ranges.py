"""Ranges from recent days: they hold weekends, and neither a bad day nor a quiet history makes them useless."""

from datetime import date, timedelta

import numpy as np
import pytest

from analysis.expected_ranges import difference_range, differs, ratio_range, rounded_outwards

MONDAY = date(2026, 10, 5)
DAYS = [MONDAY + timedelta(days=offset) for offset in range(28)]


def volumes(weekend: float = 1.0) -> list[float]:
    return [1000.0 * (weekend if day.weekday() >= 5 else 1.0) for day in DAYS]


def test_a_steady_figure_has_the_least_margin():
    assert ratio_range(DAYS, volumes(), 2.0) == pytest.approx((500, 2000))
    assert difference_range(DAYS, [0.1] * 28, 0.05) == pytest.approx((0.05, 0.15))


def test_every_weekday_is_within_the_range_however_quiet_it_is():
    assert ratio_range(DAYS, volumes(weekend=0.05), 2.0) == pytest.approx((25, 2000))


def test_a_spoiled_day_widens_nothing():
    spoiled = volumes()
    spoiled[10] = 1.0
    assert ratio_range(DAYS, spoiled, 2.0) == pytest.approx((500, 2000))


def test_a_restless_figure_has_a_margin_of_five_robust_deviations():
    rng = np.random.default_rng(1)
    values = 1000 * np.exp(rng.normal(0, 0.5, 28))
    low, high = ratio_range(DAYS, values, 2.0)
    logs = np.log(values).reshape(4, 7)  # weeks × weekdays
    medians = np.median(logs, axis=0)
    margin = 5 * 1.4826 * np.median(np.abs(logs - medians))
    assert margin > np.log(2)
    assert (np.log(low), np.log(high)) == pytest.approx((medians.min() - margin, medians.max() + margin))


def test_clean_days_that_follow_are_within():
    """Weekly rhythm and 15 % of noise, learnt from four weeks: of 300 × 28 later days hardly one is outside."""
    rng = np.random.default_rng(2)
    outside = 0
    for _ in range(300):
        level = rng.uniform(0.3, 1.0, 7)
        figures = 1000 * level[np.arange(56) % 7] * np.exp(rng.normal(0, 0.15, 56))
        low, high = ratio_range(DAYS, figures[:28], 2.0)
        outside += int(np.sum((figures[28:] < low) | (figures[28:] > high)))
    assert outside <= 3


def test_a_ratio_needs_positive_values():
    with pytest.raises(ValueError, match="positive"):
        ratio_range(DAYS[:2], [0.0, 1.0], 2.0)
    with pytest.raises(ValueError, match="values"):
        difference_range([], [], 2.0)


@pytest.mark.parametrize(
    ("given", "digits", "expected"),
    [
        ((512.3, 1999.0), 2, (510, 2000)),
        ((0.01234, 0.9871), 2, (0.012, 0.99)),
        ((-3.21, 0.0), 2, (-3.3, 0)),
        ((28.149, 65.101), 3, (28.1, 65.2)),
        ((0.05, 0.3), 2, (0.05, 0.3)),
    ],
)
def test_ends_are_rounded_outwards(given, digits, expected):
    assert rounded_outwards(*given, digits) == expected


def test_an_end_that_moved_by_more_than_a_fifth_differs():
    assert differs(100.0, 79.0) and not differs(100.0, 81.0)
    assert differs(100.0, 126.0) and not differs(100.0, 124.0)
    assert differs(None, 1.0) and not differs(None, None) and not differs(0.0, 0.0)
