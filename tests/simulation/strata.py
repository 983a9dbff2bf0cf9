"""Experiments whose units come in strata: moments of arms within strata, many experiments at once.

Shapes are (experiments, looks, strata). The effect is proportional, so it differs between strata; their sizes
are multinomial.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.statistics.moments import JointMoments, MeanMoments
from tests.simulation.processes import Floats, Generator, batches


@dataclass(frozen=True)
class NormalStrata:
    """Values of variance 1 about the means of strata."""

    shares: tuple[float, ...]
    means: tuple[float, ...]
    name: str

    @property
    def mean(self) -> float:
        """Over all strata."""
        return float(np.dot(self.shares, self.means))

    def draw(self, rng: Generator, runs: int, new: NDArray, lift: float = 0.0) -> MeanMoments:
        """Of an arm that got `new` units (looks,) at each look, up to each."""
        count = rng.multinomial(new, self.shares, (runs, new.size)).astype(float)
        z = rng.standard_normal(count.shape)
        n = np.cumsum(count, axis=1)
        first = np.cumsum(np.sqrt(count) * z, axis=1)
        within = np.where(count > 1, rng.chisquare(np.maximum(count - 1, 1)), 0)
        second = np.cumsum(within + np.where(count > 0, z**2, 0), axis=1)
        return _moments(n, np.asarray(self.means) * (1 + lift), first, second)


@dataclass(frozen=True)
class ShareStrata:
    """Shares that differ between strata."""

    shares: tuple[float, ...]
    means: tuple[float, ...]
    name: str

    @property
    def mean(self) -> float:
        """Over all strata."""
        return float(np.dot(self.shares, self.means))

    def draw(self, rng: Generator, runs: int, new: NDArray, lift: float = 0.0) -> MeanMoments:
        """Of an arm that got `new` units (looks,) at each look, up to each."""
        count = rng.multinomial(new, self.shares, (runs, new.size))
        events = np.cumsum(rng.binomial(count, np.asarray(self.means) * (1 + lift)), axis=1).astype(float)
        return _moments(np.cumsum(count, axis=1).astype(float), np.zeros(len(self.shares)), events, events)


@dataclass(frozen=True)
class RatioStrata:
    """Orders per session: strata differ in their sessions, 1 + Poisson, and in the rate of orders a session."""

    shares: tuple[float, ...]
    sessions: tuple[float, ...]
    rates: tuple[float, ...]
    name: str

    @property
    def mean(self) -> float:
        """Orders over sessions, of all strata."""
        weight = np.asarray(self.shares) * self.sessions
        return float(weight @ self.rates / weight.sum())

    def draw(self, rng: Generator, runs: int, n: int, lift: float = 0.0) -> JointMoments:
        """Of an arm of `n` units, drawn one by one, (experiments, strata)."""
        parts = [self._drawn(rng, size, n, lift) for size in batches(runs, n)]
        return JointMoments(*(np.concatenate(fields) for fields in zip(*parts, strict=True)))

    def _drawn(self, rng: Generator, runs: int, n: int, lift: float) -> tuple[Floats, Floats, Floats]:
        stratum = rng.choice(len(self.shares), (runs, n), p=self.shares)
        x = 1.0 + rng.poisson(np.asarray(self.sessions)[stratum] - 1)
        y = rng.poisson(x * np.asarray(self.rates)[stratum] * (1 + lift)).astype(float)
        group = (np.arange(runs)[:, None] * len(self.shares) + stratum).ravel()

        def sums(values: Floats) -> Floats:
            return np.bincount(group, values.ravel(), runs * len(self.shares)).reshape(runs, -1)

        count = sums(np.ones_like(x))
        with np.errstate(invalid="ignore", divide="ignore"):
            mean = np.stack([sums(y), sums(x)], axis=-1) / count[..., None]
            products = np.stack([sums(y * y), sums(x * y), sums(x * y), sums(x * x)], axis=-1)
            products = products.reshape(*count.shape, 2, 2)
            outer = mean[..., :, None] * mean[..., None, :]
            covariance = (products - count[..., None, None] * outer) / (count[..., None, None] - 1)
        return count, mean, covariance


def _moments(n: Floats, centre: Floats, first: Floats, second: Floats) -> MeanMoments:
    """From sums of deviations from the strata's centres and of their squares."""
    with np.errstate(invalid="ignore", divide="ignore"):
        shift = first / n
        variance = np.where(n > 1, (second - n * shift**2) / (n - 1), np.nan)
    return MeanMoments(n, centre + shift, variance, np.full(n.shape, np.nan))


Strata = NormalStrata | ShareStrata
