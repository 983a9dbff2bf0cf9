"""Stage-wise and repeated inference: against plain integration, against boundaries, and by simulation."""

import time
from typing import Any

import numpy as np
import pytest
from scipy import integrate, optimize, stats
from scipy.special import ndtr

from analysis.statistics.estimate import Contrast
from analysis.statistics.group_sequential.boundaries import Boundaries, boundaries
from analysis.statistics.group_sequential.repeated import repeated_interval, repeated_p
from analysis.statistics.group_sequential.stagewise import stagewise, stagewise_p
from analysis.statistics.spending import obrien_fleming, pocock


def contrast(value: Any, se: Any = 1.0) -> Contrast:
    value, se = np.broadcast_arrays(np.asarray(value, dtype=float), np.asarray(se, dtype=float))
    return Contrast(value, se, np.full(value.shape, np.inf), np.zeros(value.shape, dtype=np.int8))


def rows(n: int, look: int) -> tuple[np.ndarray, np.ndarray]:
    return np.zeros(n, dtype=np.int64), np.full(n, look)


def second_look_at_least(z: float, bound: float, drift: float, low: float) -> float:
    """Chance to stop above at look 1 of two (information ½, 1), or to go on and have Z ≥ z at look 2."""
    half = np.sqrt(0.5)

    def density(x: float) -> float:
        return np.exp(-((x - drift * half) ** 2) / 2) / np.sqrt(2 * np.pi) * ndtr((drift / 2 + x * half - z) / half)

    return ndtr(drift * half - bound) + integrate.quad(density, low, bound, epsabs=1e-13)[0]


@pytest.mark.parametrize("sides", [1, 2])
@pytest.mark.parametrize("z", [-3.0, 0.4, 2.3, 5.0])
def test_two_looks_agree_with_plain_integration(z: float, sides: int) -> None:
    bounds = boundaries([0.5, 1.0], 0.05, pocock, sides=sides)
    bound = bounds.upper[0, 0]
    low = -bound if sides == 2 else -12.0

    def at_least(value: float, drift: float) -> float:
        return second_look_at_least(value, bound, drift, low)

    result = stagewise(contrast([z * 0.2], 0.2), bounds, *rows(1, 1))
    one_sided = at_least(z, 0.0)
    expected = one_sided if sides == 1 else 2 * min(one_sided, at_least(-z, 0.0))
    assert result.p_value[0] == pytest.approx(expected, rel=1e-9)
    for found, chance in (
        (result.interval.low[0], 0.05 / sides),
        (result.median_unbiased[0], 0.5),
        (result.interval.high[0], 0.975),
    ):
        if np.isinf(found):
            assert sides == 1
            continue
        drift = optimize.brentq(lambda theta, chance=chance: at_least(z, theta) - chance, -9, 9, xtol=1e-13)
        # The effect is the drift times se·√information.
        assert found == pytest.approx(drift * 0.2, abs=1e-8)


def test_stopping_at_the_first_look_is_the_fixed_test() -> None:
    bounds = boundaries([0.5, 1.0], 0.05, pocock)
    result = stagewise(contrast([0.9, -0.9], 0.3), bounds, *rows(2, 0))
    np.testing.assert_allclose(result.p_value, 2 * stats.norm.sf(3), rtol=1e-12)
    np.testing.assert_allclose(result.median_unbiased, [0.9, -0.9], rtol=1e-9)
    np.testing.assert_allclose(result.interval.low, np.array([0.9, -0.9]) - 0.3 * 1.959963984540054, rtol=1e-9)
    np.testing.assert_allclose(result.interval.high, np.array([0.9, -0.9]) + 0.3 * 1.959963984540054, rtol=1e-9)


@pytest.mark.parametrize("sides", [1, 2])
def test_at_a_boundary_p_is_what_was_spent_and_the_interval_touches_zero_at_the_end(sides: int) -> None:
    bounds = boundaries(np.arange(1, 6) / 5, 0.05, obrien_fleming, sides=sides)
    schedule, look = np.zeros(5, dtype=np.int64), np.arange(5)
    result = stagewise(contrast(bounds.upper[0]), bounds, schedule, look)
    np.testing.assert_allclose(result.p_value, bounds.spent[0], rtol=1e-9)
    assert result.interval.low[-1] == pytest.approx(0, abs=1e-9)
    # Less error spent: farther from zero.
    assert (np.diff(result.interval.low / np.sqrt(bounds.information[0])) < 0).all()


def test_swapping_the_arms_changes_only_the_sign() -> None:
    bounds = boundaries([0.3, 0.5, 0.9], 0.05, pocock, ends=True)
    z = np.linspace(-4, 4, 17)
    ahead = stagewise(contrast(z), bounds, *rows(17, 2))
    behind = stagewise(contrast(-z), bounds, *rows(17, 2))
    np.testing.assert_allclose(ahead.p_value, behind.p_value, rtol=1e-9)
    np.testing.assert_allclose(ahead.median_unbiased, -behind.median_unbiased, atol=1e-8)
    np.testing.assert_allclose(ahead.interval.low, -behind.interval.high, atol=1e-8)
    assert (np.diff(ahead.median_unbiased) > 0).all()


def test_the_undefined_is_not_a_number() -> None:
    bounds = boundaries([0.5, 0.5, 1.0], 0.05, pocock)
    data = contrast([np.nan, 2.0, 2.0], [np.nan, 1.0, 1.0])
    result = stagewise(data, bounds, np.zeros(3, dtype=np.int64), np.array([2, 1, 2]))
    assert np.isnan(result.p_value).tolist() == [True, True, False]
    assert np.isnan(result.interval.low).tolist() == [True, True, False]
    assert np.isnan(result.median_unbiased).tolist() == [True, True, False]
    p = repeated_p(data, bounds, np.zeros(3, dtype=np.int64), np.array([2, 1, 2]))
    assert np.isnan(p[0])
    assert p[1] == 1
    ends = repeated_interval(data, bounds, np.zeros(3, dtype=np.int64), np.array([2, 1, 2]))
    assert (np.isnan(ends.low[0]), ends.low[1]) == (True, -np.inf)


@pytest.mark.parametrize("z", [-40.0, 30.0, 300.0])
def test_extreme_statistics_still_have_an_answer(z: float) -> None:
    """A huge Z after not crossing earlier: what is known is that the test stopped at the third look."""
    bounds = boundaries(np.arange(1, 4) / 3, 0.05, obrien_fleming)
    result = stagewise(contrast([z]), bounds, *rows(1, 2))
    assert result.interval.low[0] < result.median_unbiased[0] < result.interval.high[0]
    assert 0 < result.p_value[0] < 0.05


def simulated(bounds: Boundaries, drift: float, runs: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Z at all looks (runs, looks), the look at which each run stops, and whether it crossed."""
    times = bounds.information[0]
    rng = np.random.default_rng(seed)
    steps = np.diff(times, prepend=0)
    z = (rng.normal(size=(runs, times.size)) * np.sqrt(steps) + drift * steps).cumsum(axis=1) / np.sqrt(times)
    crossed = np.abs(z) >= bounds.upper if bounds.sides == 2 else z >= bounds.upper
    stopped = np.where(crossed.any(axis=1), crossed.argmax(axis=1), times.size - 1)
    return z, stopped, crossed.any(axis=1)


@pytest.mark.parametrize("runs", [800, pytest.param(10_000, marks=pytest.mark.slow)])
@pytest.mark.parametrize("drift", [0.0, 2.8, 5.0])
def test_stagewise_coverage_and_median(runs: int, drift: float) -> None:
    """Five looks, Pocock spending, α .05, seed 31: coverage .95 and median .5 within 3.5 binomial deviations.

    3.5: six checks, at .3 % together. The naive interval of a test that stops early covers less.
    """
    bounds = boundaries([0.2, 0.35, 0.6, 0.8, 1.0], 0.05, pocock)
    z, stopped, crossed = simulated(bounds, drift, runs, 31)
    se = 1 / np.sqrt(bounds.information[0, stopped])
    final = contrast(z[np.arange(runs), stopped] * se, se)
    result = stagewise(final, bounds, np.zeros(runs, dtype=np.int64), stopped)
    covered = (result.interval.low <= drift) & (drift <= result.interval.high)
    assert abs(covered.mean() - 0.95) <= 3.5 * np.sqrt(0.95 * 0.05 / runs)
    assert abs((result.median_unbiased > drift).mean() - 0.5) <= 3.5 * 0.5 / np.sqrt(runs)
    np.testing.assert_array_equal(result.p_value <= 0.05, crossed)


@pytest.mark.parametrize("runs", [4_000, pytest.param(40_000, marks=pytest.mark.slow)])
def test_repeated_intervals_cover_at_all_looks_together(runs: int) -> None:
    """28 looks, α .05, drift 2, seed 32, nobody stops: .95 within 3.29 binomial deviations (.0113 at 4,000)."""
    bounds = boundaries(np.arange(1, 29) / 28, 0.05, obrien_fleming)
    z, _, _ = simulated(bounds, 2.0, runs, 32)
    se = 1 / np.sqrt(bounds.information[0])
    schedule, look = np.zeros(runs * 28, dtype=np.int64), np.tile(np.arange(28), runs)
    ends = repeated_interval(contrast((z * se).ravel(), np.tile(se, runs)), bounds, schedule, look)
    covered = ((ends.low <= 2) & (ends.high >= 2)).reshape(runs, 28).all(axis=1).mean()
    assert abs(covered - 0.95) <= 3.29 * np.sqrt(0.95 * 0.05 / runs)


@pytest.mark.parametrize("sides", [1, 2])
def test_repeated_p_agrees_with_boundaries_at_other_levels(sides: int) -> None:
    times = np.arange(1, 7) / 6
    bounds = boundaries(times, 0.05, obrien_fleming, sides=sides)
    look = np.arange(6)
    for level in (0.6, 0.2, 0.05, 0.03, 0.004, 1e-5, 1e-9):
        z = boundaries(times, level, obrien_fleming, sides=sides).upper[0]
        p = repeated_p(contrast(z), bounds, np.zeros(6, dtype=np.int64), look)
        tolerance = 1e-9 if level == 0.05 else 0.02 if level < 0.25 else 0.05
        np.testing.assert_allclose(p, level, rtol=tolerance)


def test_repeated_p_and_interval_and_boundary_say_the_same() -> None:
    rng = np.random.default_rng(33)
    bounds = boundaries([[0.2, 0.5, 0.8], [0.4, 0.6, 1.0]], [0.05, 0.01], pocock, ends=[True, False])
    schedule, look = rng.integers(0, 2, 3_000), rng.integers(0, 3, 3_000)
    data = contrast(rng.normal(0, 2, 3_000), 0.8)
    p = repeated_p(data, bounds, schedule, look)
    ends = repeated_interval(data, bounds, schedule, look)
    significant = p <= bounds.alpha[schedule]
    np.testing.assert_array_equal(significant, (ends.low > 0) | (ends.high < 0))
    np.testing.assert_array_equal(significant, np.abs(data.value / data.se) > bounds.upper[schedule, look])
    assert (p[np.argsort(np.abs(data.value))] <= 1).all()


def test_many_final_p_values_a_second() -> None:
    """Final p-values of 20,000 comparisons over 5 schedules of 28 looks, at more than 10,000/s."""
    rng = np.random.default_rng(34)
    kinds = rng.uniform(0.5, 1.5, (5, 28)).cumsum(axis=1)
    bounds = boundaries(kinds / kinds[:, -1:], 0.05, obrien_fleming)
    schedule, look = rng.integers(0, 5, 20_000), rng.integers(0, 28, 20_000)
    begun = time.process_time()
    p = stagewise_p(contrast(rng.normal(size=20_000)), bounds, schedule, look)
    assert 20_000 / (time.process_time() - begun) > 10_000
    assert np.isfinite(p).all()
