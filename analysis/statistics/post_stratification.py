"""Variance reduction by strata that were known before exposure."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from analysis.statistics.estimate import Arm, Estimate, compare
from analysis.statistics.moments import JointMoments, MeanMoments
from analysis.statistics.ratio import ROUNDING
from analysis.statistics.sampling import variance_of_mean
from analysis.statistics.status import Floats

# A stratum needs this many units in each arm, if split as the arms are.
SMALLEST = 10
# And this many in fact, for a variance of its own.
FEWEST = 2


@dataclass(frozen=True)
class PostStratified:
    """The estimate, and how many strata of each comparison had to be merged into others."""

    estimate: Estimate
    merged: NDArray[np.int64]


def post_stratified(baseline: MeanMoments, treatment: MeanMoments) -> PostStratified:
    """Estimate the mean over strata of the difference of means, weighted by both arms' share of units.

    Moments have shape (..., strata) and are each arm's within a stratum; the third moment is not used. With
    W_s = (n_Bs + n_Ts)/N the effect is Σ W_s·(ȳ_Ts - ȳ_Bs), its variance Σ W_s²·(s²_Ts/n_Ts + s²_Bs/n_Bs)
    plus Σ W_s·(τ_s - τ)²/N, the error of estimated weights, freed of the noise of the τ_s. Small strata
    are merged first, see `merge_small`. The arms' means stay raw.
    Reference: Miratrix, Sekhon & Yu 2013, JRSS B 75, sections 2 and 5.
    """
    arms, shift, merged = _arms(baseline, treatment)
    return PostStratified(compare(*arms, shift=shift), merged)


def post_stratified_ratio(baseline: JointMoments, treatment: JointMoments) -> PostStratified:
    """Estimate R_T - R_B, R = mean numerator / mean denominator of an arm, adjusted by strata.

    Moments hold numerator (0) and denominator (1) per unit, within strata along the last axis of n. Adjusted is
    the linearised value (y - R·x)/x̄, each arm at its own R and x̄ over all strata, whose mean is 0: the effect
    is R_T - R_B + Σ W_s·(z̄_Ts - z̄_Bs), the variance that of post-stratified means of z. To first order this is
    the difference of ratios of post-stratified means; a denominator mean of 0 is NaN, ZERO_DENOMINATOR.
    References: Deng, Knoblich, Lu 2018, section 4; Miratrix, Sekhon & Yu 2013.
    """
    (linear_b, ratio_b, zero_b), (linear_t, ratio_t, zero_t) = _linearised(baseline), _linearised(treatment)
    (arm_b, arm_t), shift, merged = _arms(linear_b, linear_t)
    arms = replace(arm_b, mean=ratio_b), replace(arm_t, mean=ratio_t)
    return PostStratified(compare(*arms, shift=shift, zero_denominator=zero_b | zero_t), merged)


def small_strata(baseline_n: Floats, treatment_n: Floats) -> NDArray[np.bool_]:
    """Which strata (..., strata) are merged into one: those that expect fewer than 10 units in an arm.

    If they are still too small together, the largest joins them. Both arms' units together decide, split at the
    arms' ratio: an arm's own count would choose the strata that randomisation left unbalanced, and merging those
    biases. Only strata with fewer than 2 units in an arm are merged for their own count.
    """
    baseline_n, treatment_n = (np.where(n > 0, n, 0.0) for n in (baseline_n, treatment_n))
    with np.errstate(invalid="ignore", divide="ignore"):
        n_b, n_t = (n.sum(axis=-1, keepdims=True) for n in (baseline_n, treatment_n))
        of_smaller_arm = np.minimum(n_b, n_t) / (n_b + n_t)
    units, fewest = baseline_n + treatment_n, np.minimum(baseline_n, treatment_n)
    small = ((units * of_smaller_arm < SMALLEST) | (fewest < FEWEST)) & (units > 0)
    together = np.sum(small * units, axis=-1, keepdims=True) * of_smaller_arm
    least = np.minimum(*(np.sum(small * n, axis=-1, keepdims=True) for n in (baseline_n, treatment_n)))
    too_small = small.any(axis=-1, keepdims=True) & ((together < SMALLEST) | (least < FEWEST))
    largest = np.arange(units.shape[-1]) == np.argmax(np.where(small, -1.0, units), axis=-1)[..., None]
    return np.asarray(small | (too_small & largest & (units > 0)))


def merge_small(baseline: MeanMoments, treatment: MeanMoments) -> tuple[MeanMoments, MeanMoments, NDArray[np.int64]]:
    """Merge `small_strata` into one.

    Returns the arms' moments, with n = 0 in strata merged away, and the number of strata merged per comparison.
    """
    baseline, treatment = _with_zeros(baseline), _with_zeros(treatment)
    small = small_strata(baseline.n, treatment.n)
    into = small & (np.cumsum(small, axis=-1) == 1)
    count = small.sum(axis=-1)
    return _merged(baseline, small, into), _merged(treatment, small, into), np.where(count > 1, count, 0)


def _arms(baseline: MeanMoments, treatment: MeanMoments) -> tuple[tuple[Arm, Arm], Floats, NDArray[np.int64]]:
    """Both arms with their adjustment by strata, by how much that shifts the effect, and the strata merged."""
    baseline, treatment, merged = merge_small(baseline, treatment)
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        n_b, n_t = baseline.n.sum(axis=-1), treatment.n.sum(axis=-1)
        total = n_b + n_t
        weight = (baseline.n + treatment.n) / total[..., None]
        effects = _where_units(baseline.n, treatment.mean - baseline.mean)
        effect = np.sum(weight * effects, axis=-1)
        spread = np.maximum(_spread_of_effects(baseline, treatment, weight, effects - effect[..., None]), 0) / total
        # The estimator is that of y - γ_s with one γ_s for both arms, as in a regression with slopes per arm.
        share = (n_t / total)[..., None]
        common = share * baseline.mean + (1 - share) * treatment.mean
        arm_b = _arm(baseline, weight, common, spread * n_b / total)
        arm_t = _arm(treatment, weight, common, spread * n_t / total)
        return (arm_b, arm_t), arm_t.mean - arm_b.mean - effect, merged


def _linearised(arm: JointMoments) -> tuple[MeanMoments, Floats, NDArray[np.bool_]]:
    """Moments of (y - R·x)/x̄ within strata, R, and where it is undefined since the arm's denominators add up to 0."""
    n = np.where(arm.n > 0, arm.n, 0.0)
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        sums = np.where(n[..., None] > 0, n[..., None] * arm.mean, 0.0)
        total, absolute = sums.sum(axis=-2), np.abs(sums[..., 1]).sum(axis=-1)
        is_zero = (np.abs(total[..., 1]) <= ROUNDING * absolute) & (n.sum(axis=-1) > 0)
        denominator = np.where(is_zero, np.nan, total[..., 1])
        ratio = total[..., 0] / denominator
        unit, own = (denominator / n.sum(axis=-1))[..., None], ratio[..., None]
        y, x = arm.covariance[..., 0, 0], own**2 * arm.covariance[..., 1, 1]
        variance = y - 2 * own * arm.covariance[..., 0, 1] + x
        variance = np.where(np.abs(variance) <= ROUNDING * (y + x), 0.0, variance) / unit**2
        mean = (arm.mean[..., 0] - own * arm.mean[..., 1]) / unit
    return MeanMoments(n, mean, variance, np.full(n.shape, np.nan)), ratio, np.asarray(is_zero)


def _merged(arm: MeanMoments, group: NDArray[np.bool_], into: NDArray[np.bool_]) -> MeanMoments:
    """The strata of `group` as one, in the place of `into`."""
    whole = _whole(MeanMoments(np.where(group, arm.n, 0), arm.mean, arm.variance, arm.third_central_moment))

    def replaced(of_group: Floats, own: Floats) -> Floats:
        return np.where(into, of_group[..., None], np.where(group, 0.0, own))

    mean, variance = replaced(whole.mean, arm.mean), replaced(whole.variance, arm.variance)
    return MeanMoments(replaced(whole.n, arm.n), mean, variance, np.full(mean.shape, np.nan))


def _whole(arm: MeanMoments) -> MeanMoments:
    """Moments of all strata together, 0 without units; the variance is 0 below 2 units."""
    n = arm.n.sum(axis=-1)
    with np.errstate(invalid="ignore", over="ignore"):
        mean = np.sum(arm.n * arm.mean, axis=-1) / np.maximum(n, 1)
        squares = np.maximum(arm.n - 1, 0) * arm.variance + arm.n * (arm.mean - mean[..., None]) ** 2
        variance = squares.sum(axis=-1) / np.maximum(n - 1, 1)
    return MeanMoments(n, mean, variance, np.full(n.shape, np.nan))


def _with_zeros(arm: MeanMoments) -> MeanMoments:
    """Replace what is undefined in empty strata, and the variance of one unit, by 0."""
    n = np.where(arm.n > 0, arm.n, 0.0)
    return MeanMoments(n, _where_units(n, arm.mean), np.where(n > 1, arm.variance, 0.0), arm.third_central_moment)


def _where_units(n: Floats, values: Floats) -> Floats:
    return np.where(n > 0, values, 0.0)


def _spread_of_effects(baseline: MeanMoments, treatment: MeanMoments, weight: Floats, apart: Floats) -> Floats:
    """Unbiased Σ W_s·(τ_s - τ)²: the observed sum less what the noise of each τ_s adds to it."""
    noise = _where_units(baseline.n, baseline.variance / baseline.n)
    noise = noise + _where_units(treatment.n, treatment.variance / treatment.n)
    return np.sum(weight * apart**2 - weight * (1 - weight) * noise, axis=-1)


def _arm(moments: MeanMoments, weight: Floats, common: Floats, spread: Floats) -> Arm:
    """The raw mean, and `common` by stratum as its adjustment; `spread` is the arm's part of the weights' error."""
    whole = _whole(moments)
    variance = variance_of_mean(whole.variance, whole.n)
    within = np.sum(_where_units(moments.n, weight**2 * moments.variance / moments.n), axis=-1)
    products = moments.n * (moments.mean - whole.mean[..., None]) * common
    covariance = variance_of_mean(products.sum(axis=-1) / (whole.n - 1), whole.n)
    return Arm(
        whole.n,
        np.where(whole.n > 0, whole.mean, np.nan),
        variance,
        within + spread - variance + 2 * covariance,
        covariance,
    )
