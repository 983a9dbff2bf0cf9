"""Intervals and p-values that hold at every look, whether or not the test stops there.

Reference: Jennison & Turnbull 2000, ch. 9.
"""

import numpy as np
from scipy.special import ndtr, ndtri

from analysis.statistics.estimate import Contrast
from analysis.statistics.group_sequential.boundaries import Boundaries, Integers, at_levels, critical_value
from analysis.statistics.status import Floats
from analysis.statistics.student_t import Interval

# Levels at which the boundaries are known exactly, as shares of the test's level and up to nearly 1.
_BELOW = np.array([1.0, 0.3, 0.1, 1e-2, 1e-3, 1e-5, 1e-8, 1e-12])
_ABOVE = np.array([0.98, 0.8, 0.5, 0.25, 0.1])


def repeated_interval(contrast: Contrast, bounds: Boundaries, schedule: Integers, look: Integers) -> Interval:
    """Repeated confidence interval value ± c·se at `look` (from 0) of row `schedule` of `bounds`.

    With chance 1 - alpha the truth is inside at all looks. It excludes 0 exactly where the test stops, and is
    the whole line where a look may not stop; with one side it has no upper end. Arguments 1-D.
    """
    half = contrast.se * critical_value(bounds, schedule, look)
    high = contrast.value + half if bounds.sides == 2 else np.where(np.isnan(half), np.nan, np.inf)
    return Interval(contrast.value - half, high)


def repeated_p(contrast: Contrast, bounds: Boundaries, schedule: Integers, look: Integers) -> Floats:
    """Smallest level at which the test would stop at this look: at most alpha exactly where it stops.

    Boundaries are computed at a dozen levels, alpha among them, and interpolated on the normal scale: exact at
    alpha, within 2 % of the exact p-value below .25 and 5 % above, an extrapolation below 1e-12 alpha. 1 where
    a look may not stop. It costs a dozen times what boundaries cost, for each distinct schedule.
    """
    distinct, row = np.unique(schedule, return_inverse=True)
    alpha = bounds.alpha[distinct]
    levels = _levels(alpha)
    n_levels = levels.shape[1]
    wide = at_levels(
        bounds.looks.rows(np.repeat(distinct, n_levels)),
        levels.ravel(),
        bounds.spending,
        bounds.sides,
        np.repeat(bounds.ends[distinct], n_levels),
    )
    criticals = wide.upper.reshape(distinct.size, n_levels, -1)
    scores = np.broadcast_to(-ndtri(levels / bounds.sides)[:, :, None], criticals.shape)
    if bounds.sides == 2:
        zero = np.zeros_like(criticals[:, :1])
        criticals, scores = np.concatenate([zero, criticals], axis=1), np.concatenate([zero, scores], axis=1)
    # A lower level never has a lower bound; where doubles end, the last bounds known go on as a line.
    criticals = np.maximum.accumulate(criticals, axis=1)[row, :, look]
    with np.errstate(invalid="ignore", divide="ignore"):
        z = contrast.value / contrast.se
        z = np.abs(z) if bounds.sides == 2 else z
        p = bounds.sides * ndtr(-_interpolated(z, criticals, scores[row, :, look]))
    p = np.where(np.isinf(critical_value(bounds, schedule, look)), 1.0, np.minimum(p, 1.0))
    return np.where(np.isnan(z), np.nan, p)


def _levels(alpha: Floats) -> Floats:
    """Levels (schedules, levels) from high to low; those above alpha are at least spread towards it."""
    above = alpha[:, None] ** (np.log(_ABOVE) / np.log(_ABOVE[-1] / 2))
    return np.concatenate([np.maximum(above, alpha[:, None]), alpha[:, None] * _BELOW], axis=1)


def _interpolated(z: Floats, knots: Floats, scores: Floats) -> Floats:
    """Score at z of the line through each row's knots, extended beyond the first and the last finite ones."""
    usable = np.isfinite(knots).sum(axis=1)
    right = np.clip((knots <= z[:, None]).sum(axis=1), 1, np.maximum(usable - 1, 1))
    each = np.arange(z.size)
    x0, x1, y0, y1 = knots[each, right - 1], knots[each, right], scores[each, right - 1], scores[each, right]
    share = np.where(x1 > x0, (z - x0) / (x1 - x0), 0.0)
    return y0 + share * (y1 - y0)
