"""The effect as a share of the baseline mean, with the baseline's own noise in the interval."""

import numpy as np
from numpy.typing import NDArray

from analysis.statistics.estimate import Contrast, Estimate
from analysis.statistics.status import Floats, Status

# The delta method needs a baseline mean well away from 0, in its standard errors.
WEAK_BASELINE = 5.0


def relative_effect(estimate: Estimate) -> Contrast:
    """The effect over |baseline mean|, by the delta method; a negative baseline keeps the sign.

    With r the relative effect, b the raw baseline mean and s its sign, the gradient makes it the contrast
    (effect - s·r·b)/|b|, whose variance holds the covariance of effect and baseline: unadjusted,
    (V_T + (1 + s·r)²·V_B)/b². NaN with status ZERO_BASELINE at b = 0; see `is_weak` for b near 0.
    Reference: Deng, Knoblich, Lu 2018, section 3.1.
    """
    baseline = estimate.baseline.mean
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        scale = np.where(baseline == 0, np.nan, 1 / np.abs(baseline))
        value = estimate.effect * scale
        spread = estimate.plus_baseline(-np.sign(baseline) * value, scale)
    zero = (baseline == 0) & (spread.status == Status.OK)
    status = np.where(zero, np.int8(Status.ZERO_BASELINE), spread.status)
    return Contrast(np.where(spread.status == Status.OK, value, np.nan), spread.se, spread.df, status)


def is_weak(estimate: Estimate) -> NDArray[np.bool_]:
    """Whether the baseline mean lies within 5 of its standard errors from 0: relative intervals are poor."""
    weak = np.abs(estimate.baseline.mean) < WEAK_BASELINE * np.sqrt(estimate.baseline.variance)
    return np.asarray(weak & (estimate.status == Status.OK))


def relative_point(estimate: Estimate) -> Floats:
    """The effect over |baseline mean| also where the effect has no variance; NaN at a baseline of 0."""
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        return np.where(estimate.baseline.mean == 0, np.nan, estimate.effect / np.abs(estimate.baseline.mean))
