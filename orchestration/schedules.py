"""The daily job, the weekly one, and their schedules."""

from typing import Any

import dagster as dg

from configs.schema import Project
from orchestration.assets.calibration import CALIBRATION_KEY
from orchestration.partitions import log_dates

JOB_NAME = "daily_analysis"
CALIBRATION_JOB = "weekly_calibration"
WHOLE_RETRIES = {"dagster/retry_strategy": "ALL_STEPS"}
"""Where an instance retries runs whose process died: from the first step, which finds what the dead one left."""


def daily_job(project: Project) -> Any:
    """Every asset but calibration, for one log date or a range of them in a single run."""
    return dg.define_asset_job(
        JOB_NAME,
        selection=dg.AssetSelection.all() - dg.AssetSelection.assets(CALIBRATION_KEY),
        partitions_def=log_dates(project),
        description="Ingest the log date, build every as-of date it touches, decide, publish.",
        tags=WHOLE_RETRIES,
        executor_def=dg.in_process_executor,
    )


def daily_schedule(job: Any) -> Any:
    """Once a day at 02:30 in the project's timezone, for the log date that has just ended."""
    return dg.build_schedule_from_partitioned_job(
        job, hour_of_day=2, minute_of_hour=30, default_status=dg.DefaultScheduleStatus.RUNNING
    )


def calibration_job() -> Any:
    """Calibration alone: some seconds for each experiment, and what it finds changes slowly."""
    return dg.define_asset_job(
        CALIBRATION_JOB,
        selection=dg.AssetSelection.assets(CALIBRATION_KEY),
        description="Re-randomise every experiment's units in buckets, and test the tests.",
        tags=WHOLE_RETRIES,
        executor_def=dg.in_process_executor,
    )


def weekly_calibration(job: Any, project: Project) -> dg.ScheduleDefinition:
    """On Sundays at 05:30 in the project's timezone, when the daily run is over."""
    return dg.ScheduleDefinition(
        job=job,
        cron_schedule="30 5 * * 0",
        execution_timezone=project.timezone,
        default_status=dg.DefaultScheduleStatus.RUNNING,
    )
