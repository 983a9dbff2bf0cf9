"""Sums by cluster: what cluster-randomised experiments are estimated from."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analysis.statistics.status import Codes, Floats, Status, first_status

# An arm of one cluster has no variance.
FEWEST = 2
# Of fewer, in which the largest decide, tests may err by half of their level.
FEWEST_EFFECTIVE = 10.0


@dataclass(frozen=True)
class ClusterSums:
    """Of each cluster, arrays (..., clusters): its size, the sum of its values, and whether it was treated.

    The size is its number of units; of a ratio the sum of denominators; 1, with the cluster's mean as its sum, where
    clusters are to weigh alike. A cluster of size 0 takes no part.
    """

    size: Floats
    total: Floats
    is_treated: NDArray[np.bool_]

    @classmethod
    def of(cls, size: ArrayLike, total: ArrayLike, is_treated: ArrayLike) -> "ClusterSums":
        """Broadcast to one shape, the total 0 where a cluster has no size."""
        n, y = np.broadcast_arrays(np.asarray(size, dtype=float), np.asarray(total, dtype=float))
        return cls(n, np.where(n > 0, y, 0.0), np.broadcast_to(np.asarray(is_treated, dtype=bool), n.shape))

    def rows(self) -> "ClusterSums":
        """The same with two axes (comparisons, clusters)."""
        shape = (-1, self.size.shape[-1])
        return ClusterSums(self.size.reshape(shape), self.total.reshape(shape), self.is_treated.reshape(shape))

    def arm(self, treated: bool) -> tuple[Floats, Floats]:
        """Sizes and totals of one arm (..., clusters), 0 in the other's clusters."""
        member = self.is_treated == treated
        return np.where(member, self.size, 0.0), np.where(member, self.total, 0.0)

    def clusters(self, treated: bool) -> Floats:
        """How many clusters of an arm take part (...)."""
        return np.count_nonzero(self.arm(treated)[0] > 0, axis=-1).astype(float)

    def effective_clusters(self, treated: bool) -> Floats:
        """(Σn)²/Σn² of an arm (...): how many clusters of one size its clusters are worth (Kish 1965)."""
        size = self.arm(treated)[0]
        squares = (size**2).sum(axis=-1)
        return np.where(squares > 0, size.sum(axis=-1) ** 2 / np.where(squares > 0, squares, 1.0), 0.0)

    @property
    def is_thin(self) -> NDArray[np.bool_]:
        """Whether an arm is worth so few clusters (...) that its tests are rough: to be warned of."""
        fewest = np.minimum(self.effective_clusters(True), self.effective_clusters(False))
        return np.asarray(fewest < FEWEST_EFFECTIVE)

    def status(self) -> Codes:
        """What stands in the way of comparing the arms (...)."""
        fewest = np.minimum(self.clusters(True), self.clusters(False))
        unknown, infinite, negative = (
            np.asarray(np.any(flags, axis=-1))
            for flags in (
                np.isnan(self.size) | np.isnan(self.total),
                np.isinf(self.size) | np.isinf(self.total),
                self.size < 0,
            )
        )
        return first_status(
            (fewest < 1, Status.NO_UNITS),
            (infinite, Status.OVERFLOW),
            (unknown, Status.NOT_COMPUTED),
            (negative, Status.FAILED),
            (fewest < FEWEST, Status.TOO_FEW_UNITS),
        )
