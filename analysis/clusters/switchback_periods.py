"""What a switchback's logs say at an as-of date: the arm of each market's blocks, and its periods' sums."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.clusters.sums import ClusterSums
from analysis.clusters.switchback import Switchback, block_sums, optimal_starts
from analysis.statistics.status import Floats
from configs.design_schema import MINUTES_OF_DAY
from configs.schema import Experiment
from configs.schema import Switchback as Design
from configs.switchback_catalog import day_start

UNKNOWN = -1
"""The arm of a block without any exposure."""


def design_of(experiment: Experiment) -> Design:
    """The experiment's periods and blocks. Raises ValueError where it is no switchback."""
    if experiment.switchback is None:
        raise ValueError(f"experiment {experiment.id} is no switchback")
    return experiment.switchback


def periods_through(experiment: Experiment, as_of: date, timezone: str) -> int:
    """How many periods have ended when a local day ends, none after the experiment's end."""
    last = min(as_of, experiment.end) + timedelta(days=1)
    passed = day_start(last, timezone) - day_start(experiment.start, timezone)
    return max(passed // timedelta(minutes=design_of(experiment).period_minutes), 0)


def block_starts(experiment: Experiment) -> list[int]:
    """First periods of the blocks, from 0: of equal length, or those that are best for Horvitz-Thompson.

    Blocks of equal length go on for a day more than is planned: days may have 25 hours.
    """
    design = design_of(experiment)
    days = (experiment.end - experiment.start).days + 1
    periods = days * MINUTES_OF_DAY // design.period_minutes
    if design.block_periods is None:
        return optimal_starts(periods, design.carryover_periods)
    return list(range(0, periods + MINUTES_OF_DAY // design.period_minutes, design.block_periods))


@dataclass(frozen=True)
class MetricPeriods:
    """A metric's sums (markets, periods) in the arm of each period's block: units, values, a ratio's denominators."""

    units: Floats
    value: Floats
    denominator: Floats
    is_ratio: bool

    @property
    def size(self) -> Floats:
        """What a mean is over: units, or a ratio's denominators."""
        return self.denominator if self.is_ratio else self.units


@dataclass(frozen=True)
class Played:
    """What was played so far: `block` (periods) of each period, `arm` (markets, blocks), which is `UNKNOWN` unseen.

    Arms are numbered as the experiment's variants. `strays` (markets, blocks) are units that were logged in another arm
    than most of their block's, `logged` all of them.
    """

    experiment: Experiment
    markets: tuple[str, ...]
    block: NDArray[np.int64]
    arm: NDArray[np.int64]
    strays: NDArray[np.int64]
    logged: NDArray[np.int64]

    @property
    def treatment(self) -> int:
        """The number of the arm that is compared with the baseline."""
        return next(at for at, variant in enumerate(self.experiment.variants) if not variant.baseline)

    @property
    def stray_share(self) -> float:
        """The share of units that were logged in another arm than their block's."""
        total = int(self.logged.sum())
        return float(self.strays.sum() / total) if total else 0.0

    @property
    def is_known(self) -> bool:
        """Whether every block's arm is on record."""
        return bool((self.arm != UNKNOWN).all())

    @cached_property
    def place(self) -> NDArray[np.int64]:
        """Of each period, how many of its block came before it."""
        starts = np.flatnonzero(np.diff(self.block, prepend=-1))
        return np.arange(self.block.size) - starts[self.block] if starts.size else self.block

    def kept(self, carryover: int) -> NDArray[np.bool_]:
        """Periods (periods) that are left after washout."""
        return self.place >= carryover

    def blocks(self, sums: Floats, carryover: int) -> Floats:
        """Sums (markets, blocks) of the periods left after washout."""
        member = self.block[:, None] == np.arange(self.arm.shape[1])
        return (sums * self.kept(carryover)) @ member.astype(float)

    def clusters(self, metric: MetricPeriods, carryover: int) -> ClusterSums:
        """Blocks of all markets as clusters, washed out."""
        with np.errstate(invalid="ignore", divide="ignore"):
            means = metric.value / metric.size
        parts = [
            block_sums(one, metric.size[at]) for at, one in enumerate(self._designs(np.nan_to_num(means), carryover))
        ]
        return ClusterSums(
            *(np.concatenate([getattr(part, name) for part in parts]) for name in ("size", "total", "is_treated"))
        )

    def series(self, metric: MetricPeriods) -> list[Switchback]:
        """Each market's outcomes: a period's total less the common mean of its units, per unit of a usual period."""
        size, value = metric.size, metric.value
        mean = value.sum() / size.sum() if size.sum() else np.nan
        usual = size.mean() if size.size else np.nan
        return self._designs((value - mean * size) / usual, design_of(self.experiment).carryover_periods)

    def _designs(self, outcomes: Floats, carryover: int) -> list[Switchback]:
        share = self.experiment.variants[self.treatment].weight
        return [
            Switchback(outcomes[at], self.block, (self.arm[at] == self.treatment)[self.block], carryover, share)
            for at in range(len(self.markets))
        ]


def played(rows: pd.DataFrame, experiment: Experiment, as_of: date, timezone: str) -> Played:
    """What the exposures known at a date say; `rows` are the experiment's of fct_switchback_sums."""
    n_periods = periods_through(experiment, as_of, timezone)
    known = _known(rows, as_of, n_periods)
    known = known[known["metric_id"] == min(experiment.metric_ids)]  # units are the same for every metric
    markets = tuple(sorted(known["market"].astype("str").unique()))
    block = np.searchsorted(block_starts(experiment), np.arange(n_periods), side="right") - 1
    n_blocks = int(block[-1]) + 1 if n_periods else 0
    variants = [variant.id for variant in experiment.variants]
    counts = np.zeros((len(variants), len(markets), n_blocks), dtype=np.int64)
    at = _positions(known, variants, markets)
    np.add.at(counts, (at[0], at[1], block[at[2]]), known["n_units"].to_numpy(dtype=np.int64))
    logged = counts.sum(axis=0)
    arm = np.where(logged > 0, counts.argmax(axis=0) if counts.size else logged, UNKNOWN)
    return Played(experiment, markets, block, arm, logged - counts.max(axis=0, initial=0), logged)


def metric_periods(rows: pd.DataFrame, found: Played, metric_id: str, as_of: date, *, is_ratio: bool) -> MetricPeriods:
    """A metric's sums so far, of the units that were logged in their block's arm."""
    known = _known(rows, as_of, found.block.size)
    known = known[known["metric_id"] == metric_id]
    variants = [variant.id for variant in found.experiment.variants]
    arm, market, period = _positions(known, variants, found.markets)
    is_own = found.arm[market, found.block[period]] == arm
    sums = np.zeros((3, len(found.markets), found.block.size))
    names = (("n_units", ""), ("value_sum", "decimals"), ("denominator_sum", "denominator_decimals"))
    for total, (name, decimals) in zip(sums, names, strict=True):
        figures = known[name].to_numpy(dtype=float)
        np.add.at(total, (market[is_own], period[is_own]), figures[is_own])
        if decimals and len(known):
            total /= 10.0 ** int(known[decimals].iloc[0])
    return MetricPeriods(sums[0], sums[1], sums[2], is_ratio)


def _known(rows: pd.DataFrame, as_of: date, n_periods: int) -> pd.DataFrame:
    return rows[(pd.to_datetime(rows["known_from"]) <= pd.Timestamp(as_of)) & (rows["period"] < n_periods)]


def _positions(
    rows: pd.DataFrame, variants: Sequence[str], markets: Sequence[str]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Each row's arm, market and period as positions."""
    arm = pd.Index(variants).get_indexer(rows["variant_id"].astype("str"))
    market = pd.Index(markets, dtype="object").get_indexer(rows["market"].astype("str").astype("object"))
    return arm.astype(np.int64), market.astype(np.int64), rows["period"].to_numpy(dtype=np.int64)
