"""The nightly job that prunes Dagster's own records, in projects that say how long they are kept."""

from datetime import UTC, datetime, timedelta

import dagster as dg

from configs.schema import Project
from orchestration.retention import prune

JOB = "housekeeping"


def housekeeping(project: Project) -> list[dg.ScheduleDefinition]:
    """The job, on a schedule of its own: at 04:30 in the project's timezone. It needs no lock: it writes no result.

    None where `project.yaml` has no `retention`, which is read when the code location is loaded.
    """
    retention = project.retention
    if retention is None:
        return []

    @dg.op(description="Removes runs that ended long ago, their events, logs and checks, and ticks.")
    def prune_records(context: dg.OpExecutionContext) -> None:
        before = datetime.now(UTC) - timedelta(days=retention.run_days)
        context.log.info(f"Pruned what ended before {before:%Y-%m-%d %H:%M} UTC: {prune(context.instance, before)}")

    @dg.job(name=JOB, executor_def=dg.in_process_executor, description=f"Keeps {retention.run_days} days of runs.")
    def job() -> None:
        prune_records()

    return [
        dg.ScheduleDefinition(
            job=job,
            cron_schedule="30 4 * * *",
            execution_timezone=project.timezone,
            default_status=dg.DefaultScheduleStatus.RUNNING,
        )
    ]
