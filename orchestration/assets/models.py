"""The dbt models, and their tests as asset checks."""

from collections.abc import Iterator, Mapping, Sequence
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

import dagster as dg
from dagster_dbt import DagsterDbtTranslator, DagsterDbtTranslatorSettings, dbt_assets

from orchestration.assets.inputs import INPUTS_KEY
from orchestration.assets.results import MARTS
from orchestration.dbt_models import MemoryLimitError, NodeResult, build_models
from orchestration.engine import Engine, engine_of
from orchestration.inputs import needed_log_dates, read_inputs
from orchestration.lake import Lake
from orchestration.planning import chunked, with_base_dates, with_changes_through
from orchestration.progress import with_progress
from orchestration.resources import WAREHOUSE_POOL, run_workspace
from orchestration.unused_models import record_whole_build, unused_models
from orchestration.warehouse import (
    has_table,
    load_plan,
    load_slices,
    open_warehouse,
    planned_builds,
    record_build,
    release,
    snapshots,
)
from orchestration.workspace import Workspace

DAYS_PER_BUILD = 31
"""As-of dates that one dbt invocation builds: what a resumed backfill has to do again at most."""

ROWS_PER_SLICE = 12_000_000
"""Joined rows that one pass of a model works on within the memory limit that is the default."""

ROWS_TESTED = 1_000_000
"""About how many of the joined rows tests of single units look at."""

FINEST_CUT = 16
"""Of models that did not fit into memory: into how many times as many slices they are cut at last."""

UNIQUE_ID = "dagster_dbt/unique_id"


class ModelKeys(DagsterDbtTranslator):
    """Asset keys: a model's schema and name; one key for all sources, which one step prepares."""

    def get_asset_key(self, dbt_resource_props: Mapping[str, Any]) -> dg.AssetKey:
        """`[schema, name]`, for instance `marts/fct_metric_moments`."""
        if dbt_resource_props["resource_type"] == "source":
            return INPUTS_KEY
        return dg.AssetKey([dbt_resource_props["schema"], dbt_resource_props["name"]])

    def get_group_name(self, dbt_resource_props: Mapping[str, Any]) -> str | None:
        """The folder a model lies in."""
        return str(dbt_resource_props["fqn"][1])


def build_planned(workspace: Workspace) -> list[list[NodeResult]]:
    """Build every planned as-of date, a span at a time, and remember of each span that it was built.

    A span that fails a test of severity error ends the build and stays begun: the next run builds and tests it again.
    Before anything was ever planned, the tables are made all the same, empty. Raises DbtError when a model cannot be
    built; what was published before stays.
    """
    inputs = read_inputs(workspace)
    lake, engine = Lake(workspace.lake), engine_of(workspace)
    results = []
    with open_warehouse(workspace.warehouse) as connection:
        chunks = list(chunked(planned_builds(connection, "runs.build"), DAYS_PER_BUILD))
        if not chunks and not all(has_table(connection, "marts", name) for name in MARTS):
            chunks = [[]]
    for chunk in with_progress(chunks, "build models"):
        dates = needed_log_dates(inputs, chunk)
        with open_warehouse(workspace.warehouse) as connection:
            based = with_base_dates(chunk, snapshots(connection))
            load_plan(connection, with_changes_through(based, inputs.read_by_unit))
            engine.register_lake(connection, inputs.config, inputs.lake_files(lake, dates))
            unused = unused_models(connection, workspace, inputs.config)
        results.append(_build_within_memory(workspace, engine, inputs.joined_rows(dates), without=unused))
        if any(result.is_failure for result in results[-1]):
            break
        with open_warehouse(workspace.warehouse) as connection:
            engine.take_back(connection)
            if not unused:
                record_whole_build(connection, workspace)
            record_build(connection, chunk, inputs.analysed_hashes, inputs.partition_hashes)
    return results


def _build_within_memory(
    workspace: Workspace,
    engine: Engine,
    rows: int,
    *,
    without: Sequence[str],
    cut: int = 1,
    models: Sequence[str] = (),
) -> list[NodeResult]:
    """Build the span in as many slices as its joined rows ask for, times `cut`; what does not fit gets twice as many.

    How much DuckDB holds at once depends on how its threads fall, so that no estimate of ours is always enough.
    """
    with open_warehouse(workspace.warehouse) as connection:
        slices = (1 + rows // ROWS_PER_SLICE) * cut if engine.cuts_units else 1
        load_slices(connection, slices, (1 + rows // ROWS_TESTED) * cut)
        engine.hand_over(connection)
    release(workspace.warehouse)
    try:
        return build_models(models, without)
    except MemoryLimitError as error:
        if cut >= FINEST_CUT:
            raise
        return [
            *error.built,
            *_build_within_memory(workspace, engine, rows, without=without, cut=2 * cut, models=error.models),
        ]


def model_assets(manifest: Path) -> dg.AssetsDefinition:
    """Every dbt model as an asset, every dbt test as a check.

    Not partitioned: a run builds the as-of dates of its plan, which a correction or a changed configuration makes
    others than its log dates; and Dagster would store two events for each model and log date of a backfill.
    """

    @dbt_assets(
        manifest=manifest,
        name="models",
        exclude="resource_type:unit_test",
        dagster_dbt_translator=ModelKeys(DagsterDbtTranslatorSettings(enable_duplicate_source_asset_keys=True)),
        required_resource_keys={"writer_lock"},
        pool=WAREHOUSE_POOL,
    )
    def models(
        context: dg.AssetExecutionContext,
    ) -> Iterator[dg.MaterializeResult | dg.AssetCheckResult]:
        spans = build_planned(run_workspace(context))
        definition = context.assets_def
        specs = {spec.key: spec for spec in definition.specs}
        parents = {key: definition.asset_deps[key] & specs.keys() for key in specs}
        for spec in (specs[key] for key in TopologicalSorter(parents).static_order()):
            ran = [result for span in spans for result in span if result.unique_id == spec.metadata[UNIQUE_ID]]
            yield dg.MaterializeResult(
                asset_key=spec.key,
                metadata={"seconds": sum(result.seconds for result in ran), "spans": len(ran)},
            )
        for check in definition.check_specs:
            ran = [result for span in spans for result in span if result.unique_id == (check.metadata or {})[UNIQUE_ID]]
            yield _check_result(check, ran)

    return models


def _check_result(check: dg.AssetCheckSpec, ran: list[NodeResult]) -> dg.AssetCheckResult:
    failed = [result for result in ran if not result.passed]
    is_error = any(result.status != "warn" for result in failed)
    return dg.AssetCheckResult(
        asset_key=check.asset_key,
        check_name=check.name,
        passed=not failed,
        severity=dg.AssetCheckSeverity.ERROR if is_error else dg.AssetCheckSeverity.WARN,
        description="; ".join(result.message for result in failed) or _held(ran),
        metadata={"failing_rows": sum(result.failures for result in failed)},
    )


def _held(ran: list[NodeResult]) -> str:
    return f"held in {len(ran)} builds" if ran else "nothing to test: no experiment or metric asks for such rows"
