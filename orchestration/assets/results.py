"""Scorecard, health checks and decisions as assets; each kind of health check is one asset check."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import dagster as dg
import duckdb
import pandas as pd

from analysis.health import CHECKS
from analysis.scorecard import FAILED
from configs.schema import Project
from orchestration.factorial import factorial_effect_rows, factorial_term_rows
from orchestration.inputs import RunInputs, read_inputs
from orchestration.overlap_tables import overlap_rows
from orchestration.partitions import SINGLE_RUN, log_dates
from orchestration.planning import PlannedBuild
from orchestration.quasi import quasi_estimate_rows
from orchestration.resources import WAREHOUSE_POOL, run_workspace
from orchestration.result_tables import (
    BANDIT_TABLES,
    decision_rows,
    diluted_rows,
    event_rows,
    health_rows,
    monitor_rows,
    provenance_rows,
    scorecard_rows,
)
from orchestration.segment_tables import segment_interaction_rows
from orchestration.switchbacks import SWITCHBACK_TABLES
from orchestration.trend_tables import effect_trend_rows
from orchestration.warehouse import open_warehouse, planned_builds, replace_planned
from orchestration.workspace import Workspace

MARTS = (
    "fct_assignments",
    "fct_batch_moments",
    "fct_bucket_sums",
    "fct_cap_tails",
    "fct_category_counts",
    "fct_covariate_moments",
    "fct_day_moments",
    "fct_cluster_sums",
    "fct_earlier_arms",
    "fct_epoch_counts",
    "fct_event_clusters",
    "fct_event_value_counts",
    "fct_event_coverage",
    "fct_excluded_units",
    "fct_exposure_counts",
    "fct_group_days",
    "fct_logged_propensities",
    "fct_metric_moments",
    "fct_metric_probes",
    "fct_overlap_moments",
    "fct_stratum_moments",
    "fct_switchback_sums",
    "fct_value_counts",
)
MART_KEYS = [dg.AssetKey(["marts", name]) for name in MARTS]
SCORECARD_KEY = dg.AssetKey(["results", "scorecard"])
HETEROGENEITY_KEY = dg.AssetKey(["results", "heterogeneity"])
HEALTH_KEY = dg.AssetKey(["results", "health_checks"])
DECISIONS_KEY = dg.AssetKey(["results", "decisions"])
COMPUTATION = "computation"
ALL_CHECKS = (*CHECKS, COMPUTATION, "configuration")

Computation = Callable[[duckdb.DuckDBPyConnection, RunInputs, list[PlannedBuild]], pd.DataFrame]
HETEROGENEITY: dict[str, Computation] = {
    "segment_interactions": segment_interaction_rows,
    "effect_trends": effect_trend_rows,
    "experiment_overlaps": overlap_rows,
}
"""What is asked of effects: whether they differ between segments, last, and depend on other experiments."""


def result_assets(project: Project) -> list[dg.AssetsDefinition]:
    """`scorecard`, `heterogeneity`, `health_checks` and `decisions`."""

    def step(key: dg.AssetKey, deps: list[dg.AssetKey], **extra: Any) -> Callable[..., dg.AssetsDefinition]:
        return dg.asset(
            key=key,
            deps=deps,
            group_name="results",
            kinds={"python"},
            partitions_def=log_dates(project),
            backfill_policy=SINGLE_RUN,
            required_resource_keys={"writer_lock"},
            pool=WAREHOUSE_POOL,
            **extra,
        )

    def computed(key: dg.AssetKey) -> list[dg.AssetCheckSpec]:
        return [dg.AssetCheckSpec(COMPUTATION, asset=key, description="Experiments whose rows could not be computed.")]

    @step(SCORECARD_KEY, MART_KEYS, check_specs=computed(SCORECARD_KEY))
    def scorecard(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        """A row per as-of date, experiment, metric, treatment and segment; of quasi-experiments `quasi_estimates`."""
        with computing(run_workspace(context)) as compute:
            frame = compute("scorecard", scorecard_rows)
            compute("diluted_effects", diluted_rows)
            compute("factorial_effects", factorial_effect_rows)
            compute("factorial_terms", factorial_term_rows)
            for name, rows in (BANDIT_TABLES | SWITCHBACK_TABLES).items():
                compute(name, rows)
            quasi = compute("quasi_estimates", quasi_estimate_rows)
        failed = [
            rows.loc[rows["status"] == FAILED, ["experiment_id", "metric_id", "reason"]] for rows in (frame, quasi)
        ]
        listed = pd.concat(failed).rename(columns={"reason": "message"})
        return _materialized(frame, _computed(SCORECARD_KEY, listed))

    @step(HETEROGENEITY_KEY, [*MART_KEYS, SCORECARD_KEY], check_specs=computed(HETEROGENEITY_KEY))
    def heterogeneity(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        """Whether effects differ between segments, last, and depend on other experiments: tables of their own."""
        with computing(run_workspace(context)) as compute:
            frames = {name: compute(name, rows) for name, rows in HETEROGENEITY.items()}
        found = pd.concat([frame[["experiment_id", "metric_id", "status", "reason"]] for frame in frames.values()])
        failed = found[found["status"] == FAILED].rename(columns={"reason": "message"})
        return _materialized(found, _computed(HETEROGENEITY_KEY, failed[["experiment_id", "metric_id", "message"]]))

    checks = [
        dg.AssetCheckSpec(name, asset=HEALTH_KEY, description=f"Experiments whose {name} check fails, in a table.")
        for name in ALL_CHECKS
    ]

    @step(HEALTH_KEY, MART_KEYS, check_specs=checks)
    def health_checks(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult | dg.AssetCheckResult]:
        """A row per as-of date, experiment and check: whether the data can carry a decision."""
        with computing(run_workspace(context)) as compute:
            frame = compute("health_checks", health_rows)
        yield _materialized(frame)
        for name in ALL_CHECKS:
            yield _health_result(name, frame)

    @step(DECISIONS_KEY, [SCORECARD_KEY, HETEROGENEITY_KEY, HEALTH_KEY], check_specs=computed(DECISIONS_KEY))
    def decisions(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        """A row per as-of date and experiment: the recommendation, and a reason for every rule that fired."""
        with computing(run_workspace(context)) as compute:
            compute("rollback_monitor", monitor_rows)
            frame = compute("decisions", decision_rows)
            events = compute("lifecycle_events", event_rows)
            compute("provenance", lambda _, inputs, plans: provenance_rows(inputs, plans))
        latest = frame.sort_values("as_of_date").groupby("experiment_id", as_index=False).last()
        table = latest[["experiment_id", "as_of_date", "recommendation", "summary"]].astype(str)
        records = [dg.TableRecord(row) for row in table.to_dict("records")]
        shown = events[["experiment_id", "as_of_date", "event", "action", "variant_id", "message"]].astype(str)
        tables = {"latest": records, "lifecycle_events": [dg.TableRecord(row) for row in shown.to_dict("records")]}
        failed = frame[frame["rule"] == COMPUTATION].rename(columns={"summary": "message"})
        return _materialized(
            frame,
            _computed(DECISIONS_KEY, failed[["experiment_id", "message"]]),
            **{name: dg.MetadataValue.table(rows) for name, rows in tables.items() if rows},
        )

    return [scorecard, heterogeneity, health_checks, decisions]


@contextmanager
def computing(workspace: Workspace) -> Iterator[Callable[[str, Computation], pd.DataFrame]]:
    """What computes a result table for the planned as-of dates, puts it into the warehouse, and returns it.

    The configuration is read, and the warehouse opened, once for all tables.
    """
    inputs = read_inputs(workspace)
    with open_warehouse(workspace.warehouse) as connection:
        plans = planned_builds(connection)

        def compute(table: str, computation: Computation) -> pd.DataFrame:
            frame = computation(connection, inputs, plans)
            replace_planned(connection, table, frame)
            return frame

        yield compute


def _materialized(
    frame: pd.DataFrame, check: dg.AssetCheckResult | None = None, **metadata: dg.MetadataValue
) -> dg.MaterializeResult:
    return dg.MaterializeResult(
        metadata={"dagster/row_count": len(frame), **metadata}, check_results=[check] if check is not None else []
    )


def _computed(key: dg.AssetKey, failed: pd.DataFrame) -> dg.AssetCheckResult:
    """Whether all could be computed; what could not is published as rows with the reason."""
    rows = failed.drop_duplicates().astype(str).to_dict("records")
    return dg.AssetCheckResult(
        asset_key=key,
        check_name=COMPUTATION,
        passed=failed.empty,
        severity=dg.AssetCheckSeverity.ERROR,
        description=f"{failed['experiment_id'].nunique()} experiments could not be computed whole",
        metadata={"failing": dg.MetadataValue.table([dg.TableRecord(row) for row in rows])} if rows else {},
    )


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
