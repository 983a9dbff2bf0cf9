"""What dbt reads: the rendered configuration, the plan of the run, and views over the lake."""

from collections.abc import Iterator

import dagster as dg

from configs.schema import Project, Sources
from orchestration.assets.ingest import ingest_key
from orchestration.inputs import prepare_run
from orchestration.partitions import SINGLE_RUN, log_dates, requested_range
from orchestration.warehouse import INPUT_TABLES
from orchestration.workspace import Workspace

LAKE_KEYS = [dg.AssetKey(["lake", "exposures"]), dg.AssetKey(["lake", "events"])]
INPUT_KEYS = [dg.AssetKey(["inputs", name]) for name in (*INPUT_TABLES, "build_plan", "calendar", "source_freshness")]


def inputs_asset(workspace: Workspace, project: Project, sources: Sources) -> dg.AssetsDefinition:
    """The step between the lake and dbt."""
    upstream = [ingest_key(source.id) for source in (*sources.exposures, *sources.events)]
    keys = (*LAKE_KEYS, *INPUT_KEYS)

    @dg.multi_asset(
        name="warehouse_inputs",
        specs=[dg.AssetSpec(key, deps=upstream, group_name=key.path[0], kinds={"duckdb"}) for key in keys],
        partitions_def=log_dates(project),
        backfill_policy=SINGLE_RUN,
        pool="warehouse",
        required_resource_keys={"writer_lock"},
    )
    def warehouse_inputs(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult]:
        plans = prepare_run(workspace, requested_range(context))
        planned = ", ".join(f"{plan.experiment_id} {plan.from_date}…{plan.to_date}" for plan in plans)
        context.log.info("planned: %s", planned or "nothing")
        for key in keys:
            yield dg.MaterializeResult(asset_key=key, metadata={"planned_experiments": len(plans)})

    return warehouse_inputs
