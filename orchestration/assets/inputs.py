"""What dbt reads: the rendered configuration, the plan of the run, and views over the lake."""

import dagster as dg

from configs.schema import Project, Sources
from orchestration.assets.ingest import ingest_key
from orchestration.inputs import prepare_run
from orchestration.partitions import SINGLE_RUN, log_dates, requested_range
from orchestration.resources import WAREHOUSE_POOL, run_workspace

INPUTS_KEY = dg.AssetKey("warehouse_inputs")
"""Stands for every dbt source: the tables of schema `inputs` and the views of schema `lake`."""


def inputs_asset(project: Project, sources: Sources) -> dg.AssetsDefinition:
    """The step between the lake and dbt."""

    @dg.asset(
        key=INPUTS_KEY,
        deps=[ingest_key(source.id) for source in (*sources.exposures, *sources.events)],
        group_name="inputs",
        kinds={"duckdb"},
        description="Configuration, calendar and build plan as tables, the lake as views; what dbt reads.",
        partitions_def=log_dates(project),
        backfill_policy=SINGLE_RUN,
        required_resource_keys={"writer_lock"},
        pool=WAREHOUSE_POOL,
    )
    def warehouse_inputs(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        plans = prepare_run(run_workspace(context), requested_range(context))
        table = [
            dg.TableRecord(
                {
                    "experiment_id": plan.experiment_id,
                    "from_date": plan.from_date.isoformat(),
                    "to_date": plan.to_date.isoformat(),
                    "is_rebuild": plan.is_rebuild,
                }
            )
            for plan in plans
        ]
        return dg.MaterializeResult(metadata={"planned": dg.MetadataValue.table(table)} if table else {})

    return warehouse_inputs
