"""A metric of a switchback at an as-of date: what each estimator makes of its periods, and which of them decides."""

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from analysis.clusters.cr2 import cr2
from analysis.clusters.reasons import REASONS as OF_CLUSTERS
from analysis.clusters.reasons import THIN
from analysis.clusters.scorecard import FEW, MOST_STRAYS
from analysis.clusters.switchback import horvitz_thompson, randomisation_p
from analysis.clusters.switchback_periods import MetricPeriods, Played, design_of, metric_periods, played
from analysis.periods import as_days
from analysis.statistics.estimate import Contrast, contrast
from analysis.statistics.status import Status
from configs.schema import Experiment, Metric

BLOCK_MEANS, HORVITZ_THOMPSON = "switchback_cr2", "switchback_horvitz_thompson"
DRAWS = 999
NO_WASHOUT = "blocks have no period left after so long a washout"
REASONS: dict[Status, str] = OF_CLUSTERS | {
    Status.NO_UNITS: "no block of an arm has units after washout",
    Status.TOO_FEW_UNITS: "an arm has fewer than 2 blocks, or no period left after washout, so it has no variance",
    Status.FAILED: f"over {MOST_STRAYS:.0%} of units are logged in another arm than their block: not switched whole",
    Status.NOT_COMPUTED: "a block of some market has no exposure, so that its arm is not on record",
}


@dataclass(frozen=True)
class MetricResult:
    """A metric of a switchback at a date."""

    found: Played
    sums: MetricPeriods

    @property
    def carryover(self) -> int:
        """For how many periods an arm acts after it ended."""
        return design_of(self.found.experiment).carryover_periods

    @property
    def is_by_blocks(self) -> bool:
        """Whether block means are compared; without a length of blocks it is Horvitz-Thompson."""
        return design_of(self.found.experiment).block_periods is not None

    def block_means(self, carryover: int) -> Contrast:
        """The difference of arms' means over blocks, washed out."""
        if not self.found.markets or not self.found.kept(carryover).any():
            return none(Status.NO_UNITS)
        return self._judged(cr2(self.found.clusters(self.sums, carryover)))

    def horvitz_thompson(self) -> Contrast:
        """By the design alone."""
        if not self._has_series:
            return none(Status.NO_UNITS)
        if not self.found.is_known:
            return none(Status.NOT_COMPUTED)
        return self._judged(horvitz_thompson(self.found.series(self.sums)))

    @cached_property
    def randomised_p(self) -> float:
        """The p-value by drawing all arms again, by a seed of the experiment's own; NaN if a block is unseen."""
        if not self._has_series or not self.found.is_known:
            return np.nan
        seed = zlib.crc32(self.found.experiment.id.encode())
        return float(randomisation_p(self.found.series(self.sums), seed, DRAWS))

    @property
    def estimate(self) -> Contrast:
        """The one that decides."""
        return self.block_means(self.carryover) if self.is_by_blocks else self.horvitz_thompson()

    @property
    def warning(self) -> tuple[str, str] | None:
        """Status and reason where the one that decides stands on few blocks."""
        if not self.is_by_blocks or not bool(self.found.clusters(self.sums, self.carryover).is_thin):
            return None
        drawn = f"; with all arms drawn again p is {self.randomised_p:.3g}" if not np.isnan(self.randomised_p) else ""
        return FEW, THIN.replace("clusters", "blocks") + drawn

    @property
    def _has_series(self) -> bool:
        return bool(self.found.markets) and self.found.block.size > self.carryover and self.sums.size.sum() > 0

    def _judged(self, found: Contrast) -> Contrast:
        return none(Status.FAILED) if self.found.stray_share > MOST_STRAYS else found


def none(status: Status) -> Contrast:
    """No estimate, for the reason of a status."""
    return contrast(np.array(np.nan), np.array(np.nan), np.array(np.nan), np.array(np.int8(status)))


Results = Callable[[pd.Timestamp, Metric], MetricResult]


def results_of(rows: pd.DataFrame, experiment: Experiment, timezone: str) -> Results:
    """Each metric's result by as-of date; `rows` is fct_switchback_sums."""
    own = rows[rows["experiment_id"] == experiment.id]
    own = own.assign(known_from=as_days(own["known_from"]))
    by_day: dict[pd.Timestamp, Played] = {}

    def result(day: pd.Timestamp, metric: Metric) -> MetricResult:
        if day not in by_day:
            by_day[day] = played(own, experiment, day.date(), timezone)
        found = by_day[day]
        sums = metric_periods(own, found, metric.id, day.date(), is_ratio=metric.type == "ratio")
        return MetricResult(found, sums)

    return result
