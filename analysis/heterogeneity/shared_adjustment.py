"""Whether segments differ in their effects when all of them share one covariate adjustment."""

import numpy as np
from numpy.typing import NDArray

from analysis.heterogeneity.groups import Groups
from analysis.heterogeneity.homogeneity import Homogeneity, tail
from analysis.statistics.cuped import resolved, solved, sums_of_products
from analysis.statistics.estimate import satterthwaite
from analysis.statistics.moments import JointMoments
from analysis.statistics.status import Floats


@np.errstate(invalid="ignore", divide="ignore", over="ignore")
def shared_homogeneity(baseline: JointMoments, treatment: JointMoments, groups: Groups) -> Homogeneity:
    """Wald's test that all effects of a group are equal, adjusted by slopes θ that its segments have in common.

    Moments of rows (segments) hold the value and its covariates, in both arms; θ is fitted within arms and segments.
    An effect is Δy - θ'Δx, with covariance of two of them δ·Σ s²(y - θ'x)/n + Δx'·V(θ)·Δx: what they share is
    θ's error, V = S⁻¹·(Σ s²_e·S_cell)·S⁻¹, S sums of products of the covariates.
    A row with fewer than 2 units in an arm takes no part. References: Wald 1943; Johansen 1980 for the tail.
    """
    fewest = np.minimum(baseline.n, treatment.n)
    used = (fewest >= 2) & np.isfinite(baseline.covariance).all(axis=(-2, -1))
    used &= np.isfinite(treatment.covariance).all(axis=(-2, -1))
    arms = [_emptied(arm, ~used) for arm in (baseline, treatment)]
    theta, inverse = _slopes(arms, groups)
    own = groups.each(theta)
    gap = np.where(used[:, None], treatment.mean - baseline.mean, 0.0)
    effect = gap[:, 0] - np.sum(own * gap[:, 1:], axis=-1)
    residual = [_residual(arm, own) for arm in arms]
    with np.errstate(invalid="ignore", divide="ignore"):
        variances = [np.where(used, each / arm.n, 0.0) for each, arm in zip(residual, arms, strict=True)]
        noise = sum(variances)
        used &= noise > 0
        weight = np.where(used, 1 / np.where(used, noise, 1.0), 0.0)
    middle = sum(
        groups.sum((each * np.maximum(arm.n - 1, 0))[:, None, None] * arm.covariance[:, 1:, 1:])
        for each, arm in zip(residual, arms, strict=True)
    )
    of_theta = inverse @ middle @ inverse
    statistic, centre, total = _wald(effect, gap[:, 1:], weight, of_theta, groups)
    n_used = groups.sum(used)
    tested = n_used >= 2
    df = np.where(tested, n_used - 1, np.nan)
    freedom = np.maximum(satterthwaite(variances[1], arms[1].n - 1, variances[0], arms[0].n - 1), 1.0)
    share = weight / groups.each(np.where(groups.sum(weight) > 0, groups.sum(weight), 1.0))
    lack = groups.sum(np.where(used, (1 - share) ** 2 / np.where(used, freedom, 1.0), 0.0))
    statistic = np.where(tested, statistic, np.nan)
    denominator, p = tail(statistic, df, lack)
    with np.errstate(invalid="ignore", divide="ignore"):
        beyond = np.where(statistic > 0, np.maximum(0.0, 1 - df / statistic), 0.0)
        error = np.where(n_used > 0, 1 / np.sqrt(total), np.nan)
    return Homogeneity(
        n_used,
        np.where(n_used > 0, centre, np.nan),
        error,
        statistic,
        df,
        denominator,
        p,
        np.where(tested, beyond, np.nan),
    )


def _emptied(arm: JointMoments, rows: NDArray[np.bool_]) -> JointMoments:
    """Without the units of some rows."""
    return JointMoments(
        np.where(rows, 0.0, arm.n),
        np.where(rows[:, None], 0.0, arm.mean),
        np.where(rows[:, None, None], 0.0, arm.covariance),
    )


def _slopes(arms: list[JointMoments], groups: Groups) -> tuple[Floats, Floats]:
    """θ (groups, k - 1) and S⁻¹ (groups, k - 1, k - 1), both 0 for covariates that are constant or collinear."""
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        products, unresolved = (
            np.sum([groups.sum(np.moveaxis(of_arm(arm), -1, 0)) for arm in arms], axis=0)
            for of_arm in (sums_of_products, _unresolved)
        )
    system = np.moveaxis(products, 0, -1)
    k = system.shape[0]
    identity = np.concatenate([np.zeros((1, k - 1)), np.eye(k - 1)])[..., None] * np.ones(system.shape[-1])
    with np.errstate(invalid="ignore", divide="ignore"):
        solution, kept = solved(np.concatenate([system, identity], axis=1), unresolved.T == 0)
    inverse = np.where(kept[:, None] & kept[None, :], solution[:, 1:], 0.0)
    return np.moveaxis(solution[:, 0], -1, 0), np.moveaxis(inverse, -1, 0)


def _unresolved(arm: JointMoments) -> Floats:
    return np.where(resolved(arm) | (arm.n < 2), 0.0, 1.0)


def _residual(arm: JointMoments, theta: Floats) -> Floats:
    """Variance of y - θ'x of each row."""
    contrast = np.concatenate([np.ones_like(theta[:, :1]), -theta], axis=1)
    return np.maximum(np.einsum("ri,rij,rj->r", contrast, arm.covariance, contrast), 0.0)


def _wald(effect: Floats, gap: Floats, weight: Floats, of_theta: Floats, groups: Groups) -> tuple[Floats, ...]:
    """(e - μ)'Σ⁻¹(e - μ), μ, and 1'Σ⁻¹1, of Σ = diag(1/weight) + gap·V(θ)·gap', by Woodbury's identity."""
    root = _root(of_theta)
    loads = np.einsum("rk,rkl->rl", gap, groups.each(root))
    inner = groups.sum(weight[:, None, None] * loads[:, :, None] * loads[:, None, :]) + np.eye(gap.shape[1])
    sides = np.stack([np.ones_like(effect), effect], axis=-1)
    projected = groups.sum(weight[:, None, None] * loads[:, :, None] * sides[:, None, :])
    plain = groups.sum(weight[:, None, None] * sides[:, :, None] * sides[:, None, :])
    form = plain - np.swapaxes(projected, -1, -2) @ np.linalg.solve(inner, projected)
    total = form[:, 0, 0]
    with np.errstate(invalid="ignore", divide="ignore"):
        centre = form[:, 0, 1] / total
        return np.maximum(form[:, 1, 1] - form[:, 0, 1] * centre, 0.0), centre, total


def _root(of_theta: Floats) -> Floats:
    """R with R·R' the matrix, also where it is singular."""
    values, vectors = np.linalg.eigh(np.nan_to_num(of_theta))
    return vectors * np.sqrt(np.maximum(values, 0.0))[:, None, :]
