"""What experiments are drawn from: the sums that each arm's units add on each look, many experiments at once.

Where the distribution allows, the sums themselves are drawn; otherwise units, in batches. A `lift` multiplies the
mean by 1 + lift, so that the true effect and relative effect are known.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from analysis.statistics.moments import JointMoments, MeanMoments

Floats = NDArray[np.float64]
Generator = np.random.Generator

# Units drawn at a time, to bound memory.
BATCH = 3_000_000


@dataclass(frozen=True)
class Sums:
    """Power sums of deviations from `centre`, shape (experiments, looks); `n` units (looks,)."""

    n: Floats
    centre: float
    first: Floats
    second: Floats
    third: Floats

    def so_far(self) -> "Sums":
        """Of all looks up to each."""
        powers = (np.cumsum(power, axis=-1) for power in (self.first, self.second, self.third))
        return Sums(np.cumsum(self.n), self.centre, *powers)

    def moments(self) -> MeanMoments:
        """Moments per experiment and look."""
        n = np.broadcast_to(self.n, self.first.shape).astype(float)
        shift = self.first / n
        variance = (self.second - n * shift**2) / (n - 1)
        third = self.third / n - 3 * shift * self.second / n + 2 * shift**3
        return MeanMoments(n, self.centre + shift, variance, third)


class Process(Protocol):
    """One value per unit."""

    @property
    def name(self) -> str:
        """What the data are, for people."""

    @property
    def mean(self) -> float:
        """Of a unit without lift."""

    def draw(self, rng: Generator, runs: int, n: NDArray, lift: float = 0.0) -> Sums:
        """An arm of `runs` experiments with `n` (looks,) new units at each look."""


@dataclass(frozen=True)
class Normal:
    """Normal values; mean and variance are drawn as such. The third moment is left unknown."""

    sd: float = 2.0
    mean: float = 2.0
    name: str = "normal"

    def draw(self, rng: Generator, runs: int, n: NDArray, lift: float = 0.0) -> Sums:
        """Sample mean and variance are independent: normal and chi-squared."""
        first = rng.standard_normal((runs, n.size)) * np.sqrt(n) * self.sd
        within = rng.chisquare(n - 1, (runs, n.size)) * self.sd**2
        second = within + first**2 / n
        return Sums(n, self.mean * (1 + lift), first, second, np.full(first.shape, np.nan))


@dataclass(frozen=True)
class Share:
    """Events of probability `mean`."""

    mean: float
    name: str

    def draw(self, rng: Generator, runs: int, n: NDArray, lift: float = 0.0) -> Sums:
        """Binomial counts: all powers of 0 and 1 are the same."""
        events = rng.binomial(n, self.mean * (1 + lift), (runs, n.size)).astype(float)
        return Sums(n, 0.0, events, events, events)


@dataclass(frozen=True)
class Revenue:
    """A share of units pays a lognormal amount of mean 1; the others 0."""

    payers: float
    sigma: float
    name: str

    @property
    def mean(self) -> float:
        """Of a unit."""
        return self.payers

    def draw(self, rng: Generator, runs: int, n: NDArray, lift: float = 0.0) -> Sums:
        """Only payers are drawn."""
        count = rng.binomial(n, self.payers, (runs, n.size)).ravel()
        powers = np.zeros((3, count.size))
        for here in _blocks(count):
            size = count[here]
            paid = np.exp(self.sigma * rng.standard_normal(size.sum()) - self.sigma**2 / 2) * (1 + lift)
            some = np.flatnonzero(size)
            starts = np.concatenate([[0], np.cumsum(size[some])[:-1]])
            at = np.arange(here.start, here.stop)[some]
            for power in range(3):
                powers[power, at] = np.add.reduceat(paid ** (power + 1), starts) if some.size else 0.0
        return Sums(n, 0.0, *(power.reshape(runs, n.size) for power in powers))


def _blocks(count: NDArray) -> Iterator[slice]:
    """Consecutive cells that hold a batch of units, or one cell that holds more."""
    group = np.cumsum(count) // BATCH
    edges = [0, *(np.flatnonzero(np.diff(group)) + 1), count.size]
    return (slice(a, b) for a, b in pairwise(edges) if b > a)


@dataclass(frozen=True)
class JointSums:
    """Sums (experiments, looks, k) and sums of products (…, k, k) of k values per unit, `n` units (looks,).

    `cubes` (…, 4) are the sums of y³, y²x, yx² and x³ of the first two values.
    """

    n: Floats
    first: Floats
    products: Floats
    cubes: Floats

    def so_far(self) -> "JointSums":
        """Of all looks up to each."""
        sums = (np.cumsum(sums, axis=1) for sums in (self.first, self.products, self.cubes))
        return JointSums(np.cumsum(self.n), *sums)

    def third_of_value(self) -> Floats:
        """Third central moment of the first value."""
        n, mean = self.n, self.first[..., 0] / self.n
        return self.cubes[..., 0] / n - 3 * mean * self.products[..., 0, 0] / n + 2 * mean**3

    def third_of_ratio(self) -> Floats:
        """Third central moment of the linearised ratio (y - R·x)/x̄, whose mean is 0."""
        ratio = self.first[..., 0] / self.first[..., 1]
        powers = np.stack([np.ones_like(ratio), -3 * ratio, 3 * ratio**2, -(ratio**3)], axis=-1)
        return np.sum(self.cubes * powers, axis=-1) / self.n / (self.first[..., 1] / self.n) ** 3

    def moments(self) -> JointMoments:
        """Moments per experiment and look."""
        n = np.broadcast_to(self.n, self.first.shape[:-1]).astype(float)
        mean = self.first / n[..., None]
        outer = mean[..., :, None] * mean[..., None, :]
        covariance = (self.products - n[..., None, None] * outer) / (n[..., None, None] - 1)
        return JointMoments(n, mean, covariance)


Units = tuple[Floats, ...]


class JointProcess(Protocol):
    """Several values per unit, drawn unit by unit."""

    @property
    def name(self) -> str:
        """What the data are, for people."""

    @property
    def mean(self) -> float:
        """Of the metric without lift: of the value, or the ratio."""

    def units(self, rng: Generator, shape: tuple[int, ...], lift: float = 0.0) -> Units:
        """Values of one shape each."""


@dataclass(frozen=True)
class Sessions:
    """Orders (0) per session (1), with the orders before exposure (2) and whether a unit has no history (3).

    Units differ in their sessions and in their rate of orders.
    """

    mean: float = 0.2
    name: str = "ratio (orders per session)"

    def units(self, rng: Generator, shape: tuple[int, ...], lift: float = 0.0) -> Units:
        """Sessions are 1 + Poisson with a gamma mean, orders Poisson with a gamma rate per session."""
        rate = self.mean * rng.standard_gamma(2.0, shape) / 2
        often = rng.standard_gamma(1.0, shape) * 2
        sessions = 1.0 + rng.poisson(often)
        orders = rng.poisson(sessions * rate * (1 + lift)).astype(float)
        is_new = (rng.random(shape) < 0.2).astype(float)
        before = rng.poisson((1.0 + often) * rate) * (1 - is_new)
        return orders, sessions, before, is_new


@dataclass(frozen=True)
class PageLoads:
    """Seconds (0) over page loads (1) of a unit: loads of one unit resemble each other, the more loads the slower."""

    name: str = "clustered (load time by unit)"

    @property
    def mean(self) -> float:
        """E[loads · time]/E[loads]: loads are 1 + Poisson(4g), time 1 + .2(g - 1), g gamma of mean 1, variance 1/2."""
        return (5.0 + 0.2 * 4.0 * 0.5) / 5.0

    def units(self, rng: Generator, shape: tuple[int, ...], lift: float = 0.0) -> Units:
        """A unit's own speed has sd .4, a single load's .6."""
        g = rng.standard_gamma(2.0, shape) / 2
        loads = 1.0 + rng.poisson(4 * g)
        own = 1 + 0.2 * (g - 1) + 0.4 * rng.standard_normal(shape)
        seconds = loads * own + np.sqrt(loads) * 0.6 * rng.standard_normal(shape)
        return seconds * (1 + lift), loads


@dataclass(frozen=True)
class WithHistory:
    """A value (0), the same before exposure (1), and whether a unit has no history (2).

    `value(z, lift)` makes it of a standard normal that correlates by .7 between the periods.
    """

    name: str
    mean: float
    value: Callable[[Floats, float], Floats]

    def units(self, rng: Generator, shape: tuple[int, ...], lift: float = 0.0) -> Units:
        """One unit in five is new: its history counts as 0."""
        now, other = rng.standard_normal(shape), rng.standard_normal(shape)
        before = self.value(0.7 * now + np.sqrt(1 - 0.7**2) * other, 0.0)
        is_new = (rng.random(shape) < 0.2).astype(float)
        return self.value(now, lift), before * (1 - is_new), is_new


@dataclass(frozen=True)
class WithTwoHistories:
    """A value (0), the same before exposure (1), no history of it (2), and what another event says of the unit (3).

    Standard normals behind them: the value's correlates by .5 with either of the other two, these by .2.
    """

    name: str
    mean: float
    value: Callable[[Floats, float], Floats]

    def units(self, rng: Generator, shape: tuple[int, ...], lift: float = 0.0) -> Units:
        """One unit in five is new: its history counts as 0. The other event is of a source that knows everybody."""
        before, own, now = (rng.standard_normal(shape) for _ in range(3))
        other = 0.2 * before + np.sqrt(1 - 0.2**2) * own
        # A slope of .5/1.2 on each explains 1/2.4 of the variance.
        z = (before + other) * 0.5 / 1.2 + np.sqrt(1 - 1 / 2.4) * now
        is_new = (rng.random(shape) < 0.2).astype(float)
        return self.value(z, lift), self.value(before, 0.0) * (1 - is_new), is_new, other


def joint_sums(
    process: JointProcess, rng: Generator, runs: int, n: NDArray, lift: float = 0.0, values: int | None = None
) -> JointSums:
    """An arm of `runs` experiments with `n` new units at each look, of the first `values` values."""
    parts = []
    for size in batches(runs, int(n.sum())):
        looks = [_sums_of(process.units(rng, (size, int(units)), lift)[:values]) for units in n]
        parts.append([np.stack(sums, axis=1) for sums in zip(*looks, strict=True)])
    return JointSums(n, *(np.concatenate(sums) for sums in zip(*parts, strict=True)))


def _sums_of(units: Units) -> tuple[Floats, Floats, Floats]:
    """Sums, sums of products, and cubes of the first two values, over the units of each experiment."""
    y, x = units[:2]
    cubes = [np.einsum("ij,ij,ij->i", *three) for three in ((y, y, y), (y, y, x), (y, x, x), (x, x, x))]
    each = np.stack(units, axis=1)
    return each.sum(axis=2), each @ np.swapaxes(each, 1, 2), np.stack(cubes, axis=-1)


def batches(runs: int, units: int) -> Iterator[int]:
    """Numbers of experiments that together hold a batch of units."""
    size = max(1, BATCH // max(units, 1))
    yield from (min(size, runs - start) for start in range(0, runs, size))
