"""Equivalence by two one-sided tests: an effect proven to lie within margins on both sides."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.statistics.estimate import Contrast, Estimate
from analysis.statistics.fieller import fieller
from analysis.statistics.non_inferiority import absolute_margin, relative_margin
from analysis.statistics.status import Floats
from analysis.statistics.student_t import Interval, interval, upper_tail_p

_UP, _DOWN = np.asarray(1.0), np.asarray(-1.0)


@dataclass(frozen=True)
class Bounds:
    """The two contrasts of an equivalence test; each is positive under equivalence.

    `above` says that the effect is above -`lower`, `below` that it is below +`upper`.
    """

    above: Contrast
    below: Contrast


def absolute_bounds(estimate: Estimate, lower: Floats | float, upper: Floats | float) -> Bounds:
    """Effect within (-lower, upper), margins positive, in the metric's unit."""
    lower, upper = np.asarray(lower, dtype=float), np.asarray(upper, dtype=float)
    return Bounds(absolute_margin(estimate, _UP, lower), absolute_margin(estimate, _DOWN, upper))


def relative_bounds(estimate: Estimate, lower: Floats | float, upper: Floats | float) -> Bounds:
    """Effect within (-lower, upper) as shares of the true |baseline mean|, whose noise counts; margins positive.

    Reference: Kieser & Hauschke 1999, Journal of Biopharmaceutical Statistics 9; Hauschke, Kieser, Diletti, Burke
    1999, Statistics in Medicine 18.
    """
    lower, upper = np.asarray(lower, dtype=float), np.asarray(upper, dtype=float)
    return Bounds(relative_margin(estimate, _UP, lower), relative_margin(estimate, _DOWN, upper))


def equivalence_p(bounds: Bounds, upper_tail: Callable[[Contrast], Floats] = upper_tail_p) -> Floats:
    """P-value of "not equivalent": the larger of the two one-sided p-values; NaN if either is.

    At or below alpha exactly where the interval of level 1 - 2·alpha (`absolute_interval`,
    `relative_interval`) lies within the margins. `upper_tail` is the inference's one-sided p-value.
    Reference: Schuirmann 1987, Journal of Pharmacokinetics and Biopharmaceutics 15.
    """
    return np.maximum(upper_tail(bounds.above), upper_tail(bounds.below))


def absolute_interval(estimate: Estimate, alpha: Floats | float) -> Interval:
    """The effect's interval of level 1 - 2·alpha, alpha in (0, .5)."""
    return interval(estimate.difference, 2 * np.asarray(alpha))


def relative_interval(estimate: Estimate, alpha: Floats | float) -> Interval:
    """The relative effect's interval of level 1 - 2·alpha by Fieller; NaN where that has no ends.

    Where it has none, the baseline may be 0, and the test may still be passed by a margin of 100 % or more.
    """
    ends = fieller(estimate, 2 * np.asarray(alpha))
    return Interval(ends.low, ends.high)


def is_within(ends: Interval, lower: Floats | float, upper: Floats | float) -> NDArray[np.bool_]:
    """Whether an interval lies within [-lower, upper]; False where it is NaN."""
    return np.asarray((ends.low >= -np.asarray(lower)) & (ends.high <= upper))
