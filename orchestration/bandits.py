"""Bandits: allocations from the moments by batch, and everything that is estimated by them.

The allocation of a day follows from the marts at the as-of date before it and nothing else, so every step that needs
the allocations so far computes them from the marts, and all of them find the same ones.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import date

import duckdb
import pandas as pd

from analysis.bandits.columns import ALLOCATION_COLUMNS, GAIN_COLUMNS, VALUE_COLUMNS
from analysis.bandits.logged_propensities import propensity_looks, shares_of
from analysis.bandits.scorecard import bandit_scorecard
from analysis.bandits.tables import bandit_allocations, bandit_gains, policy_values
from analysis.health import HealthData
from analysis.periods import as_days
from analysis.scorecard import FAILED
from configs.schema import Experiment, Metric
from orchestration.isolation import Experiments, isolated
from orchestration.partitions import days_between
from orchestration.planning import PlannedBuild

Blocked = Callable[[Experiments, list[date]], pd.DataFrame]
"""What may not be computed of experiments at as-of dates, as `analysis.completeness` gives it."""


@dataclass(frozen=True)
class BanditData:
    """What is read of the planned bandits: moments by batch and of everyone, and all allocations so far."""

    experiments: Mapping[str, Experiment]
    metrics: Mapping[str, Metric]
    batches: pd.DataFrame
    moments: pd.DataFrame
    allocations: pd.DataFrame
    dates: pd.DataFrame
    blocked: pd.DataFrame
    logged: pd.DataFrame | None

    def scorecard(self, experiments: Experiments, blocked: pd.DataFrame) -> pd.DataFrame:
        """Rows of those of `experiments` that are bandits, at the planned dates."""
        own = {id_: experiment for id_, experiment in experiments.items() if id_ in self.experiments}
        wanted = self.dates[self.dates["experiment_id"].isin(list(own))]
        return bandit_scorecard(
            self.batches, self.moments, self.allocations, own, self.metrics, blocked, wanted, self.logged
        )

    def allocation_rows(self) -> pd.DataFrame:
        """The allocations computed at the planned dates."""
        return self.allocations.merge(self.dates, on=["as_of_date", "experiment_id"], how="inner")

    def value_rows(self) -> pd.DataFrame:
        """Values of other policies at the planned dates."""

        def compute(some: Experiments) -> pd.DataFrame:
            return policy_values(self.batches, self.allocations, some, self.blocked, self.dates, self.logged)

        return _computed(self.experiments, compute, self.dates, VALUE_COLUMNS)

    def gain_rows(self) -> pd.DataFrame:
        """The gain over an equal split at the planned dates."""

        def compute(some: Experiments) -> pd.DataFrame:
            return bandit_gains(self.batches, self.allocations, some, self.blocked, self.dates, self.logged)

        return _computed(self.experiments, compute, self.dates, GAIN_COLUMNS)


EMPTY = {"bandit_allocations": ALLOCATION_COLUMNS, "policy_values": VALUE_COLUMNS, "bandit_gains": GAIN_COLUMNS}


def read_bandits(
    connection: duckdb.DuckDBPyConnection,
    experiments: Experiments,
    metrics: Mapping[str, Metric],
    plans: list[PlannedBuild],
    blocked: Blocked,
) -> BanditData | None:
    """What the planned bandits need; None, and nothing read, where none is planned."""
    bandits = {id_: experiment for id_, experiment in experiments.items() if experiment.bandit is not None}
    if not bandits:
        return None
    own = [plan for plan in plans if plan.experiment_id in bandits]
    so_far = [(plan.experiment_id, bandits[plan.experiment_id].start, plan.to_date) for plan in own]
    dates = sorted({day for _, first, last in so_far for day in days_between(first, last)})
    batches, moments = (_of_bandits(connection, name, bandits) for name in ("fct_batch_moments", "fct_metric_moments"))
    found, every = blocked(bandits, dates), _dates(so_far)

    def compute(some: Experiments) -> pd.DataFrame:
        return bandit_allocations(batches, some, metrics, found, every)

    allocations = _computed(bandits, compute, every, ALLOCATION_COLUMNS)
    planned = _dates([(plan.experiment_id, plan.from_date, plan.to_date) for plan in own])
    logging = {id_: one for id_, one in bandits.items() if one.bandit is not None and one.bandit.propensity is not None}
    logged = _of_bandits(connection, "fct_logged_propensities", logging) if logging else None
    return BanditData(bandits, metrics, batches, moments, allocations, planned, found, logged)


def with_allocations(health: HealthData, bandits: BanditData | None) -> HealthData:
    """The counts of units by day held against the shares of that day, of which `epoch` is the number."""
    if bandits is None:
        return health
    counts, starts = health.epoch_counts, {id_: one.start for id_, one in bandits.experiments.items()}
    first = pd.to_datetime(counts["experiment_id"].map(starts))
    days = (first + pd.to_timedelta(counts["epoch"].astype("int64"), unit="D")).astype("datetime64[us]")
    keys = ["experiment_id", "day", "variant_id"]
    shares = bandits.allocations.dropna(subset=["share"]).set_index(keys)["share"]
    index = pd.MultiIndex.from_frame(counts.assign(day=days)[keys])
    weight = shares.reindex(index).to_numpy(dtype=float)
    weights = pd.Series(weight, index=counts.index).fillna(counts["weight"])
    return _with_logged(replace(health, epoch_counts=counts.assign(weight=weights)), bandits)


def _with_logged(health: HealthData, bandits: BanditData) -> HealthData:
    """The shares that a bandit's own exposures log, where they do, and how these differ from what was published."""
    weights, looks = health.epoch_counts["weight"].copy(), []
    for id_, experiment in bandits.experiments.items():
        counts = health.epoch_counts[health.epoch_counts["experiment_id"] == id_]
        if bandits.logged is None or counts.empty or experiment.bandit is None or experiment.bandit.propensity is None:
            continue
        dates = sorted(set(as_days(counts["as_of_date"])))
        shares = shares_of(bandits.allocations, experiment, dates, bandits.logged)
        at = pd.Index(dates).get_indexer(pd.Index(as_days(counts["as_of_date"])))
        arm = pd.Index([one.id for one in experiment.variants]).get_indexer(counts["variant_id"].astype("str"))
        found = pd.Series(shares[at, counts["epoch"].to_numpy(dtype=int), arm], index=counts.index)
        weights[counts.index] = found.fillna(counts["weight"])
        looks.append(propensity_looks(bandits.allocations, experiment, dates, bandits.logged))
    if not looks:
        return health
    counts = health.epoch_counts.assign(weight=weights)
    return replace(health, epoch_counts=counts, logged_propensities=pd.concat(looks, ignore_index=True))


def _computed(
    bandits: Experiments,
    compute: Callable[[Experiments], pd.DataFrame],
    dates: pd.DataFrame,
    columns: Mapping[str, str],
) -> pd.DataFrame:
    """Rows of all bandits; one that fails has a row of status `failed` at each date, and stops no other."""
    frame, failures = isolated(bandits, compute)
    if not failures:
        return frame
    failed = dates[dates["experiment_id"].isin(list(failures))]
    texts = {name: "" for name, kind in columns.items() if kind == "str" and name != "experiment_id"}
    rows = failed.assign(**texts | {"status": FAILED, "reason": failed["experiment_id"].map(failures)})
    return pd.concat([frame, rows.reindex(columns=list(columns)).astype(dict(columns))], ignore_index=True)


def _of_bandits(connection: duckdb.DuckDBPyConnection, mart: str, bandits: Experiments) -> pd.DataFrame:
    whole = "and segment_name = 'all'" if mart == "fct_metric_moments" else ""
    return connection.execute(
        f"select mart.* from marts.{mart} as mart where experiment_id in (select unnest($ids)) {whole} order by all",
        {"ids": sorted(bandits)},
    ).df()


def _dates(spans: list[tuple[str, date, date]]) -> pd.DataFrame:
    pairs = [(pd.Timestamp(day), id_) for id_, first, last in spans for day in days_between(first, last)]
    frame = pd.DataFrame(pairs, columns=["as_of_date", "experiment_id"])
    return frame.astype({"as_of_date": "datetime64[us]", "experiment_id": "str"})
