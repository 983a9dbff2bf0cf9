"""Sums under a cap that is a quantile of the units themselves, estimated anew in every replicate of a bootstrap."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.statistics.status import Floats

# Caps are told apart to a twentieth of their standard error, the tails being 12 of these wide: more cost time alone.
MOST_BINS = 256


@dataclass(frozen=True)
class Tails:
    """Units above `least_cap` in bins by value, of every arm: a replicate's cap is it or the greatest of some bin.

    `ends` (bins,) ascend; `counts` and `sums` of values are (arms, buckets, bins), `below` (arms, buckets) holds the
    sums of values up to `least_cap`, and `n_units` (arms, buckets) all units. In the last bin all count at its end.
    """

    least_cap: float
    ends: Floats
    counts: Floats
    sums: Floats
    below: Floats
    n_units: Floats


def tails(
    n_units: Floats, capped: Floats, cap: float, least_cap: float, cells: NDArray[np.intp], values: Floats, n: Floats
) -> Tails:
    """Tails from units (arms, buckets), sums under the `cap` in force, and units above `least_cap`.

    The last three are one row for each arm, bucket and value: `cells` its position among arms × buckets.
    """
    distinct, position = np.unique(values, return_inverse=True)
    n_bins = min(len(distinct), MOST_BINS)
    # The last value stands for all beyond it, so it has a bin of its own.
    edges = np.unique(np.append(np.linspace(0, len(distinct) - 1, n_bins + 1)[:-1].astype(np.intp), len(distinct) - 1))
    in_bin = np.searchsorted(edges, position, side="right") - 1
    ends = distinct[np.append(edges[1:] - 1, len(distinct) - 1)]
    shape = (*n_units.shape, len(ends))
    counts, sums, above = np.zeros(shape), np.zeros(shape), np.zeros(n_units.shape)
    at = cells * len(ends) + in_bin
    np.add.at(counts.reshape(-1), at, n)
    np.add.at(sums.reshape(-1), at, n * values)
    np.add.at(above.reshape(-1), cells, n * np.minimum(values, cap))
    return Tails(least_cap, ends, counts, sums, capped - above, n_units)


def replicated_sums(found: Tails, quantile: float, weights: Iterable[tuple[Floats, ...]]) -> Floats:
    """Each arm's sum in each replicate (arms, replicates), under the replicate's own cap.

    The cap is the inverse distribution function over all arms' weighted units. `weights` gives blocks of replicates:
    for every arm (block, buckets).
    """
    blocks = []
    for block in weights:
        n, below = (
            np.stack([w @ of_arm for w, of_arm in zip(block, values, strict=True)])
            for values in (found.n_units, found.below)
        )
        up_to_n, up_to_sum = (
            np.cumsum([w @ of_arm for w, of_arm in zip(block, values, strict=True)], axis=-1)
            for values in (found.counts, found.sums)
        )
        zero = np.zeros((*n.shape, 1))
        up_to_n, up_to_sum = (np.concatenate([zero, values], axis=-1) for values in (up_to_n, up_to_sum))
        above = up_to_n[..., -1:] - up_to_n
        allowed = (1 - quantile) * n.sum(axis=0) * (1 + 1e-12)
        chosen = np.argmax(above.sum(axis=0) <= allowed[:, None], axis=-1)
        cap = np.append(found.least_cap, found.ends)[chosen]
        rows = np.arange(len(chosen))
        blocks.append(below + up_to_sum[:, rows, chosen] + cap * above[:, rows, chosen])
    return np.concatenate(blocks, axis=-1)
