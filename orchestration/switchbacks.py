"""Switchbacks: sums by period, and what is estimated and checked by them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial

import duckdb
import pandas as pd

from analysis.clusters.switchback_periods import UNKNOWN, Played, played
from analysis.clusters.switchback_scorecard import switchback_scorecard
from analysis.clusters.switchback_tables import (
    BLOCK_COLUMNS,
    ESTIMATE_COLUMNS,
    switchback_blocks,
    switchback_estimates,
)
from analysis.health import HealthData
from analysis.periods import as_days
from configs.schema import Experiment, Metric
from orchestration.inputs import RunInputs
from orchestration.isolation import Experiments, isolated
from orchestration.partitions import days_between
from orchestration.planning import PlannedBuild

TABLES = {"switchback_estimates": ESTIMATE_COLUMNS, "switchback_blocks": BLOCK_COLUMNS}
COMPUTED: dict[str, Callable[..., pd.DataFrame]] = {
    "switchback_estimates": switchback_estimates,
    "switchback_blocks": switchback_blocks,
}


@dataclass(frozen=True)
class SwitchbackData:
    """What is read of the planned switchbacks: fct_switchback_sums, and the as-of dates of their plans."""

    experiments: Mapping[str, Experiment]
    metrics: Mapping[str, Metric]
    rows: pd.DataFrame
    dates: pd.DataFrame
    timezone: str

    def scorecard(self, experiments: Experiments, blocked: pd.DataFrame) -> pd.DataFrame:
        """Rows of those of `experiments` that are switchbacks, at the planned dates."""
        own = {id_: experiment for id_, experiment in experiments.items() if id_ in self.experiments}
        return switchback_scorecard(self.rows, own, self.metrics, blocked, self.dates, self.timezone)

    def table(self, name: str) -> pd.DataFrame:
        """A table at the planned dates; of an experiment that fails, no row."""
        frame, _ = isolated(
            self.experiments,
            lambda some: COMPUTED[name](self.rows, some, self.metrics, self.dates, self.timezone),
        )
        return frame


def read_switchbacks(
    connection: duckdb.DuckDBPyConnection, inputs: RunInputs, plans: list[PlannedBuild]
) -> SwitchbackData | None:
    """What the planned switchbacks need; None, and nothing read, where none is planned."""
    own = [plan for plan in plans if inputs.config.experiments[plan.experiment_id].switchback is not None]
    if not own:
        return None
    rows = connection.execute(
        "select mart.* from marts.fct_switchback_sums as mart where list_contains($ids, experiment_id) order by all",
        {"ids": [plan.experiment_id for plan in own]},
    ).df()
    dates = [
        (pd.Timestamp(day), plan.experiment_id) for plan in own for day in days_between(plan.from_date, plan.to_date)
    ]
    return SwitchbackData(
        experiments={plan.experiment_id: inputs.config.experiments[plan.experiment_id] for plan in own},
        metrics=inputs.config.metrics,
        rows=rows.assign(known_from=as_days(rows["known_from"])),
        dates=pd.DataFrame(dates, columns=["as_of_date", "experiment_id"]),
        timezone=inputs.config.project.timezone,
    )


def switchback_rows(
    connection: duckdb.DuckDBPyConnection, inputs: RunInputs, plans: list[PlannedBuild], table: str
) -> pd.DataFrame:
    """A table of switchbacks at the planned as-of dates: `switchback_estimates` or `switchback_blocks`."""
    data = read_switchbacks(connection, inputs, plans)
    if data is None:
        return pd.DataFrame(columns=list(TABLES[table])).astype(TABLES[table])
    return data.table(table)


SWITCHBACK_TABLES = {table: partial(switchback_rows, table=table) for table in TABLES}


def with_switchbacks(health: HealthData, data: SwitchbackData | None) -> HealthData:
    """With the blocks, by arm, that have begun: these were randomised. And with what exposures say of them."""
    if data is None:
        return health
    units, blocks, arms = [], [], []
    for id_, experiment in data.experiments.items():
        through = data.dates.loc[data.dates["experiment_id"] == id_, "as_of_date"].max().date()
        own = data.rows[data.rows["experiment_id"] == id_]
        for day in days_between(experiment.start, through):
            found = played(own, experiment, day, data.timezone)
            of_arms = [found.arm == arm for arm in range(len(experiment.variants))]
            key = {"as_of_date": pd.Timestamp(day), "experiment_id": id_}
            units += _counts(experiment, key, [int(found.logged[is_own].sum()) for is_own in of_arms])
            blocks += _counts(experiment, key, [int(is_own.sum()) for is_own in of_arms])
            arms.append(key | _arms(found))
    return replace(
        health,
        epoch_counts=_appended(health.epoch_counts, units),
        cluster_counts=_appended(health.cluster_counts, blocks),
        block_arms=_appended(health.block_arms, arms),
    )


def _arms(found: Played) -> dict[str, int]:
    unseen = int((found.arm == UNKNOWN).sum())
    return {
        "n_units": int(found.logged.sum()),
        "n_strays": int(found.strays.sum()),
        "n_blocks": int(found.arm.size),
        "n_unseen": unseen,
    }


def _counts(experiment: Experiment, key: dict[str, object], counts: list[int]) -> list[dict[str, object]]:
    whole = {"segment_name": "all", "segment_value": "all", "epoch": 0, "n_mixed_excluded": 0}
    return [
        key | whole | {"variant_id": variant.id, "n_units": count, "weight": variant.weight}
        for variant, count in zip(experiment.variants, counts, strict=True)
    ]


def _appended(frame: pd.DataFrame, rows: list[dict[str, object]]) -> pd.DataFrame:
    added = pd.DataFrame(rows)
    return added if frame.empty else pd.concat([frame, added], ignore_index=True)
