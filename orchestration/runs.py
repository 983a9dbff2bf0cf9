"""One run of the daily job in this process, and what came of it."""

import sqlite3
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import cache
from typing import Any

import dagster as dg
from sqlalchemy import event
from sqlalchemy.engine import Engine

from orchestration.faults import faults_explained, with_advice
from orchestration.lock import writer_lock
from orchestration.progress import shown_on_terminal
from orchestration.recovery import writer_tags
from orchestration.run_configuration import pin_configuration
from orchestration.run_status import FailedCheck, RunStatus, failed_checks, status_of
from orchestration.workspace import Workspace

_OWN_ERRORS = ("orchestration.", "configs.")
"""How Dagster begins the message of an exception of ours, which says more than what caused it."""


@dataclass(frozen=True)
class RunOutcome:
    """How a run ended. `published` says whether the results of this run are the current ones."""

    run_id: str
    published: bool
    errors: list[str]
    failed_checks: list[FailedCheck]
    seconds: float
    step_seconds: dict[str, float] = field(default_factory=dict)

    @property
    def status(self) -> RunStatus:
        """All well, published with failures, or nothing published."""
        return status_of(is_broken=not self.published, checks=self.failed_checks)


class UnknownDayError(ValueError):
    """A log date that has no partition."""


def run_days(workspace: Workspace, first: date, last: date, *, wait_seconds: float = 0.0) -> RunOutcome:
    """Run the whole pipeline for the log dates first … last as one Dagster run, holding the writer lock throughout.

    Raises ConfigError when `project.yaml` or `sources.yaml` is broken, UnknownDayError for days without a partition,
    LockHeldError when another run still writes after `wait_seconds`, StateError when the state folder cannot be used.
    """
    with faults_explained(workspace), writer_lock(workspace.lock, wait_seconds=wait_seconds):
        return _run_days(workspace, first, last)


def _run_days(workspace: Workspace, first: date, last: date) -> RunOutcome:
    from orchestration.definitions import build_defs
    from orchestration.schedules import JOB_NAME

    started = time.perf_counter()
    run_id = str(uuid.uuid4())
    job = build_defs(pin_configuration(workspace, run_id)).resolve_job_def(JOB_NAME)
    keys = job.partitions_def.get_partition_keys() if job.partitions_def else []
    if not keys or first.isoformat() < keys[0] or last.isoformat() > keys[-1]:
        raise UnknownDayError(
            f"{first} … {last} is outside the log dates that have ended: {keys[0]} … {keys[-1]}; "
            "history_start in project.yaml sets the first, a day can be run once it is over"
            if keys
            else "no log date has ended yet: history_start in project.yaml lies in the future"
        )
    loaded = time.perf_counter()
    _wait_less_for_the_disk()
    with dg.DagsterInstance.get() as instance, shown_on_terminal():
        result = job.execute_in_process(
            instance=instance,
            raise_on_error=False,
            tags={
                "dagster/asset_partition_range_start": first.isoformat(),
                "dagster/asset_partition_range_end": last.isoformat(),
            }
            | writer_tags(run_id),
            run_id=run_id,
            run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
        )
    events = result.all_events
    steps = {
        event.step_key: event.step_success_data.duration_ms / 1000
        for event in events
        if event.is_step_success and event.step_key is not None
    }
    return RunOutcome(
        run_id=result.run_id,
        published=result.success,
        errors=[with_advice(error, workspace) for error in _errors(events)],
        failed_checks=failed_checks(result.get_asset_check_evaluations()),
        seconds=time.perf_counter() - started,
        step_seconds={"load definitions": loaded - started} | steps,
    )


def _errors(events: Sequence[dg.DagsterEvent]) -> list[str]:
    """The errors of steps; those of the whole run when no step has one."""
    return [_error_of(event) for event in events if event.is_step_failure] or [
        root_cause(event.job_failure_data.error) for event in events if event.is_job_failure
    ]


@cache
def _wait_less_for_the_disk() -> None:
    """Let SQLite, in which Dagster keeps runs and events, wait for the disk at its checkpoints and not at each commit.

    Its write-ahead log keeps the file whole; a power cut may take the last events, which only tell of a run.
    """

    @event.listens_for(Engine, "connect")
    def set_synchronous(connection: Any, _record: Any) -> None:
        if isinstance(connection, sqlite3.Connection):
            connection.execute("PRAGMA synchronous = NORMAL")


def _error_of(event: dg.DagsterEvent) -> str:
    return f"{event.step_key}: {root_cause(event.step_failure_data.error)}"


def root_cause(error: Any) -> str:
    """The first message of our own, or the innermost one, without the path of its exception's class."""
    while error is not None and error.cause is not None and not error.message.startswith(_OWN_ERRORS):
        error = error.cause
    if error is None:
        return "failed"
    name, separator, message = error.message.strip().partition(": ")
    return message if separator and "." in name and " " not in name else error.message.strip()
