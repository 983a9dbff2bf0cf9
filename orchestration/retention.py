"""Pruning Dagster's records of runs that ended long ago: Dagster itself keeps every run and its events for ever."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import sqlalchemy as sa
from dagster._core.storage.event_log.schema import (
    AssetCheckExecutionsTable,
    AssetEventTagsTable,
    ConcurrencySlotsTable,
    SqlEventLogStorageTable,
)
from dagster._core.storage.event_log.sql_event_log import SqlEventLogStorage
from dagster._core.storage.event_log.sqlite.sqlite_event_log import SqliteEventLogStorage
from dagster._core.storage.runs.schema import RunsTable, RunTagsTable
from dagster._core.storage.runs.sql_run_storage import SqlRunStorage
from sqlalchemy.engine import Connection

from orchestration.event_log import PooledSqliteEventLogStorage

RUNS_AT_ONCE = 100
ENDED = (dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED)


@dataclass(frozen=True)
class Pruned:
    """How much was removed, or would be."""

    runs: int
    events: int
    checks: int
    ticks: int
    kept_materializations: int

    def __str__(self) -> str:
        return (
            f"{self.runs} runs, {self.events} events, {self.checks} evaluations of checks, {self.ticks} ticks; "
            f"{self.kept_materializations} newest materialisations of theirs stay"
        )


class UnprunableError(RuntimeError):
    """Dagster's storage is of a kind that this module does not know."""


def prune(instance: dg.DagsterInstance, before: datetime) -> Pruned:
    """Remove the runs that ended before an instant, with their events, compute logs and checks; and older ticks.

    The newest materialisation of each asset and partition, and the newest evaluation of each check, stay: they are what
    Dagster knows of the assets. Public calls of DagsterInstance remove all of a run or nothing, so the tables are
    reached directly; `tests/production/test_retention.py` holds SQLite and PostgreSQL to what is done here. A run's own
    record goes last: what a killed pruning left is found again.
    """
    events, runs = instance.event_log_storage, instance.run_storage
    if not isinstance(events, SqlEventLogStorage) or not isinstance(runs, SqlRunStorage):
        raise UnprunableError(f"{type(events).__name__}: only SQLite and PostgreSQL storage can be pruned")
    materializations, checks = _newest(events)
    removed = [0, 0, 0, 0]
    while batch := old_runs(instance, before, limit=RUNS_AT_ONCE):
        gone = _prune_events(events, batch, materializations, checks)
        for run_id in batch:
            _remove_file(events, run_id)
            instance.compute_log_manager.delete_logs(prefix=[run_id])
        with runs.connect() as connection:
            connection.execute(RunTagsTable.delete().where(RunTagsTable.c.run_id.in_(batch)))
            connection.execute(RunsTable.delete().where(RunsTable.c.run_id.in_(batch)))
        removed = [one + more for one, more in zip(removed, (len(batch), *gone), strict=True)]
    return Pruned(removed[0], removed[1], removed[2], _prune_ticks(instance, before), removed[3])


def old_runs(instance: dg.DagsterInstance, before: datetime, limit: int | None = None) -> list[str]:
    """The ids of runs that ended before an instant, the oldest first."""
    old = dg.RunsFilter(statuses=list(ENDED), updated_before=before.astimezone(UTC))
    return [record.dagster_run.run_id for record in instance.get_run_records(old, limit=limit, ascending=True)]


def _newest(storage: SqlEventLogStorage) -> tuple[set[int], set[int]]:
    """The ids of the events and of the evaluations that are the newest of their kind."""
    table, checks = SqlEventLogStorageTable.c, AssetCheckExecutionsTable.c
    is_materialization = table.dagster_event_type == dg.DagsterEventType.ASSET_MATERIALIZATION.value
    newest = sa.select(sa.func.max(table.id)).where(is_materialization).group_by(table.asset_key, table.partition)
    evaluated = sa.select(sa.func.max(checks.id)).group_by(checks.asset_key, checks.check_name)
    with storage.index_connection() as connection:
        return (
            {row[0] for row in connection.execute(newest).fetchall()},
            {row[0] for row in connection.execute(evaluated).fetchall()},
        )


def _prune_events(
    storage: SqlEventLogStorage, run_ids: Sequence[str], materializations: set[int], checks: set[int]
) -> tuple[int, int, int]:
    """How many events and evaluations of checks went, and how many materialisations stay."""
    events = SqlEventLogStorageTable
    with storage.index_connection() as connection:
        found = _ids(connection, events, run_ids)
        going = sorted(found - materializations)
        evaluations = sorted(_ids(connection, AssetCheckExecutionsTable, run_ids) - checks)
        for ids in _in_parts(going):
            connection.execute(AssetEventTagsTable.delete().where(AssetEventTagsTable.c.event_id.in_(ids)))
            connection.execute(events.delete().where(events.c.id.in_(ids)))
        for ids in _in_parts(evaluations):
            connection.execute(AssetCheckExecutionsTable.delete().where(AssetCheckExecutionsTable.c.id.in_(ids)))
        slots = ConcurrencySlotsTable.c.run_id
        holding = connection.execute(sa.select(slots).where(slots.in_(run_ids)).distinct()).fetchall()
    for (run_id,) in holding:  # of a pool; Dagster frees them when it sees the run end
        storage.free_concurrency_slots_for_run(run_id)
    return len(going), len(evaluations), len(found) - len(going)


def _ids(connection: Connection, table: sa.Table, run_ids: Sequence[str]) -> set[int]:
    return {row[0] for row in connection.execute(sa.select(table.c.id).where(table.c.run_id.in_(run_ids))).fetchall()}


def _in_parts(ids: Sequence[int], size: int = 5_000) -> Iterable[Sequence[int]]:
    return (ids[start : start + size] for start in range(0, len(ids), size))


def _remove_file(storage: SqlEventLogStorage, run_id: str) -> None:
    """SQLite has a file for each run's events, beside the one of all assets."""
    if not isinstance(storage, SqliteEventLogStorage):
        return
    if isinstance(storage, PooledSqliteEventLogStorage):
        storage.close_run(run_id)
    storage._initialized_dbs.discard(run_id)
    path = Path(storage.path_for_shard(run_id))
    for file in (path, path.with_name(f"{path.name}-wal"), path.with_name(f"{path.name}-shm")):
        file.unlink(missing_ok=True)


def _prune_ticks(instance: dg.DagsterInstance, before: datetime) -> int:
    """Remove ticks as `retention` of the instance's settings says, also where Dagster's daemon never looks again.

    That is, of schedules and sensors that are gone. None is kept for longer than the runs.
    """
    now, removed = datetime.now(UTC), 0
    for state in instance.all_instigator_state():
        kept = instance.get_tick_retention_settings(state.instigator_type)
        for status, days in kept.items():
            end = max(before, now - timedelta(days=days)) if days >= 0 else before
            of_schedule, at = (state.instigator_origin_id, state.selector_id), end.timestamp()
            if ticks := instance.get_ticks(*of_schedule, before=at, statuses=[status]):
                instance.purge_ticks(*of_schedule, at, [status])
                removed += len(ticks)
    return removed
