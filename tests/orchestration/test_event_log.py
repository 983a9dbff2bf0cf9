"""Dagster's event log with connections that stay open tells what Dagster's own tells, and shares its files."""

from pathlib import Path

import dagster as dg
import pytest
from dagster._core.storage.event_log.sqlite.sqlite_event_log import SqliteEventLogStorage

from orchestration.event_log import PooledSqliteEventLogStorage
from orchestration.workspace import Workspace


@dg.asset(partitions_def=dg.StaticPartitionsDefinition(["one", "two"]))
def numbers() -> dg.MaterializeResult:
    return dg.MaterializeResult(metadata={"rows": 3})


@dg.asset_check(asset=numbers)
def is_there() -> dg.AssetCheckResult:
    return dg.AssetCheckResult(passed=True)


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    found = Workspace(configs=tmp_path / "configs", data=tmp_path / "data", state=tmp_path / "state")
    for name, value in found.environment().items():
        monkeypatch.setenv(name, value)
    found.activate()
    return found


def materialize(instance: dg.DagsterInstance, partition: str) -> str:
    return dg.materialize([numbers, is_there], instance=instance, partition_key=partition).run_id


def test_an_instance_of_a_workspace_keeps_its_events_in_it(workspace: Workspace) -> None:
    with dg.DagsterInstance.get() as instance:
        assert isinstance(instance.event_log_storage, PooledSqliteEventLogStorage)
        runs = [materialize(instance, partition) for partition in ("one", "two")]
        stored = {run_id: [entry.message for entry in instance.all_logs(run_id)] for run_id in runs}
        assert instance.get_materialized_partitions(numbers.key) == {"one", "two"}

    with dg.DagsterInstance.get() as again:
        assert {run_id: [entry.message for entry in again.all_logs(run_id)] for run_id in runs} == stored
    plain = SqliteEventLogStorage(str(workspace.dagster_home / "history" / "runs"))
    assert len(plain.get_logs_for_run(runs[0])) == len(stored[runs[0]])
    assert plain.get_materialized_partitions(numbers.key) == {"one", "two"}


def test_two_instances_write_in_turn(workspace: Workspace) -> None:
    with dg.DagsterInstance.get() as one, dg.DagsterInstance.get() as other:
        assert one.event_log_storage is not other.event_log_storage
        materialize(one, "one")
        materialize(other, "two")
        materialize(one, "two")
        for instance in (one, other):
            assert instance.get_materialized_partitions(numbers.key) == {"one", "two"}


def test_files_are_few_however_many_the_runs_and_wiped_whole(workspace: Workspace) -> None:
    with dg.DagsterInstance.get() as instance:
        runs = [materialize(instance, "one") for _ in range(10)]
        storage = instance.event_log_storage
        assert isinstance(storage, PooledSqliteEventLogStorage)
        assert len(storage._engines) <= 8
        assert all(instance.all_logs(run_id) for run_id in runs)

        storage.wipe()
        assert not any(instance.all_logs(run_id) for run_id in runs)
        materialize(instance, "two")
        assert instance.get_materialized_partitions(numbers.key) == {"two"}
