"""The last step: the tables that people read."""

import dagster as dg

from configs.schema import Project
from orchestration.assets.results import DECISIONS_KEY, HEALTH_KEY, HETEROGENEITY_KEY, MART_KEYS, SCORECARD_KEY
from orchestration.faults import UNCHANGED, StateError
from orchestration.inputs import read_inputs
from orchestration.lake import Lake
from orchestration.partitions import SINGLE_RUN, log_dates
from orchestration.planning import PlannedBuild, still_due
from orchestration.publish import current_run, is_whole, publish
from orchestration.published_tables import (
    changed_partitions,
    keep_superseded,
    published_tables,
    record_publication,
)
from orchestration.request import finish_request
from orchestration.resources import WAREHOUSE_POOL, run_workspace
from orchestration.warehouse import open_warehouse, planned_builds
from orchestration.workspace import Workspace

PUBLISHED_KEY = dg.AssetKey("published_results")


def publish_asset(project: Project) -> dg.AssetsDefinition:
    """`published_results`: runs only when no blocking check upstream has failed."""

    @dg.asset(
        key=PUBLISHED_KEY,
        deps=[*MART_KEYS, SCORECARD_KEY, HETEROGENEITY_KEY, HEALTH_KEY, DECISIONS_KEY],
        group_name="publish",
        kinds={"duckdb", "parquet"},
        description="The published results: results.duckdb and results/<table>/, replaced in one step.",
        partitions_def=log_dates(project),
        backfill_policy=SINGLE_RUN,
        required_resource_keys={"writer_lock"},
        pool=WAREHOUSE_POOL,
    )
    def published_results(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        folder = publish_run(run_workspace(context), context.run.run_id)
        return dg.MaterializeResult(metadata={"folder": dg.MetadataValue.path(str(folder))})

    return published_results


def publish_run(workspace: Workspace, run_id: str) -> str:
    """Publish what the prepared run computed; returns the run's folder.

    Raises StateError when models of it were not built: this step was executed by itself after a run that died.
    """
    inputs = read_inputs(workspace)
    previous = current_run(workspace.state)
    with open_warehouse(workspace.warehouse) as connection:
        plans = planned_builds(connection)
        begun = planned_builds(connection, "runs.begun_builds")
        _require_built(still_due(inputs.config, begun))
        begun += planned_builds(connection, "runs.unpublished_builds")
        waiting = sorted({plan.experiment_id for plan in begun} - {plan.experiment_id for plan in plans})
        tables = published_tables(connection, inputs, Lake(workspace.lake), workspace.state, previous, waiting)
        intact = previous if previous is not None and is_whole(previous) else None
        changed = changed_partitions(connection, inputs, plans, intact)
        keep_superseded(connection, plans, previous, workspace.superseded)
        folder = publish(connection, tables, state=workspace.state, run_id=run_id, changed=changed)
        record_publication(connection, folder)
    finish_request(workspace.state)
    return str(folder)


def _require_built(begun: list[PlannedBuild]) -> None:
    if begun:
        listed = ", ".join(f"{plan.experiment_id} {plan.from_date} … {plan.to_date}" for plan in begun)
        raise StateError(
            f"the models of {listed} were begun and not built, or fail their tests: they would be half published. "
            f"Run the whole job for the last day again; {UNCHANGED}"
        )
