"""The daily job and its schedule."""

from typing import Any

import dagster as dg

from configs.schema import Project
from orchestration.partitions import log_dates

JOB_NAME = "daily_analysis"


def daily_job(project: Project) -> Any:
    """Every asset, for one log date or a range of them in a single run."""
    return dg.define_asset_job(
        JOB_NAME,
        selection=dg.AssetSelection.all(),
        partitions_def=log_dates(project),
        description="Ingest the log date, build every as-of date it touches, decide, publish.",
        executor_def=dg.in_process_executor,
    )


def daily_schedule(job: Any) -> Any:
    """Once a day at 02:30 in the project's timezone, for the log date that has just ended."""
    return dg.build_schedule_from_partitioned_job(
        job, hour_of_day=2, minute_of_hour=30, default_status=dg.DefaultScheduleStatus.RUNNING
    )
