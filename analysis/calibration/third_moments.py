"""Third powers of units' values in buckets, without which no replicate could say that it is skewed."""

import numpy as np
from numpy.typing import NDArray

from analysis.statistics.status import Floats

Triple = tuple[int, int, int]


def triples(values: tuple[str, ...], *, is_share: bool) -> tuple[Triple, ...]:
    """Positions of the values whose triple products are summed, of a ratio with its denominator; a share needs none."""
    if is_share:
        return ()
    return ((0, 0, 0), (0, 0, 1), (0, 1, 1), (1, 1, 1)) if "d" in values else ((0, 0, 0),)


def centred(
    at: tuple[Triple, ...], n: NDArray, first: NDArray, second: NDArray, third: NDArray, centre: NDArray
) -> NDArray:
    """Sums of triple products about `centre` (k,), from those about 0: all Python integers, so exact.

    `n` (cells,), `first` (cells, k), `second` (cells, k, k), `third` (cells, triples).
    """
    moved = third.copy()
    for column, (i, j, k) in enumerate(at):
        for one, left, right in ((i, j, k), (j, i, k), (k, i, j)):
            moved[:, column] += first[:, one] * centre[left] * centre[right] - second[:, left, right] * centre[one]
        moved[:, column] -= n * centre[i] * centre[j] * centre[k]
    return moved


def third_central_moment(
    values: tuple[str, ...], centre: Floats, n: Floats, first: Floats, second: Floats, third: Floats
) -> Floats:
    """As fct_metric_moments has it: of the value, of a ratio of numerator - ratio · denominator; NaN below 2 units.

    Sums are about `centre` (k,); without any of triple products (shares) it follows from the mean.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        offset = first / n[..., None]
        if not third.shape[-1]:
            mean = centre[0] + offset[..., 0]
            found = mean * (1 - mean) * (1 - 2 * mean)
        elif "d" not in values:
            found = _about_mean(offset[..., 0], second[..., 0, 0] / n, third[..., 0] / n)
        else:
            ratio = (centre[0] + offset[..., 0]) / (centre[1] + offset[..., 1])
            squares = second[..., 0, 0] - 2 * ratio * second[..., 0, 1] + ratio**2 * second[..., 1, 1]
            cubes = np.sum(third * np.stack([ratio**0, -3 * ratio, 3 * ratio**2, -(ratio**3)], axis=-1), axis=-1)
            found = _about_mean(offset[..., 0] - ratio * offset[..., 1], squares / n, cubes / n)
    return np.where(n < 2, np.nan, found)


def _about_mean(mean: Floats, square: Floats, cube: Floats) -> Floats:
    """The third central moment from the moments about another point."""
    return cube - 3 * mean * square + 2 * mean**3
