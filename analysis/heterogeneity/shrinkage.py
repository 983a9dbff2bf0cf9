"""What to expect of each segment: its effect drawn towards the others', as far as they say that effects are alike."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from scipy import special

from analysis.heterogeneity.groups import Groups
from analysis.heterogeneity.homogeneity import usable
from analysis.heterogeneity.spread import tau_at
from analysis.statistics.status import Floats

# Below this a flat prior leaves τ's posterior without end.
FEWEST_SEGMENTS = 3
# Values of τ that are averaged over: they resolve the posterior of up to some 200 segments.
_NODES = 128
# Rows × nodes held at a time.
_BATCH = 2_000_000


@dataclass(frozen=True)
class Shrunken:
    """Of each row the posterior mean and deviation, and the share of the way to μ that it was drawn; else NaN."""

    effect: Floats
    sd: Floats
    shrinkage: Floats


@np.errstate(invalid="ignore", divide="ignore", over="ignore")
def shrunken(effect: Floats, se: Floats, freedom: Floats, groups: Groups) -> Shrunken:
    """Posterior of each effect in the normal–normal model τ_s ~ N(μ, τ²), estimate ~ N(τ_s, se²), by group.

    Given τ it is normal, with mean B·μ + (1 - B)·estimate, B = se²/(se² + τ²). μ has a flat prior, and it is averaged
    over τ's posterior under a flat prior on τ (Gelman 2006) instead of taken at one estimate: where that is 0, as it
    often is, intervals would all but vanish. An error from few units counts with the variance of Student's t,
    se²·ν/(ν - 2). A group needs three segments. Intervals `effect ± z·sd` cover on average over the segments of
    a group, not each of them. References: Rubin 1981, J. Educ. Stat. 6; Morris 1983, JASA 78; Gelman 2006.
    """
    used = usable(effect, se) & (freedom > 2)
    n_used = groups.sum(used)
    usable_row = used & groups.each(n_used >= FEWEST_SEGMENTS)
    with np.errstate(invalid="ignore", divide="ignore"):
        error = np.where(np.isinf(freedom), se, se * np.sqrt(freedom / (freedom - 2)))
    results = np.full((3, effect.size), np.nan)
    edges = _edges(groups)
    for first, last in pairwise(edges):
        rows = slice(first, last)
        some = usable_row[rows]
        if some.any():
            kept = np.flatnonzero(some) + first
            _, number = np.unique(groups.number[kept], return_inverse=True)
            results[:, kept] = _posterior(effect[kept], error[kept], Groups(number))
    return Shrunken(*results)


def _edges(groups: Groups) -> list[int]:
    """Row positions between which whole groups fit a batch, or one group that does not."""
    size = max(1, _BATCH // _NODES)
    starts, edges = groups.starts, [0]
    ends = np.append(starts[1:], groups.number.size)
    while edges[-1] < groups.number.size:
        reach = np.searchsorted(ends, edges[-1] + size, side="right") - 1
        edges.append(int(ends[max(reach, np.searchsorted(ends, edges[-1], side="right"))]))
    return edges


def _posterior(effect: Floats, error: Floats, groups: Groups) -> Floats:
    """Mean, deviation and shrinkage of each row; every row is usable. Nodes lie along the second axis."""
    unit = groups.each(groups.maximum(error))
    y, variance = effect / unit, (error / unit) ** 2
    tau, log_weight = _taus(y, variance, groups)
    marginal = variance[:, None] + groups.each(tau) ** 2
    weight = 1 / marginal
    total = groups.sum(weight)
    centre = groups.sum(weight * y[:, None]) / total
    apart = y[:, None] - groups.each(centre)
    log_density = groups.sum(0.5 * np.log(weight) - 0.5 * weight * apart**2) - 0.5 * np.log(total) + log_weight
    density = np.exp(log_density - log_density.max(axis=1, keepdims=True))
    share = groups.each(density / density.sum(axis=1, keepdims=True))
    drawn = variance[:, None] * weight
    mean_at = y[:, None] - drawn * apart
    variance_at = variance[:, None] * (1 - drawn) + drawn**2 / groups.each(total)
    mean = np.sum(share * mean_at, axis=1)
    spread = np.sum(share * (variance_at + (mean_at - mean[:, None]) ** 2), axis=1)
    return np.stack([mean * unit, np.sqrt(spread) * unit, np.sum(share * drawn, axis=1)])


def _taus(y: Floats, variance: Floats, groups: Groups) -> tuple[Floats, Floats]:
    """Values of τ (groups, nodes) and the log weight of each: Gauss–Legendre in τ/(scale + τ).

    The scale is that of the data, so that nodes lie where the posterior does: a typical error, and Paule & Mandel's τ.
    """
    points, weights = special.roots_legendre(_NODES)
    share = (points + 1) / 2
    count = groups.sum(np.ones_like(y))
    typical = count / groups.sum(1 / variance)
    estimate = tau_at(y, np.sqrt(variance), groups, count - 1)
    scale = np.sqrt(typical + estimate**2)[:, None]
    return scale * share / (1 - share), np.log(scale) + np.log(weights) - 2 * np.log1p(-share)
