"""Wild cluster bootstrap: tests and intervals of two arms with few clusters."""

import numpy as np
from numpy.typing import NDArray

from analysis.clusters.sums import ClusterSums
from analysis.statistics.status import Codes, Floats, Status
from analysis.statistics.student_t import Interval

REPLICATES = 9_999

_WEBB = np.concatenate([np.sqrt([0.5, 1.0, 1.5]), -np.sqrt([0.5, 1.0, 1.5])])
# Statistics that differ by less are the same: those of weights that leave the data as they are.
_TIE = 1e-9
# An interval's end is looked for up to this many times the distance of the first step.
_DOUBLINGS = 12
_HALVINGS = 30


def webb_weights(clusters: int, seed: int, replicates: int = REPLICATES) -> Floats:
    """Six-point weights (replicates, clusters) of mean 0 and variance 1: ±√½, ±1, ±√1½, each with chance 1/6.

    With two-point weights G clusters have 2^G replicates, too few below a dozen; six points have 6^G.
    Reference: Webb 2023, Canadian Journal of Economics 56.
    """
    return _WEBB[np.random.default_rng(seed).integers(6, size=(replicates, clusters))]


def two_sided_p(sums: ClusterSums, weights: Floats, null: Floats | float = 0.0) -> Floats:
    """P-value (...) of "the effect is `null`", imposed on the residuals that the weights (replicates, clusters) flip.

    The share of replicates, the data among them, whose |t| is at least the data's; t with the cluster-robust standard
    error. NaN where `status` is not OK. With one or two treated clusters among many it hardly ever rejects.
    Reference: Cameron, Gelbach & Miller 2008, Review of Economics and Statistics 90; MacKinnon & Webb 2018.
    """
    found = status(sums)
    flat = sums.rows()
    nulls = np.broadcast_to(np.asarray(null, dtype=float), found.shape).ravel()
    p = _p_values(flat, weights, nulls).reshape(found.shape)
    return np.where(found == Status.OK, p, np.nan)


def interval(sums: ClusterSums, weights: Floats, alpha: float) -> Interval:
    """Effects (...) that `two_sided_p` does not reject at alpha, by bisection; infinite where no effect is rejected.

    With few clusters none may be: with G of them two replicates in 6^G leave the data as they are, and p is above.
    """
    found = status(sums)
    flat = sums.rows()
    with np.errstate(invalid="ignore", divide="ignore"):
        effect, se = _effect(flat)
    ok = (found == Status.OK).ravel()
    ends = [np.where(ok, _end(flat, weights, alpha, effect, step, ok), np.nan) for step in (-2 * se, 2 * se)]
    return Interval(ends[0].reshape(found.shape), ends[1].reshape(found.shape))


def status(sums: ClusterSums) -> Codes:
    """What rules out a test (...): that of the sums, or clusters that are all alike."""
    found = sums.status()
    with np.errstate(invalid="ignore", divide="ignore"):
        _, se = _effect(sums)
    return np.where((found == Status.OK) & ~(se > 0), np.int8(Status.ZERO_VARIANCE), found)


def _p_values(sums: ClusterSums, weights: Floats, null: Floats) -> Floats:
    """Of each row (rows): all replicates of all rows are products of weights and residuals."""
    with np.errstate(invalid="ignore", divide="ignore"):
        shift = null[:, None] * sums.is_treated * sums.size
        rest = sums.total - shift
        residual = rest - rest.sum(axis=1, keepdims=True) / sums.size.sum(axis=1, keepdims=True) * sums.size
        effect, se = _effect(sums)
        statistic = np.abs(effect - null) / se
        moved, squares = 0.0, 0.0
        for treated, sign in ((True, 1.0), (False, -1.0)):
            member = sums.is_treated == treated
            size, own = np.where(member, sums.size, 0.0), np.where(member, residual, 0.0)
            whole = size.sum(axis=1)
            rate = (weights @ own.T) / whole
            left = weights**2 @ (own**2).T - 2 * rate * (weights @ (own * size).T) + rate**2 * (size**2).sum(axis=1)
            moved = moved + sign * rate
            squares = squares + np.maximum(left, 0) / whole**2
        drawn = np.abs(moved) / np.sqrt(squares)
        at_least = np.count_nonzero(~(drawn < statistic * (1 - _TIE)), axis=0)
    return (1.0 + at_least) / (1.0 + weights.shape[0])


def _effect(sums: ClusterSums) -> tuple[Floats, Floats]:
    """Difference of rates and its cluster-robust standard error without a small-sample factor: it cancels in p."""
    effect, variance = 0.0, 0.0
    for treated, sign in ((True, 1.0), (False, -1.0)):
        size, total = sums.arm(treated)
        whole = size.sum(axis=-1)
        rate = total.sum(axis=-1) / whole
        residual = total - rate[..., None] * size
        # Rounding of alike clusters is no variance.
        residual = np.where(np.abs(residual) <= 1e-12 * (np.abs(total) + np.abs(rate[..., None]) * size), 0.0, residual)
        effect = effect + sign * rate
        variance = variance + np.sum(residual**2, axis=-1) / whole**2
    return np.asarray(effect), np.sqrt(np.asarray(variance))


def _end(
    sums: ClusterSums, weights: Floats, alpha: float, effect: Floats, step: Floats, ok: NDArray[np.bool_]
) -> Floats:
    """The last effect not rejected in the direction of `step`: double until one is, then halve."""
    inside, outside = effect.copy(), effect + step
    open_ended = ok.copy()
    for _ in range(_DOUBLINGS):
        open_ended &= ~(_p_values(sums, weights, outside) <= alpha)
        if not open_ended.any():
            break
        inside = np.where(open_ended, outside, inside)
        outside = np.where(open_ended, effect + 2 * (outside - effect), outside)
    for _ in range(_HALVINGS):
        middle = (inside + outside) / 2
        rejected = _p_values(sums, weights, middle) <= alpha
        inside, outside = np.where(rejected, inside, middle), np.where(rejected, middle, outside)
    return np.where(open_ended, np.copysign(np.inf, step), inside)
