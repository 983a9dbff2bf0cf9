"""The trend of effects over days since exposure, against what each unit's own slope says."""

import numpy as np
import pytest
from scipy import stats

from analysis.heterogeneity import trend
from analysis.heterogeneity.trend import DayMoments
from analysis.statistics import student_t
from analysis.statistics.status import Status


def days_of(values: np.ndarray) -> DayMoments:
    """Moments of units' values (..., units, days)."""
    mean = values.mean(axis=-2)
    apart = values - mean[..., None, :]
    n = values.shape[-2]
    covariance = np.swapaxes(apart, -1, -2) @ apart / (n - 1)
    return DayMoments(np.full(values.shape[:-2], float(n)), mean, covariance)


def visits(rng: np.random.Generator, shape: tuple[int, ...], level: np.ndarray) -> np.ndarray:
    """Values by day of units that differ in their liveliness, about a level for each day."""
    lively = rng.gamma(2, 0.5, shape[:-1])[..., None]
    return lively * level * rng.gamma(2, 0.5, shape)


def test_a_week_against_another_is_welchs_test_of_each_units_difference() -> None:
    rng = np.random.default_rng(1)
    base, treated = (visits(rng, (n, 16), np.linspace(4, 2, 16)) for n in (300, 200))
    found = trend.last_week_less_first(trend.absolute_effects(days_of(base), days_of(treated)))
    own = [arm[:, -7:].mean(axis=1) - arm[:, :7].mean(axis=1) for arm in (treated, base)]
    peer = stats.ttest_ind(*own, equal_var=False)
    assert found.value == pytest.approx(own[0].mean() - own[1].mean(), rel=1e-12)
    assert student_t.two_sided_p(found) == pytest.approx(peer.pvalue, rel=1e-9)
    assert found.df == pytest.approx(peer.df, rel=1e-9)


def test_a_slope_is_welchs_test_of_each_units_own_slope() -> None:
    rng = np.random.default_rng(2)
    base, treated = (visits(rng, (n, 10), np.linspace(4, 1, 10)) for n in (300, 200))
    effects = trend.absolute_effects(days_of(base), days_of(treated))
    found = trend.slope(effects)
    assert found.value == pytest.approx(np.polyfit(np.arange(10), effects.effect, 1)[0], rel=1e-9)
    own = [np.polyfit(np.arange(10), arm.T, 1)[0] for arm in (treated, base)]
    peer = stats.ttest_ind(*own, equal_var=False)
    assert student_t.two_sided_p(found) == pytest.approx(peer.pvalue, rel=1e-9)


def test_a_constant_share_is_no_trend_of_relative_effects() -> None:
    """Activity halves in both arms; treatment adds 10 % throughout, so that its absolute effect halves too."""
    rng = np.random.default_rng(3)
    level = np.linspace(4, 2, 14)
    base, treated = (days_of(visits(rng, (40_000, 14), level * lift)) for lift in (1.0, 1.1))
    absolute = trend.last_week_less_first(trend.absolute_effects(base, treated))
    relative = trend.last_week_less_first(trend.relative_effects(base, treated))
    assert student_t.two_sided_p(absolute) < 1e-6
    assert student_t.two_sided_p(relative) > 0.05
    first, last = trend.first_and_last_week(trend.relative_effects(base, treated))
    assert (first.value, last.value) == pytest.approx((0.1, 0.1), abs=0.02)


def test_the_error_of_a_relative_trend_is_that_of_many_experiments() -> None:
    """600 experiments of 400 + 200 units: a variance of 600 values is known to 3.29·√(2/600) = 19 %."""
    rng = np.random.default_rng(4)
    level = np.linspace(4, 2, 14)
    arms = [days_of(visits(rng, (600, n, 14), level * lift)) for n, lift in ((400, 1.0), (200, 1.2))]
    for term in (trend.slope, trend.last_week_less_first):
        found = term(trend.relative_effects(*arms))
        assert np.mean(found.se**2) == pytest.approx(np.var(found.value), rel=0.19)


def test_too_few_days_or_units_and_missing_moments_have_no_trend() -> None:
    rng = np.random.default_rng(5)
    arms = [days_of(rng.random((50, 2))) for _ in range(2)]
    assert trend.slope(trend.absolute_effects(*arms)).status == Status.TOO_FEW_UNITS
    arms = [days_of(rng.random((50, 13))) for _ in range(2)]
    assert trend.last_week_less_first(trend.absolute_effects(*arms)).status == Status.TOO_FEW_UNITS
    assert trend.slope(trend.absolute_effects(*arms)).status == Status.OK
    arms[0].covariance[3, 4] = arms[0].covariance[4, 3] = np.nan
    assert trend.slope(trend.absolute_effects(*arms)).status == Status.NOT_COMPUTED


def test_a_baseline_near_zero_is_weak() -> None:
    rng = np.random.default_rng(6)
    values = rng.standard_normal((2, 400, 5)) + 3
    values[1, :, 2] -= 3
    assert trend.is_weak_on_a_day(days_of(values)).tolist() == [False, True]
