"""Quantiles of many groups at once, from counts per value, and the difference of two arms' quantiles.

No unit's row is needed: a histogram of distinct values, and where events come in clusters sums over clusters.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from analysis.statistics.status import Codes, Floats, Status, first_status
from analysis.statistics.student_t import Interval

Integers = NDArray[np.int64]

# Fewer units beyond the quantile in an arm than this, and there is no estimate.
FEWEST_BEYOND = 10
BEYOND_REASON = "an arm has fewer than 10 units beyond the quantile, so no interval holds its level"
CLUSTERS_BEYOND_REASON = (
    "an arm's events beyond the quantile are worth fewer than 10 independent ones, so no interval holds its level"
)

# Tails are not followed further out.
SMALLEST_TAIL = 1e-290
# Halvings of a tail's logarithm: from 667 to below 1e-9.
_HALVINGS = 40
_UNKNOWN = np.int8(Status.NOT_COMPUTED)


@dataclass(frozen=True)
class Histogram:
    """Counts per distinct value of many groups: group g holds elements offsets[g] ... offsets[g + 1] - 1.

    Values ascend within a group and are finite; counts are whole numbers. `offsets` has one element more
    than there are groups; a group may be empty.
    """

    values: Floats
    counts: Floats
    offsets: Integers

    @cached_property
    def _before(self) -> Floats:
        """Running count before each element, over all groups."""
        return np.concatenate([[0.0], np.cumsum(self.counts)])

    def n(self, group: Integers) -> Floats:
        """Number of units or events of each group."""
        return np.asarray(self._before[self.offsets[group + 1]] - self._before[self.offsets[group]])

    def at_rank(self, group: Integers, rank: Floats) -> Floats:
        """The value of this rank, 1 being the smallest; -∞ below 1, ∞ above n, NaN for a NaN."""
        if self.values.size == 0:
            return np.full(np.broadcast_shapes(group.shape, np.shape(rank)), np.nan)
        n = self.n(group)
        inside = (rank >= 1) & (rank <= n)
        at = np.searchsorted(self._before[1:], self._before[self.offsets[group]] + np.where(inside, rank, 1))
        beyond = np.where(rank < 1, -np.inf, np.where(rank > n, np.inf, np.nan))
        return np.where(inside, self.values[np.minimum(at, self.values.size - 1)], beyond)

    def share_up_to(self, group: Integers, rank: Floats) -> Floats:
        """Share of the group at or below the value of this rank, ties included; NaN outside 1 ... n."""
        n = self.n(group)
        inside = (rank >= 1) & (rank <= n)
        start = self._before[self.offsets[group]]
        at = np.searchsorted(self._before[1:], start + np.where(inside, rank, 1))
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where(inside, (self._before[np.minimum(at + 1, self._before.size - 1)] - start) / n, np.nan)


class Ranks(Protocol):
    """Ranks between which a population quantile lies."""

    def end(self, tail: Floats, side: Floats) -> Floats:
        """Rank of the lower end (side -1) or upper end (side 1) that leaves at most `tail` outside."""


@dataclass(frozen=True)
class BinomialRanks:
    """Ranks for independent units: the count below the quantile is Binomial(n, level)."""

    n: Floats
    level: Floats

    def end(self, tail: Floats, side: Floats) -> Floats:
        """The order statistics of the distribution-free interval; conservative by a rank."""
        from scipy import stats  # costs half a second to import

        # The upper end is the lower one of the values in descending order, where no tail's digits are lost.
        lower = stats.binom.ppf(tail, np.maximum(self.n, 1), np.where(side < 0, self.level, 1 - self.level))
        return np.where(side < 0, lower, self.n + 1 - lower)


@dataclass(frozen=True)
class ClusteredRanks:
    """Ranks for clustered events: the share below the quantile is normal around `centre`."""

    n: Floats
    centre: Floats
    share_se: Floats
    df: Floats

    def end(self, tail: Floats, side: Floats) -> Floats:
        """The rank of the share at the end of Student's interval."""
        share = self.centre - side * special.stdtrit(self.df, tail) * self.share_se
        return _rank(self.n, share)


@dataclass(frozen=True)
class ClusterSums:
    """Sums over the clusters (units) of each group: of events n_c, and of s_c, those up to its sample quantile."""

    clusters: Floats
    events: Floats
    below: Floats
    events_squared: Floats
    below_squared: Floats
    product: Floats

    def share_variance(self) -> Floats:
        """Variance of Σs_c/Σn_c by the delta method, K/(K - 1)·Σ(s_c - p·n_c)²/(Σn_c)²; NaN below 2 clusters."""
        with np.errstate(invalid="ignore", divide="ignore"):
            p = self.below / self.events
            squares = self.below_squared - 2 * p * self.product + p**2 * self.events_squared
            small_sample = np.where(self.clusters > 1, self.clusters / (self.clusters - 1), np.nan)
            return np.asarray(small_sample * np.maximum(squares, 0) / self.events**2)


@dataclass(frozen=True)
class Quantile:
    """Sample quantiles: the smallest value with at least `level` of the group at or below it."""

    histogram: Histogram
    group: Integers
    level: Floats
    n: Floats
    value: Floats
    ranks: Ranks
    status: Codes

    def end(self, tail: Floats, side: Floats) -> Floats:
        """Lower (side -1) or upper (side 1) end of the interval with `tail` outside; ±∞ where the data set none."""
        return self.histogram.at_rank(self.group, self.ranks.end(tail, side))

    def interval(self, alpha: Floats | float) -> Interval:
        """Two-sided interval of level 1 - alpha."""
        tail = np.asarray(alpha, dtype=float) / 2
        return Interval(self.end(tail, np.asarray(-1.0)), self.end(tail, np.asarray(1.0)))


def unit_quantile(histogram: Histogram, level: ArrayLike, group: Integers | None = None) -> Quantile:
    """Quantiles of independent units, one value per unit, with the distribution-free binomial interval.

    `level` in (0, 1) per element of `group`, which picks and may repeat groups (default: each once). The
    interval is between order statistics, so it holds for any distribution, atoms included.
    Reference: Thompson 1936, Annals of Mathematical Statistics 7; Hahn & Meeker 1991, section 5.2.
    """
    group, q = _groups(histogram, level, group)
    n = histogram.n(group)
    value = histogram.at_rank(group, _rank(n, q))
    status = first_status((n < 1, Status.NO_UNITS), (_too_few(n, q), Status.TOO_FEW_UNITS))
    return Quantile(histogram, group, q, n, value, BinomialRanks(n, q), status)


def event_quantile(
    histogram: Histogram, sums: ClusterSums, level: ArrayLike, group: Integers | None = None
) -> Quantile:
    """Quantiles of events that come in clusters, such as page loads of users, with the outer interval.

    `sums` has an element per group of `histogram`, with `below` counted at the sample quantile; other
    counts are FAILED. The interval is from the values at ranks n·(k/n ± t·se), k = ⌈n·level⌉ being the sample
    quantile's rank, se the delta method's for the share below it, t Student's with clusters - 1 degrees of
    freedom. Where the value has ties, se is scaled from the share up to them all to k/n at one design effect.
    References: Deng, Knoblich, Lu 2018, section 4; Woodruff 1952, JASA 47.
    """
    group, q = _groups(histogram, level, group)
    n, k = histogram.n(group), _rank(histogram.n(group), q)
    picked = ClusterSums(*(np.asarray(column, dtype=float)[group] for column in vars(sums).values()))
    share = histogram.share_up_to(group, k)
    with np.errstate(invalid="ignore", divide="ignore"):
        centre = k / n
        variance = picked.share_variance()
        scaled = np.where(share > centre, variance * centre * (1 - centre) / (share * (1 - share)), variance)
        independent = np.where(scaled > 0, centre * (1 - centre) / scaled, n)
        inconsistent = (np.abs(picked.below - share * n) > 0.5) | (picked.events != n)
    status = first_status(
        (n < 1, Status.NO_UNITS),
        ((n >= 1) & inconsistent, Status.FAILED),
        (_too_few(np.minimum(n, independent), q) | (picked.clusters < 2), Status.TOO_FEW_UNITS),
        (~(scaled > 0), Status.ZERO_VARIANCE),
    )
    ranks = ClusteredRanks(n, centre, np.sqrt(scaled), picked.clusters - 1)
    return Quantile(histogram, group, q, n, histogram.at_rank(group, k), ranks, status)


@dataclass(frozen=True)
class QuantileDifference:
    """Treatment quantile minus baseline quantile; tests are inversions of the intervals, so that they agree."""

    baseline: Quantile
    treatment: Quantile
    effect: Floats
    status: Codes

    def interval(self, alpha: Floats | float) -> Interval:
        """Two-sided interval of level 1 - alpha by MOVER: effect ∓ √(distance of T's end² + of B's other end²).

        Reference: Zou & Donner 2008, Statistics in Medicine 27, eq. 2.
        """
        tail = np.asarray(alpha, dtype=float) / 2
        up, one = np.ones(self.effect.shape), np.asarray(1.0)
        low = self.effect - self._reach(tail, up, one)
        return Interval(self._where_ok(low), self._where_ok(self.effect + self._reach(tail, -up, one)))

    def relative_interval(self, alpha: Floats | float) -> Interval:
        """Interval of T/B - 1 by MOVER for ratios; NaN unless the baseline and its interval are in (0, 2·B).

        Excludes 0 exactly where `interval` does. Reference: Donner & Zou 2012, Statistical Methods in Medical
        Research 21, eqs. 9 and 10.
        """
        t, b = self.treatment.interval(alpha), self.baseline.interval(alpha)
        x, y = self.treatment.value, self.baseline.value
        with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
            usable = (b.low > 0) & (b.high < 2 * y) & (self.status == Status.OK)
            below = np.sqrt((x * y) ** 2 - t.low * b.high * (2 * x - t.low) * (2 * y - b.high))
            above = np.sqrt((x * y) ** 2 - t.high * b.low * (2 * x - t.high) * (2 * y - b.low))
            low = (x * y - below) / (b.high * (2 * y - b.high))
            high = (x * y + above) / (b.low * (2 * y - b.low))
            return Interval(np.where(usable, low - 1, np.nan), np.where(usable, high - 1, np.nan))

    def se(self, alpha: float = 0.05) -> Floats:
        """Half the interval of level 1 - alpha over its normal quantile: a standard error for display."""
        ci = self.interval(alpha)
        return (ci.high - ci.low) / (-2 * special.ndtri(alpha / 2))

    def two_sided_p(self) -> Floats:
        """The largest alpha whose `interval` holds 0; the ranks are whole, so it moves in steps."""
        tail = self._tail(np.where(self.effect < 0, -1.0, 1.0), np.asarray(1.0), np.asarray(0.0))
        return self._where_ok(np.minimum(1.0, 2 * tail))

    def upper_tail_p(
        self, sign: ArrayLike = 1.0, *, baseline_factor: ArrayLike = 1.0, margin: ArrayLike = 0.0
    ) -> Floats:
        """One-sided p-value of H0: sign·(T - factor·B) + margin ≤ 0, factor ≥ 0, by inverting MOVER.

        A margin relative to the baseline, of share m, is factor 1 - sign·m on a positive baseline.
        """
        s, factor, m = (np.asarray(x, dtype=float) for x in (sign, baseline_factor, margin))
        value = s * (self.treatment.value - factor * self.baseline.value) + m
        toward = np.where(value < 0, -1.0, 1.0)
        tail = self._tail(s * toward, factor, m * toward)
        return self._where_ok(np.where(value < 0, 1 - tail, tail))

    def _reach(self, tail: Floats, sign: Floats, factor: Floats) -> Floats:
        """How far sign·(T - factor·B) may lie below its estimate."""
        with np.errstate(invalid="ignore"):
            of_treatment = self.treatment.value - self.treatment.end(tail, -sign)
            of_baseline = self.baseline.end(tail, sign) - self.baseline.value
            return np.where(factor == 0, np.abs(of_treatment), np.hypot(of_treatment, factor * of_baseline))

    def _tail(self, sign: Floats, factor: Floats, margin: Floats) -> Floats:
        """The largest tail, at most 1/2, at which sign·(T - factor·B) + margin ≥ 0 may be 0, by bisection."""
        value = sign * (self.treatment.value - factor * self.baseline.value) + margin
        sign, factor = np.broadcast_to(sign, value.shape), np.broadcast_to(factor, value.shape)

        def holds_zero(tail: Floats) -> NDArray[np.bool_]:
            return np.asarray(value <= self._reach(tail, sign, factor))

        low, high = np.full(value.shape, np.log(SMALLEST_TAIL)), np.full(value.shape, np.log(0.5))
        largest = holds_zero(np.exp(high))
        for _ in range(_HALVINGS):
            middle = (low + high) / 2
            holds = holds_zero(np.exp(middle))
            low, high = np.where(holds, middle, low), np.where(holds, high, middle)
        return np.where(largest, 0.5, np.exp(high))

    def _where_ok(self, values: Floats) -> Floats:
        return np.where(self.status == Status.OK, values, np.nan)


def compare_quantiles(baseline: Quantile, treatment: Quantile) -> QuantileDifference:
    """The difference of two arms' quantiles, element by element; the worse status of the two counts.

    Below 10 units beyond the quantile in an arm, n·min(q, 1 - q) < 10 (of clustered events: as many as their
    variance is worth), the status is TOO_FEW_UNITS and only `effect` is a number.
    """
    with np.errstate(invalid="ignore"):
        effect = treatment.value - baseline.value
    worse = np.where(baseline.status == Status.OK, treatment.status, baseline.status)
    both = (baseline.status != Status.OK) & (treatment.status != Status.OK)
    status = np.where(both, np.minimum(baseline.status, treatment.status), worse)
    status = np.where((status == Status.OK) & ~np.isfinite(effect), _UNKNOWN, status).astype(np.int8)
    known = np.isin(status, (Status.OK, Status.TOO_FEW_UNITS, Status.ZERO_VARIANCE))
    return QuantileDifference(baseline, treatment, np.where(known, effect, np.nan), status)


def _groups(histogram: Histogram, level: ArrayLike, group: Integers | None) -> tuple[Integers, Floats]:
    picked = np.arange(histogram.offsets.size - 1) if group is None else np.asarray(group)
    q = np.broadcast_to(np.asarray(level, dtype=float), picked.shape)
    if np.any((q <= 0) | (q >= 1)):
        raise ValueError("the level of a quantile must be between 0 and 1")
    return picked, q


def _rank(n: Floats, share: Floats) -> Floats:
    """The smallest rank with at least this share up to it; rounding of the product does not count."""
    product = n * share
    return np.ceil(product - 4 * np.spacing(np.abs(product)))


def _too_few(n: Floats, level: Floats) -> NDArray[np.bool_]:
    beyond = n * np.minimum(level, 1 - level)
    return np.asarray((n >= 1) & (beyond < FEWEST_BEYOND * (1 - 1e-12)))
