"""Pruning on SQLite, ours and Dagster's, and on PostgreSQL: what goes, what stays, and what it costs nobody."""

import os
import shutil
import time
import uuid
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import dagster as dg
import pytest
import sqlalchemy as sa
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.scheduler.instigation import (
    InstigatorState,
    InstigatorStatus,
    ScheduleInstigatorData,
    TickData,
    TickStatus,
)
from dagster._core.storage.event_log.schema import AssetCheckExecutionsTable, SqlEventLogStorageTable
from dagster._core.storage.runs.schema import RunsTable, RunTagsTable
from dagster._core.storage.tags import PARTITION_NAME_TAG

from configs.schema import Project, Retention
from orchestration.housekeeping import housekeeping
from orchestration.retention import old_runs, prune
from orchestration.workspace import DAGSTER_YAML
from tests.end_to_end.pipeline import command, environment_kept
from tests.postgresql import free_port
from tests.production.instance import SETTINGS, settle
from tests.production.origins import schedule_origin

KEY = dg.AssetKey("published")
DAYS = dg.StaticPartitionsDefinition(["one", "two", "three"])
DAY_AGO = timedelta(days=1)


@dg.asset(key=KEY, partitions_def=DAYS, check_specs=[dg.AssetCheckSpec("is_fine", asset=KEY)])
def published(context):
    context.log.info("a line of the log")
    yield dg.MaterializeResult(tags={"rows": "7"})
    yield dg.AssetCheckResult(check_name="is_fine", passed=True)


@pytest.fixture(params=["ours", pytest.param("sqlite", marks=pytest.mark.slow), "postgres"])
def instance(request, tmp_path):
    """An instance of each kind of storage, its tables empty."""
    settings = {"ours": DAGSTER_YAML, "sqlite": "", "postgres": SETTINGS.read_text()}[request.param]
    (tmp_path / "dagster.yaml").write_text(settings)
    with environment_kept():
        os.environ |= {"DAGSTER_HOME": str(tmp_path), "EQUIPOISE_STATE": str(tmp_path)}
        if request.param == "postgres":
            os.environ |= request.getfixturevalue("postgres")
        with dg.DagsterInstance.get() as instance:
            instance.wipe()
            instance.wipe_all_schedules()
            yield instance


def materialize(instance, partition) -> str:
    return dg.materialize([published], instance=instance, partition_key=partition).run_id


def age(instance, run_ids, days: float = 100) -> None:
    """Let runs have ended so many days ago."""
    then = (datetime.now(UTC) - timedelta(days=days)).replace(tzinfo=None)
    with instance.run_storage.connect() as connection:
        connection.execute(sa.update(RunsTable).where(RunsTable.c.run_id.in_(run_ids)).values(update_timestamp=then))


def count(instance, table, **values) -> int:
    storage = instance.run_storage if table in (RunsTable, RunTagsTable) else instance.event_log_storage
    connect = storage.connect if table in (RunsTable, RunTagsTable) else storage.index_connection
    where = [table.c[name] == value for name, value in values.items()]
    with connect() as connection:
        return connection.execute(sa.select(sa.func.count()).select_from(table).where(*where)).scalar_one()


def test_only_old_runs_go_and_the_newest_of_each_partition_and_check_stays(instance, tmp_path):
    replaced, alone, recent = (materialize(instance, partition) for partition in ("one", "two", "one"))
    age(instance, [replaced, alone])
    before = datetime.now(UTC) - DAY_AGO
    logs = tmp_path / "storage"
    assert (logs / replaced).is_dir()

    assert old_runs(instance, before) == [replaced, alone]
    pruned = prune(instance, before)

    assert (pruned.runs, pruned.checks, pruned.kept_materializations) == (2, 2, 1)
    assert [run.run_id for run in instance.get_runs()] == [recent]
    assert instance.get_materialized_partitions(KEY) == {"one", "two"}
    assert instance.get_latest_materialization_event(KEY).run_id == recent
    for gone in (replaced, alone):
        assert not list(tmp_path.glob(f"history/runs/{gone}*"))
        assert not instance.all_logs(gone, of_type=dg.DagsterEventType.STEP_START)
        assert count(instance, RunTagsTable, run_id=gone) == 0
        assert count(instance, AssetCheckExecutionsTable, run_id=gone) == 0
        assert not (logs / gone).exists()
    assert count(instance, SqlEventLogStorageTable, run_id=replaced) == 0
    assert count(instance, SqlEventLogStorageTable, run_id=alone) == 1
    assert count(instance, AssetCheckExecutionsTable, run_id=recent) == 1
    assert instance.all_logs(recent, of_type=dg.DagsterEventType.STEP_START)


def test_a_pruned_instance_is_pruned_again_and_goes_on(instance):
    first = materialize(instance, "one")
    age(instance, [first])
    prune(instance, datetime.now(UTC) - DAY_AGO)
    second = materialize(instance, "one")
    age(instance, [second])

    assert prune(instance, datetime.now(UTC) - DAY_AGO).runs == 1
    assert prune(instance, datetime.now(UTC) - DAY_AGO).runs == 0
    # The first run's materialisation, which stayed, is no longer the newest: it outlives its run all the same.
    assert instance.get_materialized_partitions(KEY) == {"one"}
    assert instance.get_latest_materialization_event(KEY).run_id == second


def test_a_run_that_has_not_ended_stays_however_old(instance):
    run = dg.DagsterRun(job_name="job", status=dg.DagsterRunStatus.STARTED)
    instance.add_run(run)
    age(instance, [run.run_id])

    assert prune(instance, datetime.now(UTC)).runs == 0
    assert instance.get_run_by_id(run.run_id) is not None


def thousand_runs(instance) -> list[str]:
    """Copies of one run with a tag and an event, put into the tables at once."""
    model = dg.DagsterRun(job_name="job", status=dg.DagsterRunStatus.SUCCESS, tags={PARTITION_NAME_TAG: "one"})
    instance.add_run(model)
    instance.report_engine_event("a line of the log", model)
    ids = [model.run_id, *(str(uuid.UUID(int=number)) for number in range(999))]

    def multiply(connection, table) -> None:
        (row,) = connection.execute(sa.select(table)).mappings().fetchall()
        kept = {name: value for name, value in row.items() if name != "id"}
        texts = {name for name, value in kept.items() if isinstance(value, str)}
        copies = [kept | {name: kept[name].replace(model.run_id, new) for name in texts} for new in ids[1:]]
        connection.execute(sa.insert(table), copies)

    with instance.run_storage.connect() as connection:
        multiply(connection, RunsTable)
        multiply(connection, RunTagsTable)
    if type(instance.event_log_storage).__name__.startswith("Postgres"):  # SQLite has a file for each run
        with instance.event_log_storage.index_connection() as connection:
            multiply(connection, SqlEventLogStorageTable)
    return ids


@pytest.mark.parametrize("instance", ["postgres", "ours"], indirect=True)
def test_a_thousand_runs_and_their_ticks_are_pruned_as_configured(instance):
    runs = thousand_runs(instance)
    age(instance, runs[:900])
    state = InstigatorState(
        schedule_origin("daily"),
        InstigatorType.SCHEDULE,
        InstigatorStatus.RUNNING,
        ScheduleInstigatorData("30 2 * * *"),
    )
    instance.add_instigator_state(state)
    origin = {"origin_id": state.instigator_origin_id, "selector_id": state.selector_id}
    for days in (100, 50, 1):
        for status in (TickStatus.SUCCESS, TickStatus.SKIPPED):
            at, kind = time.time() - days * 86_400, InstigatorType.SCHEDULE
            tick = TickData(
                state.instigator_origin_id, "daily", kind, status, at, run_ids=[], selector_id=state.selector_id
            )
            instance.create_tick(tick)

    pruned = prune(instance, datetime.now(UTC) - timedelta(days=60))

    assert (pruned.runs, instance.get_runs_count()) == (900, 100)
    assert {run.run_id for run in instance.get_runs()} == set(runs[900:])
    assert count(instance, RunTagsTable) == 100
    if type(instance.event_log_storage).__name__.startswith("Postgres"):
        assert (count(instance, SqlEventLogStorageTable), pruned.events) == (100, 900)
    kept = sorted(
        (round((time.time() - tick.timestamp) / 86_400), tick.status.value) for tick in instance.get_ticks(**origin)
    )
    # Sixty days for everything; production's settings keep a skipped tick for seven.
    skipped = [] if instance.get_tick_retention_settings(InstigatorType.SCHEDULE)[TickStatus.SKIPPED] == 7 else [50]
    assert kept == sorted([(1, "SUCCESS"), (50, "SUCCESS"), (1, "SKIPPED"), *((day, "SKIPPED") for day in skipped)])
    assert pruned.ticks == 6 - len(kept)


def test_the_nightly_job_prunes_where_the_project_says_so(instance):
    run_id = materialize(instance, "one")
    age(instance, [run_id], days=40)
    project = Project(name="shop", history_start=date(2026, 1, 1))
    assert housekeeping(project) == []

    (schedule,) = housekeeping(project.model_copy(update={"retention": Retention(run_days=30)}))
    assert schedule.job.execute_in_process(instance=instance).success

    assert schedule.default_status is dg.DefaultScheduleStatus.RUNNING
    assert [run.job_name for run in instance.get_runs()] == ["housekeeping"]


def test_a_database_that_is_down_is_said_to_be(unrun_shop, tmp_path, monkeypatch):
    workspace = replace(unrun_shop, state=tmp_path / "state")
    settle(workspace)
    for name in ("HOST", "USER", "PASSWORD", "DB"):
        monkeypatch.setenv(f"EQUIPOISE_POSTGRES_{name}", "127.0.0.1")
    monkeypatch.setenv("EQUIPOISE_POSTGRES_PORT", str(free_port()))
    printed = command(workspace, "prune", "--older-than", "9")
    assert printed.status == 1
    assert "Dagster's database cannot be reached: is PostgreSQL up" in printed.err
    assert "Traceback" not in printed.err


def test_the_command_prunes_as_the_project_says(unrun_shop, tmp_path):
    workspace = replace(unrun_shop, configs=tmp_path / "configs", state=tmp_path / "state")
    shutil.copytree(unrun_shop.configs, workspace.configs)
    asked = command(workspace, "prune")
    assert asked.status == 1
    assert "retention: {run_days: DAYS}" in asked.err

    project = workspace.configs / "project.yaml"
    written = project.read_text()
    project.write_text(written + "retention: {run_days: 0}\n")
    assert command(workspace, "validate").err.startswith("project.yaml:5: retention.run_days")
    project.write_text(written + "retention: {run_days: 30}\n")
    with environment_kept():
        workspace.activate()
        with dg.DagsterInstance.get() as instance:
            runs = [dg.DagsterRun(job_name="job", status=dg.DagsterRunStatus.SUCCESS) for _ in range(2)]
            for run in runs:
                instance.add_run(run)
            age(instance, [runs[0].run_id])
    assert command(workspace, "prune", "--dry-run", "--format", "csv").out.split() == ["run_id", runs[0].run_id]
    assert command(workspace, "prune", "--format", "csv").out.splitlines()[1] == "1,0,0,0,0"
    assert "0 runs" in command(workspace, "prune").out
