"""Efficacy boundaries of schedules of looks, from a spending function and the information seen."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri

from analysis.statistics.group_sequential.recursion import (
    FARTHEST,
    REACH,
    Looks,
    advance,
    choose,
    looks,
    node_counts,
    solve_upper,
    start,
)
from analysis.statistics.spending import Spending
from analysis.statistics.status import Floats

Integers = NDArray[np.int64]

# Schedules whose kernels are held in memory at once: this many doubles, 32 MB.
_KERNEL = 4_000_000


@dataclass(frozen=True)
class Boundaries:
    """Critical values of distinct schedules, shared by any number of comparisons.

    `upper` (schedules, looks) in Z; ∞ where a look may not stop (no new information, nothing left to spend).
    `spent` is the error spent so far, of both sides together.
    """

    looks: Looks
    upper: Floats
    spent: Floats
    alpha: Floats
    sides: int
    spending: Spending
    ends: NDArray[np.bool_]

    @property
    def information(self) -> Floats:
        """Information fraction after each look."""
        return self.looks.information

    @property
    def lower(self) -> Floats:
        """Lower critical values: -upper with two sides, -∞ with one."""
        return -self.upper if self.sides == 2 else np.full_like(self.upper, -np.inf)


def boundaries(
    information: ArrayLike, alpha: ArrayLike, spending: Spending, *, sides: int = 2, ends: ArrayLike = False
) -> Boundaries:
    """Boundaries of every schedule (row) of information fractions, NaN after its last look.

    `information` (schedules, looks) is matured over planned units at each look; looks may be unequal. `alpha`
    (schedules,) is the test's whole level. Where `ends`, the schedule's last look is its final one and spends all
    that is left; so does the first look at or beyond 1, and later looks cannot stop. A bound depends only on
    the looks up to it. Reference: Lan & DeMets 1983, Biometrika 70; Jennison & Turnbull 2000, ch. 7 and 19.
    """
    if sides not in (1, 2):
        raise ValueError("a test has 1 or 2 sides")
    fractions = np.atleast_2d(np.asarray(information, dtype=float))
    level = np.broadcast_to(np.asarray(alpha, dtype=float), fractions.shape[:1])
    return at_levels(looks(fractions), level, spending, sides, np.broadcast_to(np.asarray(ends), level.shape))


def at_levels(schedule: Looks, level: Floats, spending: Spending, sides: int, ends: NDArray[np.bool_]) -> Boundaries:
    """Boundaries as `boundaries` gives them, from looks already prepared."""
    spent = _spent(schedule, level / sides, spending, ends)
    rates = np.diff(spent, axis=1, prepend=0.0)
    # A bound is at most that of a first look with the same rate.
    low, high = reach(-ndtri(rates), sides)
    # Those that need as many nodes together: one with two looks close to each other doesn't slow down the others.
    n_nodes = node_counts(schedule, high - low)
    upper = np.empty_like(rates)
    for count in np.unique(n_nodes):
        alike, chunk = np.flatnonzero(n_nodes == count), max(1, _KERNEL // int(count) ** 2)
        for first in range(0, alike.size, chunk):
            part = alike[first : first + chunk]
            upper[part] = _solve(schedule.rows(part), rates[part], sides, int(count))
    return Boundaries(schedule, upper, sides * spent, level, sides, spending, ends)


def shared_schedules(information: Floats, alpha: Floats, ends: NDArray[Any]) -> tuple[Floats, Floats, Any, Integers]:
    """The distinct rows of information (comparisons, looks), alpha and ends, and each comparison's row number.

    Boundaries are computed once per distinct schedule: call `boundaries` with the first three.
    """
    rows = np.column_stack([information, alpha, ends.astype(float)])
    # NaN is unlike itself; -1 is no information fraction.
    distinct, number = np.unique(np.where(np.isnan(rows), -1.0, rows), axis=0, return_inverse=True)
    fractions = np.where(distinct[:, :-2] == -1.0, np.nan, distinct[:, :-2])
    return fractions, distinct[:, -2], distinct[:, -1] == 1.0, number.ravel()


def critical_value(bounds: Boundaries, schedule: Integers, look: Integers) -> Floats:
    """The critical value in Z of each comparison, by its schedule's number and its look, both from 0."""
    return bounds.upper[schedule, look]


def _spent(schedule: Looks, level: Floats, spending: Spending, ends: NDArray[Any]) -> Floats:
    """One side's error spent after each look; a look without information leaves it where it was."""
    wanted = np.asarray(spending(level[:, None], schedule.information))
    position = np.arange(schedule.active.shape[1])
    last = np.max(np.where(schedule.active, position, -1), axis=1)
    final = ends[:, None] & (position == last[:, None])
    wanted = np.where(final | (schedule.information >= 1), level[:, None], wanted)
    return np.maximum.accumulate(np.where(schedule.active, wanted, 0.0), axis=1)


def _solve(schedule: Looks, rates: Floats, sides: int, n_nodes: int) -> Floats:
    no_drift = np.zeros(rates.shape[0])
    upper = np.full(rates.shape, np.inf)
    running = start(rates.shape[0], n_nodes)
    for look in range(rates.shape[1]):
        step, root = schedule.at(look)
        bound = solve_upper(running, step, no_drift, rates[:, look]) / root
        upper[:, look] = bound
        low, high = reach(bound, sides)
        running = choose(schedule.active[:, look], advance(running, step, no_drift, low * root, high * root), running)
    return upper


def reach(upper: Floats, sides: int) -> tuple[Floats, Floats]:
    """Finite ends in Z of where paths without drift go on; what lies beyond has no mass in a double."""
    high = np.minimum(upper, FARTHEST)
    return (-high if sides == 2 else np.full_like(high, -REACH)), high
