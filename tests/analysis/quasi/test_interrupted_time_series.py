"""Segmented regression of series that can be counted by hand."""

import numpy as np
import pytest

from analysis.quasi.interrupted_time_series import interrupted_time_series
from analysis.quasi.study import ASSUMPTION_FAILED, NOT_BEGUN, OK, TOO_FEW_DAYS

DAYS = np.arange(56)
BREAK = 35


def series(jump=0.0, slope=0.0, noise=0.2, seed=2, season=2.0):
    """A trend of 0.1 a day, a week's pattern, and a change from day 35 on."""
    since = np.where(DAYS >= BREAK, DAYS - BREAK, 0)
    change = np.where(DAYS >= BREAK, jump, 0.0) + slope * since
    return 20 + 0.1 * DAYS + season * (DAYS % 7 == 5) + change + noise * np.random.default_rng(seed).standard_normal(56)


def test_level_and_slope_are_told_from_trend_and_season():
    study = interrupted_time_series(series(jump=3.0, slope=0.2), BREAK, 7).judged()
    found = {one.kind: one.effect for one in study.estimates}

    assert study.effect.status == OK
    assert found == pytest.approx({"effect": 5.0, "level_change": 3.0, "slope_change": 0.2}, abs=0.35)
    assert study.effect.p_value < 1e-6
    assert (study.effect.n_baseline, study.effect.n_treatment, study.effect.df) == (35, 21, 56 - 10)


def test_a_trend_alone_is_no_effect():
    study = interrupted_time_series(series(), BREAK, 7)
    assert abs(study.effect.effect) < 2.5 * study.effect.se


def test_days_without_a_value_are_left_out():
    value = series(jump=3.0)
    value[[3, 40]] = np.nan
    study = interrupted_time_series(value, BREAK, 7)
    assert study.effect.n_observations == 54
    assert study.effect.effect == pytest.approx(3.0, abs=0.4)


def test_a_break_that_came_earlier_fails_the_placebo():
    value = series()
    value[20:] += 3.0
    study = interrupted_time_series(value, BREAK, 7).judged()

    assert study.effect.status == ASSUMPTION_FAILED
    assert not {check.name: check.passed for check in study.checks}["placebo_breaks"]


def test_errors_that_follow_one_another_are_named():
    rng = np.random.default_rng(1)
    errors = np.zeros(56)
    for day in range(1, 56):
        errors[day] = 0.9 * errors[day - 1] + rng.standard_normal()
    check = next(c for c in interrupted_time_series(series() + errors, BREAK, 7).checks if c.name == "autocorrelation")
    assert not check.passed and check.statistic > 0.5


@pytest.mark.parametrize(("n_days", "status"), [(35, NOT_BEGUN), (36, TOO_FEW_DAYS)])
def test_what_has_too_few_days_has_no_number(n_days, status):
    study = interrupted_time_series(series()[:n_days], BREAK, 7)
    assert study.effect.status == status and np.isnan(study.effect.effect)
