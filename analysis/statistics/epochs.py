"""Effects of an experiment whose allocation changed: compared within epochs, then combined."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.statistics.estimate import Arm, Estimate, compare
from analysis.statistics.moments import JointMoments, MeanMoments
from analysis.statistics.ratio import ROUNDING
from analysis.statistics.status import Floats

# An epoch counts with this many units in each arm: with fewer its own variance, which may weigh a lot, is too rough.
ENOUGH = 30
# Unless no epoch has as many: then with as few as a variance needs.
FEWEST = 2


@dataclass(frozen=True)
class _Weights:
    """Each epoch's share of the units of both arms, 0 where it does not count, and the units that do, by arm."""

    share: Floats
    baseline: Floats
    treatment: Floats


def counted_epochs(baseline_n: Floats, treatment_n: Floats) -> NDArray[np.bool_]:
    """Which epochs (..., epochs) are compared: those with 30 units in each arm, or with 2 where none has 30.

    Counts alone decide, the same for both arms, and no epoch is merged with another: within each the arms are alike.
    """
    fewest = np.nan_to_num(np.minimum(baseline_n, treatment_n))
    enough = fewest >= ENOUGH
    return np.asarray(np.where(enough.any(axis=-1, keepdims=True), enough, fewest >= FEWEST))


def combined(baseline: MeanMoments, treatment: MeanMoments) -> Estimate:
    """Estimate the mean over epochs of the difference of means, weighted by both arms' units.

    Moments have shape (..., epochs). With W_e = (n_Be + n_Te)/N over the epochs that count, both arms' means are
    Σ W_e·ȳ_e, so that neither depends on when its units came; their variances are Σ W_e²·s²_e/n_e, given the
    W_e: the estimand is the effect on the units that came. `third_central_moment` (...,) is that
    of the whole arm, taken to be each epoch's.
    Reference: Kohavi, Tang & Xu 2020, chapter 3 (Simpson's paradox at ramp-up); Miratrix, Sekhon & Yu 2013, section 2.
    """
    weights = _weights(baseline.n, treatment.n)
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        arms = [
            _arm(weights, one.n, n, one.mean, one.variance, one.third_central_moment)
            for one, n in ((baseline, weights.baseline), (treatment, weights.treatment))
        ]
        return compare(*arms)


def combined_ratio(baseline: JointMoments, treatment: JointMoments, third: tuple[Floats, Floats]) -> Estimate:
    """Estimate R_T - R_B with R = Σ W_e·ȳ_e / Σ W_e·x̄_e of an arm, weighted as in `combined`.

    Moments hold numerator (0) and denominator (1) per unit, within epochs along the last axis of n; `third` are the
    third central moments of the arms' numerators and denominators linearised. Variance: that of Σ W_e·z̄_e,
    z = (y - R·x)/Σ W_e·x̄_e. A denominator of 0 is NaN, ZERO_DENOMINATOR.
    Reference: Deng, Knoblich & Lu 2018, section 4.
    """
    weights = _weights(baseline.n, treatment.n)
    arms, zero = [], np.zeros(weights.baseline.shape, dtype=bool)
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        for one, n, own_third in zip((baseline, treatment), (weights.baseline, weights.treatment), third, strict=True):
            y, x = (_sum(weights.share, weights.share * one.mean[..., part]) for part in (0, 1))
            size = _sum(weights.share, weights.share * np.abs(one.mean[..., 1]))
            is_zero = (np.abs(x) <= ROUNDING * size) & (n > 0)
            x = np.where(is_zero, np.nan, x)
            ratio = (y / x)[..., None]
            of_y, of_x = one.covariance[..., 0, 0], ratio**2 * one.covariance[..., 1, 1]
            variance = of_y - 2 * ratio * one.covariance[..., 0, 1] + of_x
            variance = np.where(np.abs(variance) <= ROUNDING * (of_y + of_x), 0.0, variance) / x[..., None] ** 2
            of_linear = _arm(weights, one.n, n, np.zeros(variance.shape), variance, own_third)
            arms.append(Arm(n, ratio[..., 0], of_linear.variance, third_central_moment=of_linear.third_central_moment))
            zero |= is_zero
    return compare(*arms, zero_denominator=zero)


def _weights(baseline_n: Floats, treatment_n: Floats) -> _Weights:
    counted = counted_epochs(baseline_n, treatment_n)
    n_b, n_t = (np.where(counted, n, 0.0) for n in (baseline_n, treatment_n))
    with np.errstate(invalid="ignore", divide="ignore"):
        share = (n_b + n_t) / (n_b + n_t).sum(axis=-1, keepdims=True)
    return _Weights(np.nan_to_num(share), n_b.sum(axis=-1), n_t.sum(axis=-1))


def _arm(weights: _Weights, n_of_epoch: Floats, n: Floats, mean: Floats, variance: Floats, third: Floats) -> Arm:
    share = weights.share
    combined_mean = _sum(share, share * mean)
    # What the mean's third cumulant is, over what it were if all n units were one sample.
    concentration = _sum(share, share**3 / n_of_epoch**2) * n**2
    return Arm(
        n,
        np.where(n > 0, combined_mean, np.nan),
        np.where(n > 0, _sum(share, share**2 * variance / n_of_epoch), np.nan),
        third_central_moment=third * concentration,
    )


def _sum(share: Floats, values: Floats) -> Floats:
    """Over the epochs that count; what is undefined in others plays no part."""
    return np.sum(np.where(share > 0, values, 0.0), axis=-1)
