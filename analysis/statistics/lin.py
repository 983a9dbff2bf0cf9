"""Regression adjustment with slopes of its own in each arm (Lin 2013)."""

import numpy as np
from numpy.typing import NDArray

from analysis.statistics.cuped import adjusted, resolved, solved, sums_of_products
from analysis.statistics.estimate import Estimate
from analysis.statistics.moments import JointMoments
from analysis.statistics.status import Floats


def lin(
    baseline: JointMoments, treatment: JointMoments, *, zero_denominator: NDArray[np.bool_] | bool = False
) -> Estimate:
    """Estimate the difference of means from a regression on covariates in each arm, at the pooled means.

    Moments as in `cuped`. The effect equals the treatment coefficient of least squares on treatment,
    centred covariates and their interactions. With slopes θ_a it is that of y - γ'x at the common slopes
    γ = (n_B·θ_T + n_T·θ_B)/N, so the variance of y - γ'x holds (θ_T - θ_B)'Σ_x(θ_T - θ_B)/N, the error of
    the pooled covariate means, by itself. Residual variances take n - k - 1 and the leverage of the pooled
    means: HC2 at the average leverage. Never less precise than no adjustment, in large samples.
    References: Lin 2013, Annals of Applied Statistics 7, section 4; Negi & Wooldridge 2021, Econometric Reviews 40.
    """
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        share = treatment.n / (baseline.n + treatment.n)
        systems, usable = _usable_systems(baseline, treatment)
        (slopes_b, error_b), (slopes_t, error_t) = (
            _regression(arm.n, system, usable) for arm, system in zip((baseline, treatment), systems, strict=True)
        )
        common = share * slopes_b + (1 - share) * slopes_t
    return adjusted(baseline, treatment, common, slope_errors=(error_b, error_t), zero_denominator=zero_denominator)


def kept_by_lin(baseline: JointMoments, treatment: JointMoments) -> NDArray[np.bool_]:
    """Which covariates `lin` uses, shape (..., k - 1): those that can be used in both arms."""
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        return np.moveaxis(_usable_systems(baseline, treatment)[1][1:], 0, -1)


def _usable_systems(baseline: JointMoments, treatment: JointMoments) -> tuple[list[Floats], NDArray[np.bool_]]:
    """Each arm's system of equations, and which values (k, ...) can be used in both."""
    gap = np.moveaxis(treatment.mean - baseline.mean, -1, 0)[1:]
    share = treatment.n / (baseline.n + treatment.n)
    systems = [_system(baseline, gap * share), _system(treatment, gap * (1 - share))]
    usable = resolved(baseline) & resolved(treatment) & _enough_units(baseline, treatment)
    for system in systems:
        usable[1:] &= solved(system.copy(), usable)[1]
    return systems, usable


def _system(moments: JointMoments, distance: Floats) -> Floats:
    """Sums of products, and as a further column the distance of the pooled covariate means from the arm's."""
    target = np.concatenate([np.zeros_like(distance[:1]), distance])
    return np.concatenate([sums_of_products(moments), target[:, None]], axis=1)


def _enough_units(baseline: JointMoments, treatment: JointMoments) -> NDArray[np.bool_]:
    """Whether both arms have residual degrees of freedom with all covariates; without, none enters."""
    return np.asarray(np.minimum(baseline.n, treatment.n) > baseline.mean.shape[-1])


def _regression(n: Floats, system: Floats, usable: NDArray[np.bool_]) -> tuple[Floats, Floats]:
    """Slopes within an arm, and the variance that estimating them adds to that of y - θ'x over n."""
    solution, kept = solved(system.copy(), usable)
    slopes, distance = solution[:, 0], system[1:, -1]
    residual = np.maximum(system[0, 0] - np.sum(slopes * system[1:, 0], axis=0), 0)
    leverage = np.sum(np.where(kept, distance * solution[:, 1], 0.0), axis=0)
    error = residual * ((1 / n + leverage) / (n - 1 - kept.sum(axis=0)) - 1 / n / (n - 1))
    return slopes, np.where(kept.any(axis=0), error, 0.0)
