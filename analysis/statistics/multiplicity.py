"""Many comparisons: adjusted p-values and simultaneous intervals, over any number of families at once."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

from analysis.statistics.status import Floats

Integers = NDArray[np.int64]


@dataclass(frozen=True)
class Correction:
    """How p-values of a family are adjusted and at which alpha its intervals are simultaneous.

    `adjust(p, family)` gives adjusted p-values, `interval_alpha(p, family, alpha)` each interval's alpha;
    `family` numbers the family of each comparison, in any order.
    """

    adjust: Callable[[Floats, Integers], Floats]
    interval_alpha: Callable[[Floats, Integers, Floats], Floats]


def family_sizes(family: Integers) -> Integers:
    """For each comparison the number of comparisons in its family, failed ones included."""
    if family.size == 0:
        return np.zeros(0, dtype=np.int64)
    _, inverse, counts = np.unique(family, return_inverse=True, return_counts=True)
    return counts[inverse]


def unadjusted(p: Floats, family: Integers) -> Floats:
    """The p-values as they are."""
    return p


def bonferroni(p: Floats, family: Integers) -> Floats:
    """min(1, m·p) in each family of m; a failed comparison (NaN) counts in m and stays NaN."""
    return np.minimum(1.0, family_sizes(family) * p)


def holm(p: Floats, family: Integers) -> Floats:
    """Holm's step-down adjusted p-values in each family; a NaN counts as p = 1 and stays NaN.

    Reference: Holm 1979, Scandinavian Journal of Statistics 6; equal to R's p.adjust(method = "holm").
    """
    return _stepwise(p, family, lambda rank, size: size - rank + 1, is_step_up=False)


def hochberg(p: Floats, family: Integers) -> Floats:
    """Hochberg's step-up adjusted p-values in each family; a NaN counts as p = 1 and stays NaN.

    Holm's thresholds from the largest p down. Familywise error is kept under independence and positive
    dependence (MTP2), not under every dependence. Reference: Hochberg 1988, Biometrika 75.
    """
    return _stepwise(p, family, lambda rank, size: size - rank + 1, is_step_up=True)


def hommel(p: Floats, family: Integers) -> Floats:
    """Hommel's adjusted p-values: the closed test made of Simes' tests; a NaN counts as p = 1 and stays NaN.

    Never rejects less than Hochberg's, valid under the same dependence. Families of m are computed together, in m
    steps. Reference: Hommel 1988, Biometrika 75; Wright 1992, Biometrics 48, section 5 (the algorithm).
    """
    adjusted = np.full(p.shape, np.nan)
    sizes = family_sizes(family)
    order = np.lexsort((np.where(np.isnan(p), 1.0, p), family))
    for size in np.unique(sizes):
        members = order[sizes[order] == size].reshape(-1, size)
        adjusted[members] = _hommel_of_size(np.where(np.isnan(p[members]), 1.0, p[members]))
    return np.where(np.isnan(p), np.nan, np.minimum(adjusted, 1.0))


def _hommel_of_size(p: Floats) -> Floats:
    """Of families (families, m), each rising."""
    size = p.shape[1]
    adjusted = np.maximum(p, np.min(size * p / np.arange(1, size + 1), axis=1, keepdims=True))
    for m in range(size - 1, 1, -1):
        # Simes' test of the m - 1 largest p-values with one of the others.
        low, high = p[:, : size - m + 1], p[:, size - m + 1 :]
        simes = np.min(m * high / np.arange(2, m + 1), axis=1, keepdims=True)
        of_low = np.minimum(m * low, simes)
        of_high = np.broadcast_to(of_low[:, -1:], high.shape)
        adjusted = np.maximum(adjusted, np.concatenate([of_low, of_high], axis=1))
    return adjusted


def benjamini_hochberg(p: Floats, family: Integers) -> Floats:
    """Step-up adjusted p-values that keep the false discovery rate; a NaN counts as p = 1 and stays NaN.

    Valid under independence and positive regression dependence on the true nulls.
    Reference: Benjamini & Hochberg 1995, Journal of the Royal Statistical Society B 57.
    """
    return _stepwise(p, family, lambda rank, size: size / rank, is_step_up=True)


def benjamini_yekutieli(p: Floats, family: Integers) -> Floats:
    """Benjamini-Hochberg times 1 + 1/2 + ... + 1/m: the false discovery rate under every dependence.

    A NaN counts as p = 1 and stays NaN. Reference: Benjamini & Yekutieli 2001, Annals of Statistics 29, thm 1.3.
    """
    return _stepwise(p, family, lambda rank, size: harmonic(size) * (size / rank), is_step_up=True)


def e_benjamini_hochberg(e: Floats, family: Integers) -> Floats:
    """Adjusted p-values of e-values: Benjamini-Hochberg on min(1, 1/e), valid under every dependence.

    `e` is each comparison's e-value now, not its running maximum; alpha is fixed beforehand. A NaN counts as
    e = 1 and stays NaN. Reference: Wang & Ramdas 2022, Journal of the Royal Statistical Society B 84, section 4.
    """
    with np.errstate(divide="ignore"):
        return benjamini_hochberg(np.minimum(1.0, 1 / np.asarray(e, dtype=float)), family)


def harmonic(m: Integers) -> Floats:
    """The harmonic numbers 1 + 1/2 + ... + 1/m, elementwise."""
    return np.asarray(special.digamma(np.asarray(m) + 1.0) + np.euler_gamma)


def _stepwise(
    p: Floats, family: Integers, factor: Callable[[Integers, Integers], Floats | Integers], *, is_step_up: bool
) -> Floats:
    """Each p times `factor(rank, family size)`, made monotone from the smallest p up or the largest down."""
    if p.size == 0:
        return p
    filled = np.where(np.isnan(p), 1.0, p)
    order = np.lexsort((filled, family))
    sorted_family = family[order]
    is_first = np.r_[True, sorted_family[1:] != sorted_family[:-1]]
    position = np.arange(p.size)
    rank = position - np.maximum.accumulate(np.where(is_first, position, 0)) + 1
    group = np.cumsum(is_first)
    scaled = np.minimum(1.0, factor(rank, _sizes_of_runs(group)) * filled[order])
    monotone = _running_minimum_from_the_end(scaled, group) if is_step_up else _running_maximum(scaled, group)
    adjusted = np.empty_like(filled)
    adjusted[order] = monotone
    return np.where(np.isnan(p), np.nan, adjusted)


def _sizes_of_runs(group: Integers) -> Integers:
    """For groups numbered 1, 2, ... in order, each element's group size."""
    return np.bincount(group)[group]


def _running_maximum(values: Floats, group: Integers) -> Floats:
    """Running maximum within consecutive groups, by ranks so that tiny values keep every digit."""
    levels, ranks = np.unique(values, return_inverse=True)
    offset = group * levels.size
    return levels[np.maximum.accumulate(ranks + offset) - offset]


def _running_minimum_from_the_end(values: Floats, group: Integers) -> Floats:
    """Within consecutive groups the smallest of an element and those after it."""
    return -_running_maximum(-values[::-1], group[-1] - group[::-1])[::-1]


def _full_alpha(p: Floats, family: Integers, alpha: Floats) -> Floats:
    return alpha


def _split_alpha(p: Floats, family: Integers, alpha: Floats) -> Floats:
    return alpha / family_sizes(family)


def _selected_alpha(
    adjust: Callable[[Floats, Integers], Floats], penalty: Callable[[Integers], Floats | float]
) -> Callable[[Floats, Integers, Floats], Floats]:
    """The alpha of intervals whose false coverage rate is at most alpha: alpha·R/(m·penalty), R of m rejected.

    All of the family has that level, with R at least 1: a rejected comparison's interval excludes 0, another's
    holds it; with none rejected they are Bonferroni's.
    Reference: Benjamini & Yekutieli 2005, Journal of the American Statistical Association 100, thms 1 and 4.
    """

    def interval_alpha(p: Floats, family: Integers, alpha: Floats) -> Floats:
        if p.size == 0:
            return alpha
        _, member = np.unique(family, return_inverse=True)
        rejected = np.bincount(member, weights=adjust(p, family) <= alpha)[member]
        size = np.bincount(member)[member]
        return alpha * np.maximum(rejected, 1) / (size * penalty(size))

    return interval_alpha


# Holm's, Hochberg's and Hommel's intervals are Bonferroni's. No finite two-sided intervals are both simultaneous and
# shorter where only Holm rejects (Strassburger & Bretz 2008); the coverage is kept, so such an interval may hold 0.
CORRECTIONS: dict[str, Correction] = {
    "none": Correction(unadjusted, _full_alpha),
    "bonferroni": Correction(bonferroni, _split_alpha),
    "holm": Correction(holm, _split_alpha),
    "hochberg": Correction(hochberg, _split_alpha),
    "hommel": Correction(hommel, _split_alpha),
    "benjamini_hochberg": Correction(benjamini_hochberg, _selected_alpha(benjamini_hochberg, lambda size: 1.0)),
    "benjamini_yekutieli": Correction(benjamini_yekutieli, _selected_alpha(benjamini_yekutieli, harmonic)),
}
