"""P-value, interval and estimate after a group sequential test has stopped, by the stage-wise ordering.

Results are ordered by where they stopped: above the upper boundary early, then late, the last look by Z, below the
lower boundary late, then early. What was seen, and how likely more of it is, then do not depend on looks that
would have come later. Densities with a drift follow from those without by their likelihood ratio.
Reference: Tsiatis, Rosner, Mehta 1984, Biometrics 40; Jennison & Turnbull 2000, ch. 8.
"""

from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
from scipy.special import ndtr, ndtri

from analysis.statistics.estimate import Contrast
from analysis.statistics.group_sequential.boundaries import Boundaries, Integers, reach
from analysis.statistics.group_sequential.recursion import Looks, paths
from analysis.statistics.status import Floats
from analysis.statistics.student_t import Interval

# Comparisons worked on at once: some 10 MB of nodes for each look.
_CHUNK = 4096
_STEPS = 40


@dataclass(frozen=True)
class Stagewise:
    """After stopping: p-value of the test's sides, interval of level 1 - alpha, median-unbiased estimate.

    Interval and estimate are in the contrast's unit; with one side the interval has no upper end (∞).
    """

    p_value: Floats
    interval: Interval
    median_unbiased: Floats


def stagewise_p(contrast: Contrast, bounds: Boundaries, schedule: Integers, look: Integers) -> Floats:
    """P-value of a comparison that stopped at `look` (from 0) of row `schedule` of `bounds`.

    Stopped: it crossed its boundary there, or the look is the last. It is at most alpha exactly if it crossed.
    """
    z = _statistic(contrast)
    # Two sides are symmetric: the lesser tail is that of |z|.
    now = np.full(z.shape, np.nan)
    for part, inner in _parts(np.abs(z) if bounds.sides == 2 else z, schedule, look):
        now[part] = _Paths(bounds, schedule[part], look[part]).above_now(inner)
    before = np.where(look > 0, bounds.spent[schedule, look - 1], 0.0)
    p = np.minimum(1.0, before + bounds.sides * now)
    return np.where(_answerable(z, bounds, schedule, look), p, np.nan)


def stagewise(contrast: Contrast, bounds: Boundaries, schedule: Integers, look: Integers) -> Stagewise:
    """P-value, interval and median-unbiased estimate of comparisons that stopped at `look` of row `schedule`.

    All arguments 1-D over comparisons. NaN where the contrast is, or the look adds no information.
    """
    z = _statistic(contrast)
    alpha = bounds.alpha[schedule] / bounds.sides
    low, middle, high = (np.full(z.shape, np.nan) for _ in range(3))
    for part, inner in _parts(z, schedule, look):
        paths_before = _Paths(bounds, schedule[part], look[part])
        low[part] = paths_before.drift_with(inner, alpha[part])
        middle[part] = paths_before.drift_with(inner, np.full(inner.shape, 0.5))
        high[part] = paths_before.drift_with(inner, 1 - alpha[part]) if bounds.sides == 2 else np.inf
    per_drift = contrast.se * np.sqrt(bounds.information[schedule, look])
    ok = _answerable(z, bounds, schedule, look)
    low, middle, high = (np.where(ok, drift * per_drift, np.nan) for drift in (low, middle, high))
    return Stagewise(stagewise_p(contrast, bounds, schedule, look), Interval(low, high), middle)


class _Paths:
    """What comparisons need of their schedules: paths without drift before each look, and the upper bounds."""

    def __init__(self, bounds: Boundaries, schedule: Integers, look: Integers) -> None:
        distinct, self._row = np.unique(schedule, return_inverse=True)
        self._look = look
        self._looks: Looks = bounds.looks.rows(distinct)
        self._upper = bounds.upper[distinct]
        low, high = reach(self._upper, bounds.sides)
        self._before = list(islice(paths(self._looks, np.zeros(distinct.size), low, high), int(look.max()) + 1))
        with np.errstate(divide="ignore"):
            self._log_mass = [np.log(running.mass) for running in self._before]

    def above_now(self, z: Floats) -> Floats:
        """Chance without drift to have passed all looks before the comparison's own, and to exceed z there."""
        chance = np.zeros(z.shape)
        for look in range(len(self._before)):
            here = np.flatnonzero((self._look == look) & self._looks.active[self._row, look])
            if here.size:
                chance[here] = self._above(look, self._row[here], z[here])
        return chance

    def at_least(self, z: Floats, drift: Floats) -> Floats:
        """Chance of a result at least as high in the ordering as Z = z at the comparison's look."""
        chance = np.zeros(z.shape)
        for look in range(len(self._before)):
            here = np.flatnonzero((self._look >= look) & self._looks.active[self._row, look])
            if here.size == 0:
                continue
            bound = np.where(self._look[here] == look, z[here], self._upper[self._row[here], look])
            chance[here] += self._above(look, self._row[here], bound, drift[here])
        return np.minimum(chance, 1.0)

    def drift_with(self, z: Floats, chance: Floats) -> Floats:
        """The drift at which a result at least as high has this chance, by secants on the normal scale."""
        target = ndtri(chance)
        root = np.sqrt(self._looks.information[self._row, self._look])
        left, right = np.full(z.shape, -np.inf), np.full(z.shape, np.inf)
        with np.errstate(all="ignore"):
            old, drift = (z + target) / root, (z + target) / root - 1e-3 / root
            old_gap = ndtri(self.at_least(z, old)) - target
            for _ in range(_STEPS):
                gap = ndtri(self.at_least(z, drift)) - target
                left, right = np.where(gap < 0, drift, left), np.where(gap >= 0, drift, right)
                slope = (gap - old_gap) / (drift - old)
                # The normal scale saturates far out, and the slope there is no guide.
                slope = np.where(np.isfinite(slope) & (slope > root / 20), slope, root)
                move = np.clip(np.where(np.isfinite(gap), gap / slope, 8 * np.sign(gap) / root), -8 / root, 8 / root)
                new = drift - move
                inside = (new > left) & (new < right)
                middle = np.where(np.isfinite(left) & np.isfinite(right), (left + right) / 2, new)
                old, old_gap = drift, gap
                drift = np.where(np.abs(gap) < 1e-12, drift, np.where(inside, new, middle))
                if not np.any(np.abs(drift - old) * root > 1e-10):
                    break
        return drift

    def _above(self, look: int, row: Any, bound: Floats, drift: Floats | None = None) -> Floats:
        """Chance to be running before the look and then above `bound` (Z); no drift if None."""
        step, root = self._looks.at(look)
        nodes, step, root = self._before[look].nodes[row], step[row], root[row]
        shift, mass = bound * root, self._before[look].mass[row]
        if drift is not None:
            time = (self._looks.information - self._looks.step)[row, look]
            mass = np.exp(self._log_mass[look][row] + drift[:, None] * nodes - (drift * drift * time / 2)[:, None])
            shift = shift - drift * step
        return np.sum(mass * ndtr((nodes - shift[:, None]) / np.sqrt(step)[:, None]), axis=1)


def _parts(z: Floats, schedule: Integers, look: Integers) -> Any:
    """Comparisons that have a statistic, sorted by schedule, in chunks, each with its z."""
    order = np.lexsort((look, schedule))
    order = order[np.isfinite(z[order])]
    for first in range(0, order.size, _CHUNK):
        part = order[first : first + _CHUNK]
        yield part, z[part]


def _answerable(z: Floats, bounds: Boundaries, schedule: Integers, look: Integers) -> Any:
    return np.isfinite(z) & bounds.looks.active[schedule, look]


def _statistic(contrast: Contrast) -> Floats:
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.atleast_1d(contrast.value / contrast.se)
