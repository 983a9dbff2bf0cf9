"""Rewards by batch and arm: what bandits are estimated from."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.bandits.flags import Flags, anywhere, everywhere
from analysis.statistics.status import Codes, Floats, Status, first_status

# How far the propensities of a batch may add up to something other than 1: what rounding to buckets leaves.
_TOTAL_ERROR = 1e-6
# With fewer events, or non-events, a share is too skewed for normal tests: the burn-in of sequential ones.
FEWEST_EVENTS = 100.0


@dataclass(frozen=True)
class Batches:
    """Moments of rewards of the units first assigned in a batch; arrays (..., batches, arms), batches in time order.

    `variance` has the divisor n - 1 and is ignored below 2 units, `mean` without units. `propensity` is the chance of
    an arm under the batch's allocation, which may depend on earlier batches only; a batch without units is ignored.
    """

    n: Floats
    mean: Floats
    variance: Floats
    propensity: Floats

    @classmethod
    def of(cls, n: Floats, mean: Floats, variance: Floats, propensity: Floats) -> "Batches":
        """Broadcast to one shape, 0 where a figure is undefined for want of units."""
        n, mean, variance, propensity = np.broadcast_arrays(
            *(np.asarray(x, float) for x in (n, mean, variance, propensity))
        )
        return cls(n, np.where(n > 0, mean, 0.0), np.where(n > 1, variance, 0.0), propensity)

    @property
    def units(self) -> Floats:
        """Units of each batch (..., batches)."""
        return self.n.sum(axis=-1)

    @property
    def is_used(self) -> NDArray[np.bool_]:
        """Batches that have units (..., batches)."""
        return self.units > 0

    def status(self) -> Codes:
        """What rules out any estimate of a run of batches (...)."""
        used = self.is_used[..., None]
        figures = self.mean + self.variance
        total = self.propensity.sum(axis=-1)
        unknown = used & (np.isnan(self.n) | np.isnan(figures) | np.isnan(self.propensity))
        impossible = (self.n < 0) | (self.variance < 0) | used & (self.propensity < 0)
        impossible |= (self.n > 0) & (self.propensity == 0)
        uneven = self.is_used & (np.abs(total - 1) > _TOTAL_ERROR)
        return first_status(
            (~anywhere(self.is_used), Status.NO_UNITS),
            (anywhere(np.isinf(figures), (-2, -1)), Status.OVERFLOW),
            (anywhere(unknown, (-2, -1)), Status.NOT_COMPUTED),
            (anywhere(impossible, (-2, -1)) | anywhere(uneven), Status.FAILED),
        )

    def status_of_arms(self, own: Codes) -> Codes:
        """An arm's own status (..., arms) where nothing is wrong with the batches as a whole."""
        whole = self.status()[..., None]
        return np.where(whole == Status.OK, own, whole).astype(np.int8)

    def within_variance(self) -> Floats:
        """Variance of a unit's reward within batches, of each arm (..., arms); 0 where no batch has 2 of its units."""
        df = np.maximum(self.n - 1, 0).sum(axis=-2)
        squares = (np.maximum(self.n - 1, 0) * self.variance).sum(axis=-2)
        return squares / np.maximum(df, 1)


@dataclass(frozen=True)
class ArmMoments:
    """One figure for each arm (..., arms): mean reward, variance of a unit's, and how many units the mean is worth."""

    n: Floats
    mean: Floats
    variance: Floats


def pooled(batches: Batches) -> ArmMoments:
    """All units of an arm alike: where rewards drift, an arm that grew late looks better or worse than it is."""
    n = batches.n.sum(axis=-2)
    mean = (batches.n * batches.mean).sum(axis=-2) / np.maximum(n, 1)
    squares = np.maximum(batches.n - 1, 0) * batches.variance + batches.n * (batches.mean - mean[..., None, :]) ** 2
    return ArmMoments(n, np.where(n > 0, mean, np.nan), squares.sum(axis=-2) / np.maximum(n - 1, 1))


def balanced(batches: Batches) -> ArmMoments:
    """Every arm's mean with the same weights over batches, their share of all units, so that drift moves arms alike.

    Over the batches in which each arm has units; `n` is 1/Σ w_b²/n_bk, at most the arm's units. NaN and n = 0 where
    there is no such batch.
    """
    full = everywhere(batches.n > 0)
    units = np.where(full, batches.units, 0.0)
    weight = (units / np.maximum(units.sum(axis=-1, keepdims=True), 1))[..., None]
    mean = (weight * batches.mean).sum(axis=-2)
    known = anywhere(full)[..., None]
    noise = (weight**2 / np.maximum(batches.n, 1)).sum(axis=-2)
    n = np.where(known, 1 / np.where(noise > 0, noise, 1.0), 0.0)
    return ArmMoments(n, np.where(known, mean, np.nan), batches.within_variance())


def has_few_events(batches: Batches) -> Flags:
    """Of rewards of 0 and 1, whether an arm (..., arms) has so few events that its tests are rough: to be warned of."""
    events = np.sum(batches.n * batches.mean, axis=-2)
    return np.asarray(np.minimum(events, batches.n.sum(axis=-2) - events) < FEWEST_EVENTS)
