"""Tests and intervals of a contrast against zero for each kind of alternative hypothesis."""

from enum import StrEnum

import numpy as np

from analysis.statistics.estimate import Contrast
from analysis.statistics.status import Floats
from analysis.statistics.student_t import Interval, interval, two_sided_p, upper_tail_p


class Alternative(StrEnum):
    """What is to be shown of a contrast: that it differs from 0, is above it, or below it."""

    TWO_SIDED = "two_sided"
    GREATER = "greater"
    LESS = "less"


def p_value(contrast: Contrast, alternative: Alternative) -> Floats:
    """P-value of "the contrast is 0 or on the other side" against the alternative, from Student's t."""
    if alternative is Alternative.TWO_SIDED:
        return two_sided_p(contrast)
    return upper_tail_p(contrast if alternative is Alternative.GREATER else _mirrored(contrast))


def confidence_interval(contrast: Contrast, alpha: Floats | float, alternative: Alternative) -> Interval:
    """Interval of level 1 - alpha that excludes 0 exactly where `p_value` is below alpha.

    One-sided: from the bound to infinity under GREATER, from minus infinity under LESS.
    """
    if alternative is Alternative.TWO_SIDED:
        return interval(contrast, alpha)
    ends = interval(contrast, 2 * np.asarray(alpha))
    unbounded = np.where(np.isnan(ends.low), np.nan, np.inf)
    if alternative is Alternative.GREATER:
        return Interval(ends.low, unbounded)
    return Interval(-unbounded, ends.high)


def _mirrored(contrast: Contrast) -> Contrast:
    return Contrast(-contrast.value, contrast.se, contrast.df, contrast.status)
