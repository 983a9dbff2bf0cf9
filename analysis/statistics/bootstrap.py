"""Bootstrap over unit-hash buckets, for statistics of sums that have no closed form."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy import special

from analysis.statistics.status import Codes, Floats, Status, first_status
from analysis.statistics.student_t import Interval

# The variance of few buckets is too uncertain: with 1,000 an arm's standard error is off by 2.2 % (1/√2000).
FEWEST_BUCKETS = 1000
# Replicates weighted at a time, to bound memory.
_BLOCK = 256
# The distribution function of Poisson(1): beyond 17 lies less than a double's spacing at 1.
_UP_TO = special.pdtr(np.arange(18), 1.0)

# From sums of components (..., components) to a number each (...), unchanged by doubling all sums.
Statistic = Callable[[Floats], Floats]
# From the statistic of the treatment and that of the baseline to the effect.
Comparison = Callable[[Floats, Floats], Floats]
# Whatever numpy's default_rng takes.
Seed = np.random.SeedSequence | int | list[int]


@dataclass(frozen=True)
class Bootstrap:
    """Effects of many comparisons with replicates, ascending on the last axis (..., replicates).

    `bias` is the normal quantile of the share of replicates below the effect, `acceleration` the jackknife's;
    with both 0 the intervals are percentile intervals. An interval or p-value needs 2/alpha - 1 replicates.
    """

    effect: Floats
    replicates: Floats
    bias: Floats
    acceleration: Floats
    status: Codes

    @cached_property
    def se(self) -> Floats:
        """Standard deviation of the replicates."""
        return self._where_ok(_deviation(self.replicates))

    def interval(self, alpha: Floats | float) -> Interval:
        """Two-sided interval of level 1 - alpha between order statistics; ±∞ where replicates are too few.

        Percentile: the k-th from either end, k = ⌊(replicates + 1)·alpha/2⌋. BCa: at the levels
        Φ(z₀ + (z₀ ± z)/(1 - a(z₀ ± z))). Reference: Efron 1987, JASA 82, eq. 2.3.
        """
        z = special.ndtri(np.asarray(alpha, dtype=float) / 2)
        slots = self.replicates.shape[-1] + 1
        low = np.floor(slots * special.ndtr(self._corrected(z)) * (1 + 1e-12))
        high = slots - np.floor(slots * special.ndtr(-self._corrected(-z)) * (1 + 1e-12))
        return Interval(self._where_ok(self._at(low)), self._where_ok(self._at(high)))

    def two_sided_p(self, null: Floats | float = 0.0) -> Floats:
        """The smallest alpha whose `interval` excludes `null`, at most 1."""
        return self._where_ok(np.minimum(1.0, 2 * np.minimum(*self._tails(null))))

    def upper_tail_p(self, null: Floats | float = 0.0) -> Floats:
        """One-sided p-value of H0: effect ≤ `null`: half the smallest alpha whose lower end is above it."""
        return self._where_ok(self._tails(null)[0])

    def lower_tail_p(self, null: Floats | float = 0.0) -> Floats:
        """One-sided p-value of H0: effect ≥ `null`."""
        return self._where_ok(self._tails(null)[1])

    def _corrected(self, z: Floats) -> Floats:
        """The normal quantile at which an end of nominal quantile z is taken; past its pole, the furthest."""
        shifted = self.bias + z
        pole = 1 - self.acceleration * shifted
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(pole > 0, self.bias + shifted / pole, np.sign(shifted) * np.inf)

    def _uncorrected(self, corrected: Floats) -> Floats:
        """The inverse of `_corrected`."""
        shifted = corrected - self.bias
        pole = 1 + self.acceleration * shifted
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(pole > 0, shifted / pole - self.bias, np.sign(shifted) * np.inf)

    def _tails(self, null: Floats | float) -> tuple[Floats, Floats]:
        """Nominal tails at which the lower end reaches above, the upper end below, `null`."""
        at = np.asarray(null, dtype=float)[..., None]
        slots = self.replicates.shape[-1] + 1
        below = (1 + np.sum(self.replicates <= at, axis=-1)) / slots
        above = (1 + np.sum(self.replicates >= at, axis=-1)) / slots
        return self._nominal(below), self._nominal(above, -1.0)

    def _nominal(self, share: Floats, side: float = 1.0) -> Floats:
        """The nominal tail of a corrected one; 1 where all replicates are on the null's side."""
        inside = np.minimum(share, 1 - 1e-9)
        tail = special.ndtr(side * self._uncorrected(side * special.ndtri(inside)))
        is_plain = (self.bias == 0) & (self.acceleration == 0)
        return np.where(share < 1, np.where(is_plain, share, tail), 1.0)

    def _at(self, rank: Floats) -> Floats:
        size = self.replicates.shape[-1]
        rank = np.broadcast_to(rank, self.effect.shape)
        index = np.clip(np.nan_to_num(rank), 1, size).astype(np.int64) - 1
        value = np.take_along_axis(self.replicates, index[..., None], axis=-1)[..., 0]
        return np.where(rank < 1, -np.inf, np.where(rank > size, np.inf, value))

    def _where_ok(self, values: Floats) -> Floats:
        return np.where(self.status == Status.OK, values, np.nan)


@dataclass(frozen=True)
class ArmDraws:
    """A statistic of one arm: of all buckets (..., 1), in every replicate (..., replicates), without each bucket."""

    point: Floats
    replicates: Floats
    without_each: Floats
    is_missing: NDArray[np.bool_]

    def take(self, index: NDArray[np.intp]) -> "ArmDraws":
        """The draws of some comparisons along the first axis."""
        return ArmDraws(*(getattr(self, field.name)[index] for field in fields(self)))


def draw_arm(sums: Floats, statistic: Statistic, seed: Seed, replicates: int) -> ArmDraws:
    """Resample an arm's sums (..., buckets, components) over at least 1,000 buckets; empty buckets hold 0.

    Buckets draw Poisson(1) weights, all elements the same, so one seed always gives one answer. Of whole numbers
    whose totals stay below 2^53 replicates are exact. Raises ValueError below 1,000 buckets.
    Reference: Chamandy, Muralidharan, Najmi, Naidu 2012.
    """
    if sums.shape[-2] < FEWEST_BUCKETS:
        raise ValueError(f"a bootstrap over buckets needs at least {FEWEST_BUCKETS} of them")
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        return ArmDraws(
            statistic(sums.sum(axis=-2, keepdims=True)),
            _replicated(sums, statistic, seed, replicates),
            _without_each(sums, statistic),
            np.isnan(sums.sum(axis=(-1, -2))),
        )


def compare_arms(
    baseline: ArmDraws, treatment: ArmDraws, comparison: Comparison = np.subtract, *, corrected: bool = True
) -> Bootstrap:
    """The bootstrap of comparison(treatment, baseline), the arms drawn independently of each other.

    `comparison` takes and gives (..., k), whatever k. `corrected` gives BCa intervals, else percentile ones. Of
    status ZERO_DENOMINATOR is a comparison that is undefined in a replicate. Reference: Efron 1987, JASA 82.
    """
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        effect = comparison(treatment.point, baseline.point)[..., 0]
        drawn = np.sort(comparison(treatment.replicates, baseline.replicates), axis=-1)
        deviation = _deviation(drawn)
        missing = baseline.is_missing | treatment.is_missing
        status = first_status(
            (missing, Status.NOT_COMPUTED),
            (~missing & ~np.isfinite(effect + deviation), Status.ZERO_DENOMINATOR),
            (deviation <= 1e-12 * np.abs(effect), Status.ZERO_VARIANCE),
        )
        ok = status == Status.OK
        bias = acceleration = np.zeros(effect.shape)
        if corrected:
            of_treatment = _influence(comparison(treatment.without_each, baseline.point))
            of_baseline = _influence(comparison(treatment.point, baseline.without_each))
            skewness = _skewness(np.concatenate([of_treatment, of_baseline], axis=-1))
            bias, acceleration = np.where(ok, _bias(drawn, effect), 0.0), np.where(ok, skewness / 6, 0.0)
    known = ok | (status == Status.ZERO_VARIANCE)
    return Bootstrap(np.where(known, effect, np.nan), drawn, bias, acceleration, status)


def bootstrap(
    baseline: Floats,
    treatment: Floats,
    statistic: Statistic,
    *,
    seed: int,
    replicates: int = 1999,
    comparison: Comparison = np.subtract,
    corrected: bool = True,
) -> Bootstrap:
    """Bootstrap the difference (or another `comparison`) of a statistic of sums: `draw_arm` and `compare_arms`."""
    seed_baseline, seed_treatment = np.random.SeedSequence(seed).spawn(2)
    return compare_arms(
        draw_arm(baseline, statistic, seed_baseline, replicates),
        draw_arm(treatment, statistic, seed_treatment, replicates),
        comparison,
        corrected=corrected,
    )


def weight_blocks(seed: Seed, replicates: int, buckets: int) -> Iterator[Floats]:
    """An arm's weights (replicates, buckets), some rows at a time."""
    rng = np.random.default_rng(seed)
    for start in range(0, replicates, _BLOCK):
        yield _poisson(rng.random((min(_BLOCK, replicates - start), buckets)))


def _replicated(sums: Floats, statistic: Statistic, seed: Seed, replicates: int) -> Floats:
    """The statistic of each replicate, shape (..., replicates): weights (replicates, buckets) times sums."""
    by_bucket = np.moveaxis(sums, -2, 0)
    flat = by_bucket.reshape(by_bucket.shape[0], -1)
    blocks = [
        statistic((weights @ flat).reshape(-1, *by_bucket.shape[1:]))
        for weights in weight_blocks(seed, replicates, sums.shape[-2])
    ]
    return np.moveaxis(np.concatenate(blocks), 0, -1)


def _poisson(uniform: Floats) -> Floats:
    """Poisson(1) numbers by inversion: several times as fast as drawing them one by one."""
    numbers = np.zeros(uniform.shape, dtype=np.int8)
    for bound in _UP_TO:
        numbers += uniform >= bound
    return numbers.astype(float)


def _without_each(sums: Floats, statistic: Statistic) -> Floats:
    """The statistic with each bucket left out, shape (..., buckets)."""
    return statistic(sums.sum(axis=-2, keepdims=True) - sums)


def _influence(left_out: Floats) -> Floats:
    """What each bucket adds to the effect: the jackknife's (B - 1)/B·(mean - effect without it)."""
    buckets = left_out.shape[-1]
    return (left_out.mean(axis=-1, keepdims=True) - left_out) * (buckets - 1) / buckets


def _skewness(influence: Floats) -> Floats:
    """Σ U³ over (Σ U²)^(3/2), scaled first so that no power leaves a double's range."""
    scaled = influence / np.max(np.abs(influence), axis=-1, keepdims=True)
    return np.sum(scaled**3, axis=-1) / np.sum(scaled**2, axis=-1) ** 1.5


def _bias(replicates: Floats, effect: Floats) -> Floats:
    """Normal quantile of the share of replicates below the effect, ties counted half."""
    at = effect[..., None]
    below = np.sum(replicates < at, axis=-1) + np.sum(replicates == at, axis=-1) / 2
    return special.ndtri((below + 0.5) / (replicates.shape[-1] + 1))


def _deviation(replicates: Floats) -> Floats:
    with np.errstate(invalid="ignore", over="ignore"):
        return np.asarray(replicates.std(axis=-1, ddof=1))
