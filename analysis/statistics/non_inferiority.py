"""Tests that an effect is not worse than a margin."""

import numpy as np

from analysis.statistics.estimate import Contrast, Estimate, contrast
from analysis.statistics.status import Floats, Status

# All contrasts here are positive under the alternative. `sign` is +1 where an increase is better, else -1.


def relative_margin(estimate: Estimate, sign: Floats, margin: Floats) -> Contrast:
    """L = sign·effect + margin·|b|, positive if the loss is below `margin` (a share) of the true baseline b.

    Unadjusted Var L = V_T + (1 - sign·margin·sgn b)²·V_B, so the margin's noise counts; with covariate
    adjustment the covariance of the adjusted effect and the raw baseline takes that place. At b = 0 the
    margin is undefined: NaN with status ZERO_BASELINE.
    Reference: Kieser & Hauschke 1999, Journal of Biopharmaceutical Statistics 9 (ratio of means).
    """
    zero = (estimate.baseline.mean == 0) & (estimate.status == Status.OK)
    tested = estimate.plus_baseline(sign * margin * np.sign(estimate.baseline.mean), sign)
    return contrast(tested.value, tested.se, tested.df, np.where(zero, np.int8(Status.ZERO_BASELINE), tested.status))


def absolute_margin(estimate: Estimate, sign: Floats, margin: Floats) -> Contrast:
    """L = sign·effect + margin, positive if the loss is below `margin` in the metric's unit."""
    difference = estimate.difference
    return contrast(sign * difference.value + margin, difference.se, difference.df, difference.status)


def level(estimate: Estimate, sign: Floats, bound: Floats) -> Contrast:
    """L = sign·(treatment mean - bound): one-sample, on the raw mean ("error rate at most 5 %").

    The baseline's noise does not enter, nor does covariate adjustment, which only sharpens differences.
    """
    arm = estimate.treatment
    return contrast(sign * (arm.mean - bound), np.sqrt(arm.variance), arm.n - 1, estimate.status)
