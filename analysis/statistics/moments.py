"""Sufficient statistics of an arm."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from analysis.statistics.status import Floats


@dataclass(frozen=True)
class MeanMoments:
    """Moments of one value per unit; arrays of one shape.

    `variance` has the divisor n - 1, `third_central_moment` the divisor n. A group without units has
    n = 0; its other fields are ignored.
    """

    n: Floats
    mean: Floats
    variance: Floats
    third_central_moment: Floats

    @classmethod
    def from_values(cls, values: ArrayLike) -> "MeanMoments":
        """Moments of unit-level values, units along the last axis; at least 2 of them."""
        x = np.asarray(values, dtype=float)
        centred = x - x.mean(axis=-1, keepdims=True)
        n = np.full(x.shape[:-1], float(x.shape[-1]))
        return cls(n, x.mean(axis=-1), x.var(axis=-1, ddof=1), (centred**3).mean(axis=-1))


@dataclass(frozen=True)
class JointMoments:
    """Moments of k values per unit: n of shape (...), mean (..., k), covariance (..., k, k) with n - 1."""

    n: Floats
    mean: Floats
    covariance: Floats

    @classmethod
    def from_values(cls, *values: ArrayLike) -> "JointMoments":
        """Moments of k unit-level values, each an array with units along the last axis; at least 2 units."""
        x = np.stack([np.asarray(value, dtype=float) for value in values], axis=-2)
        centred = x - x.mean(axis=-1, keepdims=True)
        size = x.shape[-1]
        n = np.full(x.shape[:-2], float(size))
        return cls(n, x.mean(axis=-1), centred @ np.swapaxes(centred, -1, -2) / (size - 1))
