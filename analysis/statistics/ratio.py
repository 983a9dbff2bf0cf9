"""Difference of two ratios of means by the delta method, plain or adjusted for covariates."""

import numpy as np
from numpy.typing import NDArray

from analysis.statistics.cuped import cuped
from analysis.statistics.estimate import Arm, Estimate, compare
from analysis.statistics.lin import lin
from analysis.statistics.moments import JointMoments
from analysis.statistics.sampling import variance_of_mean
from analysis.statistics.status import Floats

# Where numerator and denominator move in step, the linearised variance is the rounding of a subtraction.
ROUNDING = 1e-13


def delta_ratio(baseline: JointMoments, treatment: JointMoments) -> Estimate:
    """Estimate R_T - R_B with R = mean numerator / mean denominator, the randomisation unit being a row.

    Moments hold numerator (index 0) and denominator (index 1) per unit. The variance is that of the
    linearised value (y - R·x)/x̄, over n; degrees of freedom as in Welch's test on linearised values. A
    denominator mean of 0 is NaN with status ZERO_DENOMINATOR.
    Reference: Deng, Knoblich, Lu 2018, eq. 2 and section 4.
    """
    return compare(_arm(baseline), _arm(treatment), zero_denominator=_zero_denominator(baseline, treatment))


def delta_ratio_cuped(baseline: JointMoments, treatment: JointMoments) -> Estimate:
    """Estimate R_T - R_B adjusted for covariates, with one θ for both arms.

    Moments hold numerator (0), denominator (1) and covariates (2 ...) per unit, such as the numerator and
    the denominator before exposure and an indicator of units without either. θ are the slopes of the
    linearised value (y - R·x)/x̄, each arm at its own R; otherwise as `cuped`.
    Reference: Deng, Knoblich, Lu 2018, section 4; Jin & Ba 2023, Technometrics 65.
    """
    zero = _zero_denominator(baseline, treatment)
    return cuped(linearised(baseline), linearised(treatment), zero_denominator=zero)


def delta_ratio_lin(baseline: JointMoments, treatment: JointMoments) -> Estimate:
    """Estimate R_T - R_B adjusted for covariates with slopes per arm: `lin` on the linearised values.

    Moments as in `delta_ratio_cuped`. Reference: Jin & Ba 2023, Technometrics 65.
    """
    zero = _zero_denominator(baseline, treatment)
    return lin(linearised(baseline), linearised(treatment), zero_denominator=zero)


def linearised(moments: JointMoments) -> JointMoments:
    """Moments of (y - R·x)/x̄ and the covariates per unit; the first mean is R itself, NaN at x̄ = 0."""
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        denominator = np.where(moments.mean[..., 1] == 0, np.nan, moments.mean[..., 1])
        ratio = moments.mean[..., 0] / denominator
        shared = moments.covariance[..., 0, 2:] - ratio[..., None] * moments.covariance[..., 1, 2:]
        covariance = moments.covariance[..., 1:, 1:].copy()
        covariance[..., 0, 1:] = covariance[..., 1:, 0] = shared / denominator[..., None]
        covariance[..., 0, 0] = linearised_variance(moments)
    return JointMoments(moments.n, np.concatenate([ratio[..., None], moments.mean[..., 2:]], axis=-1), covariance)


def linearised_variance(moments: JointMoments) -> Floats:
    """Variance of (y - R·x)/x̄ per unit, in squared units of the ratio; NaN for a zero denominator."""
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        denominator = np.where(moments.mean[..., 1] == 0, np.nan, moments.mean[..., 1])
        ratio = moments.mean[..., 0] / denominator
        y = moments.covariance[..., 0, 0]
        x = ratio**2 * moments.covariance[..., 1, 1]
        variance = y - 2 * ratio * moments.covariance[..., 0, 1] + x
        return np.where(np.abs(variance) <= ROUNDING * (y + x), 0.0, variance) / denominator**2


def _zero_denominator(baseline: JointMoments, treatment: JointMoments) -> NDArray[np.bool_]:
    return np.asarray((baseline.mean[..., 1] == 0) | (treatment.mean[..., 1] == 0))


def _arm(moments: JointMoments) -> Arm:
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = moments.mean[..., 0] / np.where(moments.mean[..., 1] == 0, np.nan, moments.mean[..., 1])
    return Arm(moments.n, ratio, variance_of_mean(linearised_variance(moments), moments.n))
