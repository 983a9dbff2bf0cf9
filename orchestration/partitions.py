"""Partitions: one per log date, from the start of history to yesterday, in the project's timezone."""

from datetime import date, timedelta

import dagster as dg

from configs.schema import Project

SINGLE_RUN = dg.BackfillPolicy.single_run()


def log_dates(project: Project) -> dg.DailyPartitionsDefinition:
    """The partitions of every asset."""
    return dg.DailyPartitionsDefinition(start_date=project.history_start.isoformat(), timezone=project.timezone)


def requested_range(context: dg.AssetExecutionContext) -> tuple[date, date]:
    """The first and last log date of the step's partition range."""
    keys = context.partition_key_range
    return date.fromisoformat(keys.start), date.fromisoformat(keys.end)


def days_between(first: date, last: date) -> list[date]:
    """Every date from `first` to `last`, both included."""
    return [first + timedelta(days=offset) for offset in range((last - first).days + 1)]
