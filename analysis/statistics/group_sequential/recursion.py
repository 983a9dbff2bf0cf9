"""The distribution of a Brownian motion looked at a few times, and stopped when it leaves an interval.

The score S(t) has drift θ and variance t, t being information as a fraction of the plan; a look's statistic
is Z = S/√t. Everything is a batch of schedules along the first axis. The sub-density of the paths still
running is carried on Gauss-Legendre nodes. Reference: Armitage, McPherson, Rowe 1969, JRSS A 132, eq. 2.2.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from analysis.statistics.status import Floats

NODES = 160
# Beyond 10 standard deviations a normal leaves 1e-23. No double is smaller than Φ(-38.5).
REACH, FARTHEST = 10.0, 38.5
# So many nodes per standard deviation of an increment, in units of the interval's width, keep 10 digits.
_NODES_PER_STEP, _MOST_NODES = 1.9, 1024
# A look that adds less than this share of the information so far counts as adding this share.
_SMALLEST_GROWTH = 1e-3
_NEWTON_STEPS = 80


@dataclass(frozen=True)
class Running:
    """Paths still running: `mass` (batch, nodes) sits at the scores `nodes` (batch, nodes)."""

    nodes: Floats
    mass: Floats


@dataclass(frozen=True)
class Looks:
    """Looks as steps of a Brownian motion, all (batch, looks).

    `information` never falls and `step` is its growth; `active` marks looks that add information: NaN,
    nothing new or no information at all make a look that cannot stop.
    """

    information: Floats
    step: Floats
    active: NDArray[np.bool_]

    def at(self, look: int) -> tuple[Floats, Floats]:
        """Step and √information of a look (batch,); 1 where it is not active, so that nothing divides by 0."""
        active = self.active[:, look]
        return np.where(active, self.step[:, look], 1.0), np.sqrt(np.where(active, self.information[:, look], 1.0))

    def rows(self, chosen: slice | NDArray[np.int64]) -> "Looks":
        """Some of the schedules."""
        return Looks(self.information[chosen], self.step[chosen], self.active[chosen])


def looks(information: Floats) -> Looks:
    """Looks from information fractions (batch, looks); NaN where a schedule has no such look."""
    so_far = np.zeros(information.shape[0])
    times, steps = np.empty_like(information), np.empty_like(information)
    active = np.zeros(information.shape, dtype=bool)
    for look in range(information.shape[1]):
        now = information[:, look]
        active[:, look] = now > so_far
        reached = np.where(active[:, look], np.maximum(now, so_far * (1 + _SMALLEST_GROWTH)), so_far)
        times[:, look], steps[:, look] = reached, reached - so_far
        so_far = reached
    return Looks(times, steps, active)


def node_count(schedule: Looks, width: Floats) -> int:
    """Nodes that resolve every step of every schedule, given bounds on the intervals' widths in Z (batch, looks)."""
    return int(np.max(node_counts(schedule, width), initial=NODES))


def node_counts(schedule: Looks, width: Floats) -> NDArray[np.int64]:
    """Nodes that resolve every step of each schedule (batch,)."""
    with np.errstate(invalid="ignore", divide="ignore"):
        before = np.sqrt(schedule.information[:, :-1] / schedule.step[:, 1:]) * width[:, :-1]
    is_step = schedule.active[:, 1:] & np.isfinite(before)
    needed = np.max(before, axis=1, initial=0.0, where=is_step)
    return np.clip(32 * np.ceil(_NODES_PER_STEP * needed / 32), NODES, _MOST_NODES).astype(np.int64)


def start(batch: int, n_nodes: int) -> Running:
    """All paths at score 0."""
    mass = np.zeros((batch, n_nodes))
    mass[:, 0] = 1.0
    return Running(np.zeros((batch, n_nodes)), mass)


def advance(running: Running, step: Floats, drift: Floats, low: Floats, high: Floats) -> Running:
    """Paths still running after a step, those that landed in (low, high); all but `running` (batch,), scores."""
    abscissae, weights = _legendre(running.nodes.shape[1])
    half = np.maximum(high - low, 0.0) / 2
    nodes = (low + half)[:, None] + half[:, None] * abscissae
    scale = 1 / np.sqrt(step)
    origin, scaled = running.nodes * scale[:, None], (nodes - (drift * step)[:, None]) * scale[:, None]
    kernel = scaled[:, :, None] - origin[:, None, :]
    kernel *= kernel
    kernel *= -0.5
    np.exp(kernel, out=kernel)
    density = (kernel @ running.mass[:, :, None])[:, :, 0] * (scale / np.sqrt(2 * np.pi))[:, None]
    return Running(nodes, density * weights * half[:, None])


def upper_tail(running: Running, step: Floats, drift: Floats, bound: Floats) -> Floats:
    """Chance that a running path lands above the score `bound`; the last three (batch,)."""
    return np.sum(running.mass * ndtr(-_standardised(running, step, drift, bound)), axis=1)


def lower_tail(running: Running, step: Floats, drift: Floats, bound: Floats) -> Floats:
    """Chance that a running path lands below the score `bound`."""
    return np.sum(running.mass * ndtr(_standardised(running, step, drift, bound)), axis=1)


def solve_upper(running: Running, step: Floats, drift: Floats, rate: Floats) -> Floats:
    """The score that running paths exceed with chance `rate` (batch,); ∞ where the rate is 0, NaN if too large.

    Newton's method on the logarithm, which is concave in the bound: from any bound above, it only descends.
    """
    total = running.mass.sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        highest = np.max(np.where(running.mass > 0, running.nodes, -np.inf), axis=1)
        # Were all mass at the highest node, the bound would be here; and it cannot be higher.
        bound = highest + drift * step - ndtri(np.minimum(rate / total, 1.0)) * np.sqrt(step)
        bound = np.where(np.isfinite(bound), bound, highest + drift * step)
        scale = np.sqrt(step)
        settled = np.zeros(np.shape(bound), dtype=bool)
        for _ in range(_NEWTON_STEPS):
            distance = _standardised(running, step, drift, bound)
            tail = np.sum(running.mass * ndtr(-distance), axis=1)
            density = np.sum(running.mass * np.exp(-0.5 * distance**2), axis=1) / (np.sqrt(2 * np.pi) * scale)
            move = np.log(tail / rate) * tail / density
            bound = bound + np.where(np.isfinite(move) & ~settled, move, 0.0)  # each as if it were alone
            settled |= ~(np.abs(move) > 1e-13 * scale)
            if settled.all():
                break
        return np.where(rate > 0, np.where(rate < total, bound, np.nan), np.inf)


def mirrored(running: Running) -> Running:
    """The same paths with the sign of the score changed."""
    return Running(-running.nodes, running.mass)


def paths(schedule: Looks, drift: Floats, low: Floats, high: Floats) -> Iterator[Running]:
    """Paths still running just before each look, in turn, if they stop outside (low, high): both finite, in Z."""
    running = start(drift.size, node_count(schedule, high - low))
    for look in range(low.shape[1]):
        yield running
        step, root = schedule.at(look)
        after = advance(running, step, drift, low[:, look] * root, high[:, look] * root)
        running = choose(schedule.active[:, look], after, running)


def choose(active: NDArray[np.bool_], after: Running, before: Running) -> Running:
    """`after` in the schedules that are active (batch,), `before` in the others."""
    keep = active[:, None]
    return Running(np.where(keep, after.nodes, before.nodes), np.where(keep, after.mass, before.mass))


def _standardised(running: Running, step: Floats, drift: Floats, bound: Floats) -> Floats:
    return ((bound - drift * step)[:, None] - running.nodes) / np.sqrt(step)[:, None]


@lru_cache(maxsize=64)
def _legendre(n: int) -> tuple[Floats, Floats]:
    return np.polynomial.legendre.leggauss(n)
