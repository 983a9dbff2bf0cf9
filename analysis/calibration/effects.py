"""Known effects put into the sums of an arm, so that coverage and power can be seen."""

import numpy as np

from analysis.calibration.third_moments import triples
from analysis.statistics.status import Floats

Sums = tuple[Floats, Floats, Floats, Floats]


def scaled(
    values: tuple[str, ...], centre: Floats, first: Floats, second: Floats, third: Floats, relative: float
) -> Sums:
    """The numerator of every unit multiplied by 1 + `relative`: centres and sums of those values."""
    factor = np.array([1 + relative if name == "y" else 1.0 for name in values])
    of_triples = np.array([factor[i] * factor[j] * factor[k] for i, j, k in triples(values, is_share=False)])
    return centre * factor, first * factor, second * factor[:, None] * factor, third * of_triples


def redrawn_share(
    rng: np.random.Generator, n: Floats, first: Floats, second: Floats, relative: float, share: float
) -> tuple[Floats, Floats]:
    """`first` and `second` of a share whose units change at random, so that it becomes share · (1 + `relative`).

    Up, units without the event get it; down, units with it lose it: their number is drawn, products with
    covariates take its expectation. The share is value 0, summed about 0.
    """
    if not 0 <= share * (1 + relative) <= 1:
        raise ValueError(f"a share of {share:g} cannot change by {relative:+.0%}")
    count = np.rint(first[..., 0]).astype(np.int64)
    others = np.rint(n).astype(np.int64) - count
    changed, products = first.copy(), second.copy()
    if relative < 0:
        kept = 1 + relative
        changed[..., 0] = rng.binomial(count, kept)
        products[..., 0, 1:] = kept * second[..., 0, 1:]
    else:
        gained = relative * share / (1 - share) if share < 1 else 0.0
        changed[..., 0] = count + rng.binomial(others, gained)
        products[..., 0, 1:] = (1 - gained) * second[..., 0, 1:] + gained * first[..., 1:]
    products[..., 1:, 0] = products[..., 0, 1:]
    products[..., 0, 0] = changed[..., 0]
    return changed, products
