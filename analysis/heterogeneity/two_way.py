"""Segments of two dimensions at once: which of them moves the effect, and whether they do more than add up."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.heterogeneity.homogeneity import precision, tail, usable
from analysis.statistics.status import Floats

# An eigenvalue of the scaled normal equations below this is 0: a level that cannot be told from the others.
_SINGULAR = 1e-10


@dataclass(frozen=True)
class Term:
    """A test of some parameters of the cells' effects, NaN where the cells leave none to test."""

    statistic: Floats
    df: Floats
    df_denominator: Floats
    p_value: Floats


@dataclass(frozen=True)
class TwoWay:
    """`first` given the second dimension, `second` given the first, and what is left of an additive model."""

    first: Term
    second: Term
    interaction: Term


@dataclass(frozen=True)
class _Fit:
    """Of a weighted regression the residual sum of squares, the rank, and each cell's leverage."""

    residual: Floats
    rank: Floats
    leverage: Floats


@np.errstate(invalid="ignore", divide="ignore", over="ignore")
def two_way(effect: Floats, se: Floats, freedom: Floats) -> TwoWay:
    """Weighted analysis of variance of the effects in the cells of two dimensions, shape (..., first, second).

    Weights are 1/se²; a cell without effect or error takes no part, and an empty one costs the interaction a degree of
    freedom. `first` and `second` are differences between the levels of one dimension that the other does not
    explain, in the additive model; `interaction` is what that model leaves. Tails as in `homogeneity`.
    Reference: Johansen 1980, Biometrika 67.
    """
    used = usable(effect, se)
    scale = np.max(np.where(used, se, 0.0), axis=(-2, -1), keepdims=True)
    scale = np.where(scale > 0, scale, 1.0)
    weight, value = precision(se / scale, used), np.where(used, effect, 0.0) / scale
    additive = _additive(value, weight)
    only_first, only_second = _one_way(value, weight, -1), _one_way(value, weight, -2)
    cells = used.sum(axis=(-2, -1)).astype(float)
    saturated = _Fit(np.zeros_like(cells), cells, used.astype(float))
    return TwoWay(
        first=_difference(only_second, additive, freedom, used),
        second=_difference(only_first, additive, freedom, used),
        interaction=_difference(additive, saturated, freedom, used),
    )


def _difference(small: _Fit, large: _Fit, freedom: Floats, used: NDArray[np.bool_]) -> Term:
    """The test of what the larger model explains beyond the smaller one, which lies within it."""
    df = large.rank - small.rank
    statistic = np.where(df > 0, np.maximum(small.residual - large.residual, 0.0), np.nan)
    # Of each residual sum of squares A = Σ (1 - h)²/ν adds 2A to its mean; what is tested is their difference.
    part = np.maximum((1 - small.leverage) ** 2 - (1 - large.leverage) ** 2, 0.0)
    noise = np.sum(np.where(used, part / np.where(used, freedom, 1.0), 0.0), axis=(-2, -1))
    denominator, p = tail(statistic, df, noise)
    return Term(statistic, np.where(df > 0, df, np.nan), denominator, p)


def _one_way(value: Floats, weight: Floats, axis: int) -> _Fit:
    """A mean for each level of one dimension: those along the axis that is not summed over."""
    total = weight.sum(axis=axis, keepdims=True)
    share = _over(weight, total)
    centre = np.sum(share * value, axis=axis, keepdims=True)
    residual = np.sum(weight * (value - centre) ** 2, axis=(-2, -1))
    return _Fit(residual, np.sum(total > 0, axis=(-2, -1)).astype(float), share)


def _additive(value: Floats, weight: Floats) -> _Fit:
    """A level of each dimension, added; the first dimension is eliminated."""
    of_first = weight.sum(axis=-1, keepdims=True)
    share = _over(weight, of_first)
    centre = np.sum(share * value, axis=-1, keepdims=True)
    system = _eliminated(weight, share)
    inverse = _inverse(system)
    right = np.sum(weight * (value - centre), axis=-2)
    second = np.einsum("...bc,...c->...b", inverse, right)
    fitted = centre - np.sum(share * second[..., None, :], axis=-1, keepdims=True) + second[..., None, :]
    mixed = share @ inverse
    own = np.diagonal(inverse, axis1=-2, axis2=-1)[..., None, :]
    quadratic = own - 2 * mixed + np.sum(mixed * share, axis=-1, keepdims=True)
    present = (weight > 0).astype(float)
    links = _eliminated(present, _over(present, present.sum(axis=-1, keepdims=True)))
    rank = np.sum(of_first > 0, axis=(-2, -1)) + np.linalg.matrix_rank(links, tol=_SINGULAR, hermitian=True)
    residual = np.sum(weight * (value - fitted) ** 2, axis=(-2, -1))
    return _Fit(residual, rank.astype(float), share + weight * quadratic)


def _eliminated(weight: Floats, share: Floats) -> Floats:
    """Normal equations of the second dimension's levels, (..., second, second), without the first's."""
    diagonal = weight.sum(axis=-2)[..., None] * np.eye(weight.shape[-1])
    return diagonal - np.swapaxes(share, -1, -2) @ weight


def _inverse(system: Floats) -> Floats:
    """Its pseudo-inverse, of equations scaled to a diagonal of 1."""
    diagonal = np.diagonal(system, axis1=-2, axis2=-1)
    scale = _over(np.ones_like(diagonal), np.sqrt(np.maximum(diagonal, 0.0)))
    both = scale[..., :, None] * scale[..., None, :]
    return np.linalg.pinv(system * both, rcond=_SINGULAR, hermitian=True) * both


def _over(part: Floats, whole: Floats) -> Floats:
    """A share, 0 of nothing."""
    return np.where(whole > 0, part / np.where(whole > 0, whole, 1.0), 0.0)
