"""Which of many arms is best: chances and expected losses by one-dimensional quadrature."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import special

from analysis.statistics.bayesian.beta_binomial import Beta
from analysis.statistics.bayesian.logit_grid import cdf, density, sf
from analysis.statistics.status import Floats

# Every arm's quantiles at these normal deviates are knots; between knots all densities and tails are smooth.
_KNOTS = np.array([-8.5, -6.0, -4.0, -2.5, -1.2, 0.0, 1.2, 2.5, 4.0, 6.0, 8.5])
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(12)
_BATCH = 500_000


@dataclass(frozen=True)
class BestArm:
    """Of each arm (..., k) the chance to be best of its group, and E[best - arm], the loss of choosing it."""

    chance: Floats
    expected_loss: Floats


def best_of_normals(mean: Floats, sd: Floats, sign: Floats | float = 1.0) -> BestArm:
    """Independent normal posteriors of the arms' own means, `mean` and `sd` (..., k), the baseline among them.

    Chance of arm i: ∫ f_i ∏_{j≠i} F_j; loss: ∫ F_i·(1 - ∏_{j≠i} F_j). `sign` (...) is +1 where larger is
    better, else -1. Absolute error below 1e-10 (losses: in standard deviations). A group with a NaN, or a
    standard deviation that is not positive, is NaN. Not for effects against a shared baseline, which are
    correlated: give it the arms. Reference: Scott 2010, Applied Stochastic Models in Business and Industry 26.
    """
    mean, sd = np.broadcast_arrays(np.asarray(mean, dtype=float), np.asarray(sd, dtype=float))
    location = mean * np.asarray(sign)[..., None]
    return _best(_Normals(), location, np.where(sd > 0, sd, np.nan))


def best_of_betas(arms: Beta, sign: Floats | float = 1.0) -> BestArm:
    """The same for independent beta posteriors of shares, `arms.a` and `arms.b` (..., k)."""
    a, b = np.broadcast_arrays(np.asarray(arms.a, dtype=float), np.asarray(arms.b, dtype=float))
    # The least share of arms is the greatest of complements.
    is_up = np.asarray(sign)[..., None] > 0
    return _best(_Betas(), np.where(is_up, a, b), np.where(is_up, b, a))


class _Normals:
    """Densities and tails at nodes (groups, nodes) of one arm per group."""

    def knots(self, mean: Floats, sd: Floats) -> Floats:
        return mean[..., None] + sd[..., None] * _KNOTS

    def density(self, x: Floats, mean: Floats, sd: Floats) -> Floats:
        z = (x - mean[:, None]) / sd[:, None]
        return np.asarray(np.exp(-(z**2) / 2) / (np.sqrt(2 * np.pi) * sd[:, None]))

    def below(self, x: Floats, mean: Floats, sd: Floats) -> Floats:
        return np.asarray(special.ndtr((x - mean[:, None]) / sd[:, None]))

    def above(self, x: Floats, mean: Floats, sd: Floats) -> Floats:
        return np.asarray(special.ndtr((mean[:, None] - x) / sd[:, None]))

    def stretch(self, x: Floats) -> Floats:
        return np.ones_like(x)


class _Betas:
    """The same on the logit scale; `stretch` is the share's change per logit."""

    def knots(self, a: Floats, b: Floats) -> Floats:
        low, high = special.ndtr(_KNOTS), special.ndtr(-_KNOTS)
        share = special.betaincinv(a[..., None], b[..., None], low)
        rest = special.betaincinv(b[..., None], a[..., None], high)
        return np.asarray(np.log(np.maximum(share, 1e-300)) - np.log(np.maximum(rest, 1e-300)))

    def density(self, x: Floats, a: Floats, b: Floats) -> Floats:
        return density(x, a, b)

    def below(self, x: Floats, a: Floats, b: Floats) -> Floats:
        return cdf(x, a[:, None], b[:, None])

    def above(self, x: Floats, a: Floats, b: Floats) -> Floats:
        return sf(x, a[:, None], b[:, None])

    def stretch(self, x: Floats) -> Floats:
        return np.asarray(special.expit(x) * special.expit(-x))


def _best(family: _Normals | _Betas, first: Floats, second: Floats) -> BestArm:
    """Both figures of every arm, groups in batches; the parameters have shape (..., k)."""
    shape = first.shape
    first, second = first.reshape(-1, shape[-1]), second.reshape(-1, shape[-1])
    chance, loss = np.full(first.shape, np.nan), np.full(first.shape, np.nan)
    known = np.flatnonzero(~np.isnan(first).any(axis=1) & ~np.isnan(second).any(axis=1))
    step = max(1, _BATCH // (_KNOTS.size * _NODES.size * shape[-1] ** 2))
    for start in range(0, known.size, step):
        groups = known[start : start + step]
        chance[groups], loss[groups] = _figures(family, first[groups], second[groups])
    return BestArm(chance.reshape(shape), loss.reshape(shape))


def _figures(family: _Normals | _Betas, first: Floats, second: Floats) -> tuple[Floats, Floats]:
    arms = range(first.shape[1])

    def of_arms(function: Callable[[Floats, Floats, Floats], Floats]) -> list[Floats]:
        return [function(x, first[:, arm], second[:, arm]) for arm in arms]

    x, weight = _panels(np.sort(family.knots(first, second).reshape(first.shape[0], -1), axis=1))
    below, above, height = of_arms(family.below), of_arms(family.above), of_arms(family.density)
    stretch, chances, losses = family.stretch(x), [], []
    with np.errstate(divide="ignore"):
        logs = [np.where(low < 0.5, np.log(low), np.log1p(-high)) for low, high in zip(below, above, strict=True)]
    for arm in arms:
        others = sum((logs[other] for other in arms if other != arm), np.zeros_like(x))
        chances.append(np.sum(weight * height[arm] * np.exp(others), axis=1))
        losses.append(np.sum(weight * stretch * below[arm] * -np.expm1(others), axis=1))
    return np.stack(chances, axis=1), np.stack(losses, axis=1)


def _panels(knots: Floats) -> tuple[Floats, Floats]:
    """Gauss-Legendre nodes and weights (groups, panels × nodes) between sorted knots."""
    half = np.diff(knots, axis=1)[..., None] / 2
    middle = (knots[:, 1:] + knots[:, :-1])[..., None] / 2
    size = knots.shape[0]
    return (middle + half * _NODES).reshape(size, -1), (half * _WEIGHTS).reshape(size, -1)
