"""Variance reduction by pre-exposure covariates, with one θ for both arms (CUPED)."""

import numpy as np
from numpy.typing import NDArray

from analysis.statistics.estimate import RESOLUTION, Arm, Estimate, compare
from analysis.statistics.moments import JointMoments
from analysis.statistics.sampling import variance_of_mean
from analysis.statistics.status import Floats

# A covariate of which less than this share of variance is left, given the ones before it, is collinear.
COLLINEAR = 1e-10


def cuped(
    baseline: JointMoments, treatment: JointMoments, *, zero_denominator: NDArray[np.bool_] | bool = False
) -> Estimate:
    """Estimate the difference of means adjusted for covariates, θ pooled within the two arms.

    Moments hold the value (index 0) and its covariates (1 ...), in the order in which they enter: a
    constant or collinear one is dropped, the later of two. The effect equals the treatment coefficient of
    least squares on treatment and covariates (ANCOVA), its standard error the HC2 of y - θ'x on
    treatment, which is Welch's on adjusted values. The arms' means stay raw. θ's own error is left out:
    negligible from some hundred units on. References: Deng et al. 2013, eq. 4; MacKinnon & White 1985.
    """
    return adjusted(baseline, treatment, _pooled_theta(baseline, treatment), zero_denominator=zero_denominator)


def adjusted(
    baseline: JointMoments,
    treatment: JointMoments,
    theta: Floats,
    *,
    slope_errors: tuple[Floats | float, Floats | float] = (0.0, 0.0),
    zero_denominator: NDArray[np.bool_] | bool = False,
) -> Estimate:
    """Estimate the difference of y - θ'x at slopes `theta` (k - 1, ...) common to both arms.

    `slope_errors` are what the slopes' own error adds to the variance of the baseline's and the treatment's
    mean; `zero_denominator` marks ratios that are undefined, as in `compare`.
    """
    with np.errstate(invalid="ignore", over="ignore"):
        gap = np.moveaxis(treatment.mean - baseline.mean, -1, 0)[1:]
        shift = np.sum(theta * gap, axis=0)
    arms = (_arm(arm, theta, error) for arm, error in zip((baseline, treatment), slope_errors, strict=True))
    return compare(*arms, shift=shift, zero_denominator=zero_denominator)


def pooled_theta(baseline: JointMoments, treatment: JointMoments) -> Floats:
    """Within-arm least-squares slopes of the value on its covariates, shape (..., k - 1); dropped ones 0."""
    return np.moveaxis(_pooled_theta(baseline, treatment), 0, -1)


def kept_by_cuped(baseline: JointMoments, treatment: JointMoments) -> NDArray[np.bool_]:
    """Which covariates `cuped` uses, shape (..., k - 1): neither constant nor collinear with those before."""
    return np.moveaxis(_pooled_solution(baseline, treatment)[1], 0, -1)


def _pooled_theta(baseline: JointMoments, treatment: JointMoments) -> Floats:
    return _pooled_solution(baseline, treatment)[0][:, 0]


def _pooled_solution(baseline: JointMoments, treatment: JointMoments) -> tuple[Floats, NDArray[np.bool_]]:
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        products = sums_of_products(baseline) + sums_of_products(treatment)
        return solved(products, resolved(baseline) & resolved(treatment))


def solved(system: Floats, usable: NDArray[np.bool_]) -> tuple[Floats, NDArray[np.bool_]]:
    """Solve S_xx·θ = s for every right-hand side, dropping covariates that are constant or collinear.

    `system` (k, k + extra, ...) holds sums of products of the value (index 0) and its covariates, and further
    right-hand sides as columns after them; `usable` (k, ...) rules covariates out. Returns the solutions
    (k - 1, 1 + extra, ...), 0 for dropped covariates, and which were kept (k - 1, ...). `system` is overwritten.
    """
    k = system.shape[0]
    kept = usable.copy()
    total = [system[j, j].copy() for j in range(k)]
    for j in range(1, k):
        kept[j] &= system[j, j] > COLLINEAR * total[j]
        # Gauss-Jordan elimination of covariate j: column 0 then holds the slopes (Goodnight 1979).
        row = np.where(kept[j], system[j] / system[j, j], 0.0)
        for i in range(1, k):
            if i != j:
                system[i] -= system[i, j] * row
        system[j] = row
    right = np.concatenate([system[1:, :1], system[1:, k:]], axis=1)
    return np.where(kept[1:, None], right, 0.0), kept[1:]


def sums_of_products(moments: JointMoments) -> Floats:
    """Within-arm sums of squares and products (k, k, ...); an arm below 2 units adds none."""
    freedom = np.maximum(moments.n - 1, 0)
    return np.where(freedom > 0, freedom * _components_first(moments.covariance), 0.0)


def _components_first(covariance: Floats) -> Floats:
    """Each component's comparisons side by side in memory, where arithmetic is fast."""
    return np.ascontiguousarray(np.moveaxis(covariance, (-2, -1), (0, 1)))


def resolved(moments: JointMoments) -> NDArray[np.bool_]:
    """Whether doubles resolve each value's mean against its standard error (k, ...), as `compare` asks of effects."""
    variances = np.moveaxis(np.diagonal(moments.covariance, axis1=-2, axis2=-1), -1, 0)
    deviation = np.sqrt(variances / moments.n)
    return (deviation == 0) | (RESOLUTION * np.spacing(np.abs(np.moveaxis(moments.mean, -1, 0))) < deviation)


def _arm(moments: JointMoments, theta: Floats, slope_error: Floats | float) -> Arm:
    covariance = _components_first(moments.covariance)
    with np.errstate(invalid="ignore", over="ignore"):
        explained = sum(t * np.sum(theta * row, axis=0) for t, row in zip(theta, covariance[1:, 1:], strict=True))
        shared = np.sum(theta * covariance[1:, 0], axis=0)
    return Arm(
        moments.n,
        moments.mean[..., 0],
        variance_of_mean(covariance[0, 0], moments.n),
        variance_of_mean(np.asarray(explained), moments.n) + slope_error,
        variance_of_mean(shared, moments.n),
    )
