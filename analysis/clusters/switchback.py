"""Switchback experiments: one market switched between arms at random times, with washout for what carries over."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analysis.clusters.sums import ClusterSums
from analysis.statistics.estimate import Contrast, contrast
from analysis.statistics.status import Floats, Status, first_status

Integers = NDArray[np.int64]


@dataclass(frozen=True)
class Switchback:
    """`outcome` (..., periods) of equal periods, and the design: `block` (periods), from 0, `is_treated` (periods).

    Arms are drawn by block, treatment with chance `share`; an arm's effect lasts for `carryover` periods more. Raises
    ValueError for blocks that do not go up by 1, an arm that changes within one, a carryover that leaves no period.
    """

    outcome: Floats
    block: Integers
    is_treated: NDArray[np.bool_]
    carryover: int
    share: float = 0.5

    def __post_init__(self) -> None:
        periods = self.outcome.shape[-1]
        if self.block.shape != (periods,) or self.is_treated.shape != (periods,):
            raise ValueError(f"a block and an arm are needed for each of {periods} periods")
        if self.block[0] != 0 or not np.isin(np.diff(self.block), (0, 1)).all():
            raise ValueError("blocks are numbered from 0 in time order, without gaps")
        if ((np.diff(self.block) == 0) & (self.is_treated[1:] != self.is_treated[:-1])).any():
            raise ValueError("the arm changes within a block: arms are drawn by block")
        if not 0 <= self.carryover < periods:
            raise ValueError(f"a carryover of {self.carryover} periods leaves none of {periods}")
        if not 0 < self.share < 1:
            raise ValueError(f"the share {self.share} of treatment is not between 0 and 1")


def optimal_starts(periods: int, carryover: int) -> list[int]:
    """First periods (from 0) of blocks that make the worst error of `horvitz_thompson` least, at shares of ½.

    With m periods of carryover, 0, 2m, 3m, … (n - 2)m of nm periods: blocks of m, the first and last twice as long;
    every period without carryover. Raises ValueError unless periods are a multiple of m, and four times it or more.
    Reference: Bojinov, Simchi-Levi & Zhao 2023, Management Science 69, section 4.
    """
    if carryover == 0:
        return list(range(periods))
    if periods % carryover or periods < 4 * carryover:
        raise ValueError(f"{periods} periods are not four times a carryover of {carryover} or a further multiple of it")
    return [0, *range(2 * carryover, periods - carryover, carryover)]


def horvitz_thompson(design: Switchback | Sequence[Switchback], centre: Floats | float = 0.0) -> Contrast:
    """Mean effect of always treating against never (...), from periods whose arm has been one for `carryover` before.

    Such a period counts with one over the chance of that. Unbiased by the design alone, whatever outcomes do over
    time. The variance is an upper bound: products of outcomes under both arms, which nobody sees, are bounded by
    their squares. `centre` is subtracted from outcomes: a level known beforehand makes it far sharper. Several designs
    are markets whose arms were drawn apart: the mean is over all of their periods.
    Reference: Bojinov, Simchi-Levi & Zhao 2023, section 4 (here for any blocks and any share).
    """
    parts = [_market_sums(one, centre) for one in _markets(design)]
    periods = sum(part.periods for part in parts)
    with np.errstate(invalid="ignore", over="ignore"):
        value = np.sum([part.value for part in parts], axis=0) / periods
        se = np.sqrt(np.maximum(np.sum([part.variance for part in parts], axis=0), 0)) / periods
        figures = np.sum([part.total for part in parts], axis=0)
    is_one_armed = not all(any(part.is_seen[arm] for part in parts) for arm in (0, 1))
    status = first_status(
        (np.isinf(figures), Status.OVERFLOW),
        (np.isnan(figures), Status.NOT_COMPUTED),
        (np.full(figures.shape, is_one_armed), Status.TOO_FEW_UNITS),
    )
    df = float(max(sum(int(one.block[-1]) + 1 for one in _markets(design)) - 1, 1))
    return contrast(value, se, np.full(figures.shape, df), status)


@dataclass(frozen=True)
class _MarketSums:
    """Of one market: the estimate and its variance (...) as sums over periods, and whether each arm was long enough."""

    value: Floats
    variance: Floats
    total: Floats
    is_seen: tuple[bool, bool]
    periods: int


def _market_sums(design: Switchback, centre: Floats | float) -> _MarketSums:
    windows, arms = _windows(design), np.concatenate([[0], np.cumsum(_arms_of_blocks(design))])
    treated = arms[windows.last + 1] - arms[windows.first]
    is_treated, is_untreated = treated == windows.length, treated == 0
    outcome = design.outcome[..., design.carryover :] - np.asarray(centre)[..., None]
    member = windows.of_period[:, None] == np.arange(windows.length.size)
    with np.errstate(invalid="ignore", over="ignore"):
        sums = outcome @ member
        value, variance = np.zeros(sums.shape[:-1]), np.zeros(sums.shape[:-1])
        for is_played, chance, sign in (
            (is_treated, design.share, 1.0),
            (is_untreated, 1 - design.share, -1.0),
        ):
            seen = sums * is_played
            value = value + sign * np.sum(seen / chance**windows.length, axis=-1)
            # Cov of two windows' terms of one arm is y_g·y_h·(chance^-overlap - 1), seen with chance^union.
            joint = (chance**-windows.overlap - 1) / chance**windows.union
            variance = variance + np.einsum("...g,gh,...h->...", seen, joint, seen)
            # The other arm's part is y_g(1)·y_h(0) + y_g(0)·y_h(1), at most half of the squares of all four.
            touching = np.count_nonzero(windows.overlap, axis=1)
            variance = variance + np.sum(seen**2 * touching / chance**windows.length, axis=-1)
    seen_arms = bool(is_untreated.any()), bool(is_treated.any())
    return _MarketSums(value, variance, outcome.sum(axis=-1), seen_arms, windows.of_period.size)


def _markets(design: Switchback | Sequence[Switchback]) -> Sequence[Switchback]:
    return [design] if isinstance(design, Switchback) else design


def block_sums(design: Switchback, weight: ArrayLike = 1.0) -> ClusterSums:
    """Blocks as clusters, their first `carryover` periods washed out: for `cr2` and the wild bootstrap.

    Needs blocks longer than that; shorter ones have size 0. Which periods are left does not depend on the arms drawn.
    `weight` (..., periods) are units of a period, whose outcome is then their mean; alike by default. Compares means
    of the periods in each arm: a little biased in few blocks, and much sharper than `horvitz_thompson` without a
    centre, whose error grows with the level of outcomes.
    """
    starts = np.flatnonzero(np.diff(design.block, prepend=-1))
    kept = np.arange(design.block.size) - starts[design.block] >= design.carryover
    size = np.broadcast_to(np.asarray(weight, dtype=float), design.outcome.shape) * kept
    member = (design.block[:, None] == np.arange(starts.size)).astype(float)
    total = np.where(size > 0, design.outcome, 0.0) * size
    return ClusterSums.of(size @ member, total @ member, design.is_treated[starts])


def randomisation_p(design: Switchback | Sequence[Switchback], seed: int, draws: int = 9_999) -> Floats:
    """P-value (...) of "no period's outcome depends on any arm", exact whatever outcomes do over time.

    Arms are drawn again for all blocks, as they were drawn; the share of draws, the actual one among them, whose
    difference of weighted means is as large: over periods whose arm has been one for `carryover` before, by one over
    the chance of that. Draws in which an arm has no such period count as large; NaN if the actual one is such. Several
    designs are markets whose arms were drawn apart.
    Reference: Bojinov, Simchi-Levi & Zhao 2023, section 5; Fisher 1935.
    """
    markets, rng = _markets(design), np.random.default_rng(seed)
    actual, found = [], []
    for one in markets:
        windows, arms = _windows(one), _arms_of_blocks(one)
        drawn = rng.random((draws, arms.size)) < one.share
        actual.append(_weighted_sums(one, windows, arms[None, :]))
        found.append(_weighted_sums(one, windows, drawn))
    difference = _difference_of_means(actual)[..., 0]
    with np.errstate(invalid="ignore"):
        at_least = ~(np.abs(_difference_of_means(found)) < np.abs(difference)[..., None] * (1 - 1e-9))
    return np.where(np.isnan(difference), np.nan, (1.0 + at_least.sum(axis=-1)) / (1.0 + draws))


_Sums = tuple[Floats, Floats, Floats, Floats]
"""Weighted totals of outcomes (..., draws) and of periods (draws), of treatment and of the baseline."""


def _weighted_sums(design: Switchback, windows: "_Windows", arms: NDArray[np.bool_]) -> _Sums:
    member = windows.of_period[:, None] == np.arange(windows.length.size)
    totals, periods = design.outcome[..., design.carryover :] @ member, member.sum(axis=0)
    sums: list[Floats] = []
    for arm, chance in ((arms, design.share), (~arms, 1 - design.share)):
        before = np.concatenate([np.zeros((arm.shape[0], 1), dtype=int), np.cumsum(arm, axis=1)], axis=1)
        is_played = before[:, windows.last + 1] - before[:, windows.first] == windows.length
        weight = (is_played / chance**windows.length).T
        sums += [totals @ weight, periods @ weight]
    return sums[0], sums[1], sums[2], sums[3]


def _difference_of_means(markets: Sequence[_Sums]) -> Floats:
    """Differences of means (..., draws), invariant to a shift of outcomes; NaN where an arm has no period."""
    treated, n_treated, untreated, n_untreated = (sum(each) for each in zip(*markets, strict=True))
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(treated / n_treated - untreated / n_untreated)


@dataclass(frozen=True)
class _Windows:
    """Periods by the blocks that they and the carryover before them lie in: windows, arrays (windows).

    `of_period` (periods) is a period's window, `first` and `last` its blocks; `overlap` and `union` (windows, windows)
    count blocks in common and together.
    """

    of_period: Integers
    first: Integers
    last: Integers
    overlap: Integers
    union: Integers

    @property
    def length(self) -> Integers:
        """Blocks of each window."""
        return self.last - self.first + 1


def _windows(design: Switchback) -> _Windows:
    first = design.block[: design.block.size - design.carryover]
    last = design.block[design.carryover :]
    (starts, ends), of_period = np.unique(np.stack([first, last]), axis=1, return_inverse=True)
    overlap = np.maximum(np.minimum.outer(ends, ends) - np.maximum.outer(starts, starts) + 1, 0)
    length = ends - starts + 1
    return _Windows(of_period.ravel(), starts, ends, overlap, np.add.outer(length, length) - overlap)


def _arms_of_blocks(design: Switchback) -> NDArray[np.bool_]:
    return np.asarray(design.is_treated[np.flatnonzero(np.diff(design.block, prepend=-1))])
