"""Sufficient statistics of an arm, and how two disjoint groups of units become one."""

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

    def merge(self, other: "MeanMoments") -> "MeanMoments":
        """Moments of the union of two disjoint groups, exact but for rounding (Pébay 2008, eqs. 1.2-1.4)."""
        n = self.n + other.n
        with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
            delta = other.mean - self.mean
            share = other.n / n
            mean = self.mean + share * delta
            squares_a, squares_b = (_sum_of_squares(part.n, part.variance) for part in (self, other))
            squares = squares_a + squares_b + delta**2 * self.n * share
            cubes = (
                self.n * self.third_central_moment
                + other.n * other.third_central_moment
                + delta**3 * self.n * share * (1 - 2 * share)
                + 3 * delta * ((1 - share) * squares_b - share * squares_a)
            )
            merged = MeanMoments(n, mean, squares / (n - 1), cubes / n)
        return MeanMoments(
            n,
            *(
                _unless_empty(self.n, getattr(self, name), other.n, getattr(other, name), getattr(merged, name))
                for name in ("mean", "variance", "third_central_moment")
            ),
        )


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

    def merge(self, other: "JointMoments") -> "JointMoments":
        """Moments of the union of two disjoint groups, exact but for rounding (Chan et al. 1983)."""
        n = self.n + other.n
        with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
            delta = other.mean - self.mean
            share = other.n / n
            mean = self.mean + share[..., None] * delta
            products = (
                _sum_of_squares(self.n[..., None, None], self.covariance)
                + _sum_of_squares(other.n[..., None, None], other.covariance)
                + (self.n * share)[..., None, None] * delta[..., :, None] * delta[..., None, :]
            )
            covariance = products / (n - 1)[..., None, None]
        n_a, n_b = self.n[..., None], other.n[..., None]
        return JointMoments(
            n,
            _unless_empty(n_a, self.mean, n_b, other.mean, mean),
            _unless_empty(n_a[..., None], self.covariance, n_b[..., None], other.covariance, covariance),
        )


def _sum_of_squares(n: Floats, variance: Floats) -> Floats:
    """Of deviations from the mean; 0 for a single unit, which has no variance."""
    return np.where(n == 1, 0.0, (n - 1) * variance)


def _unless_empty(n_a: Floats, a: Floats, n_b: Floats, b: Floats, merged: Floats) -> Floats:
    """The merged value, or the other group's where one of the two has no units."""
    return np.where(n_b == 0, a, np.where(n_a == 0, b, merged))
