"""Futility boundaries: when to give up because the planned effect has become implausible."""

import numpy as np
from numpy.typing import ArrayLike

from analysis.statistics.group_sequential.boundaries import Boundaries
from analysis.statistics.group_sequential.recursion import (
    REACH,
    Looks,
    advance,
    choose,
    mirrored,
    node_count,
    solve_upper,
    start,
)
from analysis.statistics.spending import Spending
from analysis.statistics.status import Floats


def futility_bounds(bounds: Boundaries, drift: ArrayLike, beta: ArrayLike, spending: Spending) -> Floats:
    """Z below which to stop for futility at each look (schedules, looks), spending the type II error `beta`.

    Non-binding: the efficacy bounds are those without futility, so going on past a futility bound keeps the
    level. `drift` (schedules,) is the mean of Z at full information under the planned effect, which is positive.
    With two sides they concern the side of the planned effect. Never above the efficacy bound, where both
    end the test; -∞ where a look may not stop. They depend on looks so far only, but the type II error is
    `beta` only if drift is `drift_for_power`'s with these bounds.
    Reference: Pampallona, Tsiatis, Kim 2001, Drug Information Journal 35; Jennison & Turnbull 2000, ch. 7.3.
    """
    schedule = bounds.looks
    batch = schedule.information.shape[0]
    theta = np.broadcast_to(np.asarray(drift, dtype=float), (batch,))
    rate = np.broadcast_to(np.asarray(beta, dtype=float), (batch,))
    spent = np.where(schedule.active, spending(rate[:, None], schedule.information), 0.0)
    rates = np.diff(np.maximum.accumulate(spent, axis=1), axis=1, prepend=0.0)
    return _solve(schedule, theta, rates, bounds.upper)


def _solve(schedule: Looks, drift: Floats, rates: Floats, upper: Floats) -> Floats:
    centre = drift[:, None] * np.sqrt(schedule.information)
    high = np.clip(upper, centre - REACH, centre + REACH)
    running = start(drift.size, node_count(schedule, high - (centre - REACH)))
    lower = np.full(rates.shape, -np.inf)
    for look in range(rates.shape[1]):
        step, root = schedule.at(look)
        wanted = -solve_upper(mirrored(running), step, -drift, rates[:, look]) / root
        # NaN: more is to be spent than is left, so that the test ends here.
        wanted = np.where(np.isnan(wanted), upper[:, look], np.minimum(wanted, upper[:, look]))
        lower[:, look] = np.where(schedule.active[:, look], wanted, -np.inf)
        low = np.clip(lower[:, look], centre[:, look] - REACH, high[:, look])
        after = advance(running, step, drift, low * root, high[:, look] * root)
        running = choose(schedule.active[:, look], after, running)
    return lower
