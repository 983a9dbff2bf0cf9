"""Dagster's code location: `build_defs` makes the definitions of one workspace, `defs` those of the environment's."""

import warnings

import dagster as dg

from configs.load import load_config_tolerant, load_static
from configs.render import render
from orchestration.assets.calibration import calibration_asset
from orchestration.assets.destinations import destination_assets
from orchestration.assets.ingest import ingest_assets
from orchestration.assets.inputs import inputs_asset
from orchestration.assets.models import model_assets
from orchestration.assets.publish import publish_asset
from orchestration.assets.results import result_assets
from orchestration.dbt_models import manifest_path
from orchestration.housekeeping import housekeeping
from orchestration.resources import WriterLock
from orchestration.schedules import calibration_job, daily_job, daily_schedule, weekly_calibration
from orchestration.sensors import alert_sensors
from orchestration.workspace import Workspace

warnings.filterwarnings("ignore", category=dg.BetaWarning)  # backfill policies: what they are used for here is stable


def build_defs(workspace: Workspace) -> dg.Definitions:
    """The definitions of a workspace: sources and the start of history as they are now.

    Experiments and metrics are read in each run.

    Raises ConfigError when `project.yaml` or `sources.yaml` is broken.
    """
    workspace.activate()
    project, sources = load_static(workspace.configs)
    if not (workspace.generated / "macros" / "metric_catalog.sql").exists():
        config, _, _ = load_config_tolerant(workspace.configs)
        render(config, workspace.generated)
    job, calibration = daily_job(project), calibration_job()
    return dg.Definitions(
        assets=[
            *ingest_assets(project, sources),
            inputs_asset(project, sources),
            model_assets(manifest_path(workspace)),
            *result_assets(project),
            publish_asset(project),
            *destination_assets(project),
            calibration_asset(),
        ],
        jobs=[job, calibration],
        schedules=[daily_schedule(job), weekly_calibration(calibration, project), *housekeeping(project)],
        sensors=alert_sensors(workspace),
        resources={"writer_lock": WriterLock.of(workspace)},
        executor=dg.in_process_executor,
    )


@dg.definitions
def defs() -> dg.Definitions:
    """The definitions of the workspace that the environment names."""
    return build_defs(Workspace.from_environment())
