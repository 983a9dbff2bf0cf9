"""Scorecard, health checks and decisions as assets; each kind of health check is one asset check."""

from collections.abc import Callable, Iterator
from typing import Any

import dagster as dg
import duckdb
import pandas as pd

from analysis.health import CHECKS
from configs.schema import Project
from orchestration.inputs import RunInputs, read_inputs
from orchestration.partitions import SINGLE_RUN, log_dates
from orchestration.planning import PlannedBuild
from orchestration.result_tables import decision_rows, health_rows, monitor_rows, provenance_rows, scorecard_rows
from orchestration.warehouse import open_warehouse, planned_builds, replace_planned
from orchestration.workspace import Workspace

MARTS = (
    "fct_assignments",
    "fct_bucket_sums",
    "fct_cap_tails",
    "fct_category_counts",
    "fct_epoch_counts",
    "fct_event_coverage",
    "fct_exposure_counts",
    "fct_metric_moments",
    "fct_stratum_moments",
    "fct_value_counts",
)
MART_KEYS = [dg.AssetKey(["marts", name]) for name in MARTS]
SCORECARD_KEY = dg.AssetKey(["results", "scorecard"])
HEALTH_KEY = dg.AssetKey(["results", "health_checks"])
DECISIONS_KEY = dg.AssetKey(["results", "decisions"])
ALL_CHECKS = (*CHECKS, "computation", "configuration")

Computation = Callable[[duckdb.DuckDBPyConnection, RunInputs, list[PlannedBuild]], pd.DataFrame]


def result_assets(workspace: Workspace, project: Project) -> list[dg.AssetsDefinition]:
    """`scorecard`, `health_checks` and `decisions`."""

    def step(key: dg.AssetKey, deps: list[dg.AssetKey], **extra: Any) -> Callable[..., dg.AssetsDefinition]:
        return dg.asset(
            key=key,
            deps=deps,
            group_name="results",
            kinds={"python"},
            partitions_def=log_dates(project),
            backfill_policy=SINGLE_RUN,
            required_resource_keys={"writer_lock"},
            **extra,
        )

    @step(SCORECARD_KEY, MART_KEYS)
    def scorecard() -> dg.MaterializeResult:
        """A row per as-of date, experiment, metric, treatment and segment: effect, intervals, p-values, status."""
        return _materialized(compute_table(workspace, "scorecard", scorecard_rows))

    checks = [
        dg.AssetCheckSpec(name, asset=HEALTH_KEY, description=f"Experiments whose {name} check fails, in a table.")
        for name in ALL_CHECKS
    ]

    @step(HEALTH_KEY, MART_KEYS, check_specs=checks)
    def health_checks() -> Iterator[dg.MaterializeResult | dg.AssetCheckResult]:
        """A row per as-of date, experiment and check: whether the data can carry a decision."""
        frame = compute_table(workspace, "health_checks", health_rows)
        yield _materialized(frame)
        for name in ALL_CHECKS:
            yield _health_result(name, frame)

    @step(DECISIONS_KEY, [SCORECARD_KEY, HEALTH_KEY])
    def decisions() -> dg.MaterializeResult:
        """A row per as-of date and experiment: the recommendation, and a reason for every rule that fired."""
        compute_table(workspace, "rollback_monitor", monitor_rows)
        frame = compute_table(workspace, "decisions", decision_rows)
        compute_table(workspace, "provenance", lambda _, inputs, plans: provenance_rows(inputs, plans))
        latest = frame.sort_values("as_of_date").groupby("experiment_id", as_index=False).last()
        table = latest[["experiment_id", "as_of_date", "recommendation", "summary"]].astype(str)
        records = [dg.TableRecord(row) for row in table.to_dict("records")]
        return _materialized(frame, **({"latest": dg.MetadataValue.table(records)} if records else {}))

    return [scorecard, health_checks, decisions]


def compute_table(workspace: Workspace, table: str, compute: Computation) -> pd.DataFrame:
    """Compute a result table for the planned as-of dates, put it into the warehouse, and return it."""
    inputs = read_inputs(workspace)
    with open_warehouse(workspace.warehouse) as connection:
        plans = planned_builds(connection)
        frame = compute(connection, inputs, plans)
        replace_planned(connection, table, frame)
    return frame


def _materialized(frame: pd.DataFrame, **metadata: dg.MetadataValue) -> dg.MaterializeResult:
    return dg.MaterializeResult(metadata={"dagster/row_count": len(frame), **metadata})


def _health_result(name: str, frame: pd.DataFrame) -> dg.AssetCheckResult:
    """One kind of check over all experiments at their latest as-of date."""
    of_kind = frame[frame["check_name"] == name]
    latest = of_kind[of_kind["as_of_date"] == of_kind.groupby("experiment_id")["as_of_date"].transform("max")]
    failing = latest[~latest["passed"].astype(bool)]
    is_error = (failing["severity"] == "error").any()
    columns = ["experiment_id", "as_of_date", "segment_name", "segment_value", "severity", "message"]
    records = [
        dg.TableRecord({column: str(value) for column, value in row.items()})
        for row in failing[columns].to_dict("records")
    ]
    return dg.AssetCheckResult(
        asset_key=HEALTH_KEY,
        check_name=name,
        passed=failing.empty,
        severity=dg.AssetCheckSeverity.ERROR if is_error else dg.AssetCheckSeverity.WARN,
        description=f"{failing['experiment_id'].nunique()} of {latest['experiment_id'].nunique()} experiments fail",
        metadata={"failing": dg.MetadataValue.table(records)} if records else {},
    )
