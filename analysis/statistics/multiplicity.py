"""Many comparisons: adjusted p-values and simultaneous intervals, over any number of families at once."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

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
    if p.size == 0:
        return p
    filled = np.where(np.isnan(p), 1.0, p)
    order = np.lexsort((filled, family))
    sorted_family = family[order]
    is_first = np.r_[True, sorted_family[1:] != sorted_family[:-1]]
    position = np.arange(p.size)
    rank = position - np.maximum.accumulate(np.where(is_first, position, 0))
    stepped = np.minimum(1.0, (family_sizes(sorted_family) - rank) * filled[order])
    adjusted = np.empty_like(filled)
    adjusted[order] = _running_maximum(stepped, np.cumsum(is_first))
    return np.where(np.isnan(p), np.nan, adjusted)


def _running_maximum(values: Floats, group: Integers) -> Floats:
    """Running maximum within consecutive groups, by ranks so that tiny values keep every digit."""
    levels, ranks = np.unique(values, return_inverse=True)
    offset = group * levels.size
    return levels[np.maximum.accumulate(ranks + offset) - offset]


def _full_alpha(p: Floats, family: Integers, alpha: Floats) -> Floats:
    return alpha


def _split_alpha(p: Floats, family: Integers, alpha: Floats) -> Floats:
    return alpha / family_sizes(family)


# Holm's intervals are Bonferroni's. No finite two-sided intervals are both simultaneous and shorter where
# only Holm rejects (Strassburger & Bretz 2008); the coverage is kept, so such an interval may hold 0.
CORRECTIONS: dict[str, Correction] = {
    "none": Correction(unadjusted, _full_alpha),
    "bonferroni": Correction(bonferroni, _split_alpha),
    "holm": Correction(holm, _split_alpha),
}
