"""Planning a group sequential test: its drift, how much larger than a fixed test it is, classic constants."""

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtri

from analysis.statistics.group_sequential.boundaries import Boundaries, boundaries
from analysis.statistics.group_sequential.crossing import crossing
from analysis.statistics.group_sequential.futility import futility_bounds
from analysis.statistics.spending import Spending
from analysis.statistics.status import Floats

_STEPS = 60


def power(bounds: Boundaries, drift: ArrayLike, futility: ArrayLike | None = None) -> Floats:
    """Chance to stop above an upper bound (schedules,), `drift` being the mean of Z at full information.

    With `futility` bounds (schedules, looks) the test stops below those; else below its own lower bounds.
    """
    lower = bounds.lower if futility is None else np.asarray(futility, dtype=float)
    return crossing(bounds.information, lower, bounds.upper, drift).upper.sum(axis=1)


def drift_for_power(bounds: Boundaries, wanted: ArrayLike, *, spending: Spending | None = None) -> Floats:
    """Mean of Z at full information at which the test has `wanted` power (schedules,), in (0, 1).

    With a `spending` function the test also stops for futility, spending 1 - wanted by it; the last futility
    bound then meets the last efficacy bound. Reference: Jennison & Turnbull 2000, eq. 2.3 and ch. 7.3.
    """
    goal = np.broadcast_to(np.asarray(wanted, dtype=float), bounds.alpha.shape)

    def reached(drift: Floats) -> Floats:
        futility = None if spending is None else futility_bounds(bounds, drift, 1 - goal, spending)
        return ndtri(power(bounds, drift, futility)) - ndtri(goal)

    fixed = ndtri(goal) - ndtri(bounds.alpha / bounds.sides)
    return _increasing_root(reached, fixed, 1.05 * fixed)


def inflation(bounds: Boundaries, wanted: ArrayLike, *, spending: Spending | None = None) -> Floats:
    """Largest sample size over that of the fixed test of the same level and power (schedules,).

    (drift / (z_{1-α/sides} + z_power))²; the plan's last look must be at information 1.
    """
    fixed = ndtri(np.asarray(wanted, dtype=float)) - ndtri(bounds.alpha / bounds.sides)
    return (drift_for_power(bounds, wanted, spending=spending) / fixed) ** 2


def planned_inflation(
    n_looks: int, alpha: ArrayLike, wanted: ArrayLike, spending: Spending, *, sides: int = 2
) -> Floats:
    """Inflation of tests with `n_looks` equally spaced looks; `alpha` and `wanted` power broadcast to 1-D."""
    level, goal = np.broadcast_arrays(np.atleast_1d(np.asarray(alpha, dtype=float)), np.asarray(wanted, dtype=float))
    times = np.tile(np.arange(1, n_looks + 1) / n_looks, (level.size, 1))
    return inflation(boundaries(times, level, spending, sides=sides), goal)


def expected_information(bounds: Boundaries, drift: ArrayLike, futility: ArrayLike | None = None) -> Floats:
    """Mean information at the end (schedules,), as a share of the plan, for a test that stops at its bounds."""
    lower = bounds.lower if futility is None else np.asarray(futility, dtype=float)
    return crossing(bounds.information, lower, bounds.upper, drift).expected_information


def pocock_constant(n_looks: int, alpha: float) -> float:
    """C of Pocock's two-sided test: stop where |Z| ≥ C at any of n equally spaced looks (Pocock 1977)."""
    return _classic_constant(n_looks, alpha, lambda k: np.ones(k))


def obrien_fleming_constant(n_looks: int, alpha: float) -> float:
    """C of O'Brien & Fleming's two-sided test: stop at look k of n where |Z| ≥ C·√(n/k) (1979)."""
    return _classic_constant(n_looks, alpha, lambda k: np.sqrt(k / np.arange(1, k + 1)))


def _classic_constant(n_looks: int, alpha: float, shape: Callable[[int], Floats]) -> float:
    times, form = np.arange(1, n_looks + 1) / n_looks, shape(n_looks)

    def error(c: Floats) -> Floats:
        crossed = crossing(times, -c[:, None] * form, c[:, None] * form)
        return -ndtri(crossed.upper.sum(axis=1))

    first = np.atleast_1d(-ndtri(alpha / 2))
    return float(_increasing_root(lambda c: error(c) + ndtri(alpha / 2), first, first + 0.2)[0])


def _increasing_root(function: Callable[[Floats], Floats], first: Floats, second: Floats) -> Floats:
    """Elementwise root of an increasing, nearly linear function by secants."""
    old, new = np.asarray(first, dtype=float), np.asarray(second, dtype=float)
    old_value = function(old)
    for _ in range(_STEPS):
        value = function(new)
        with np.errstate(invalid="ignore", divide="ignore"):
            slope = (value - old_value) / (new - old)
            move = np.where((value == 0) | (slope == 0), 0.0, value / slope)
        old, old_value, new = new, value, new - np.where(np.isfinite(move), np.clip(move, -2.0, 2.0), 0.0)
        if not np.any(np.abs(new - old) > 1e-11):
            break
    return new
