"""Every line of `equipoise doctor` where it fails or warns, and the whole of it where all is well."""

import json
import os
import sqlite3
import time
from collections import namedtuple
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import duckdb
import pytest
from packaging.requirements import Requirement

from orchestration.doctor import inputs, installation, instance, state_folder
from orchestration.doctor.examine import EXAMINATIONS, examine
from orchestration.doctor.finding import Status
from orchestration.lock import writer_lock
from orchestration.simulated_project import simulate_project
from orchestration.workspace import Workspace
from tests.end_to_end.pipeline import command, environment_kept
from tests.production.long_shop import long_shop

Version = namedtuple("Version", "major minor micro")
OK, WARN, FAIL = Status.OK, Status.WARN, Status.FAIL


@pytest.fixture(autouse=True)
def _environment():
    with environment_kept():
        os.environ.pop("DAGSTER_HOME", None)
        yield


@pytest.fixture(scope="module")
def logged(tmp_path_factory) -> Workspace:
    """A shop whose logs reach to yesterday. Read only."""
    workspace = long_shop(tmp_path_factory.mktemp("doctor"), days=5)
    simulate_project(workspace, units=40, days=5, seed=1)
    return workspace


@pytest.fixture
def shop(logged, tmp_path) -> Workspace:
    """The same logs, with a state folder and a configuration of the test's own."""
    import shutil

    shutil.copytree(logged.configs, tmp_path / "configs")
    (tmp_path / "state").mkdir()
    return replace(logged, configs=tmp_path / "configs", state=tmp_path / "state")


@contextmanager
def dagster(workspace: Workspace, settings: str | None = None):
    if settings is not None:
        workspace.dagster_home.mkdir(exist_ok=True)
        (workspace.dagster_home / "dagster.yaml").write_text(settings)
    workspace.activate()
    with dg.DagsterInstance.get() as opened:
        yield opened


def publish(workspace: Workspace, hours_ago: float = 1) -> Path:
    """A published run with an empty table of decisions."""
    folder = workspace.state / "runs" / "newest"
    folder.mkdir(parents=True)
    with duckdb.connect(str(folder / "results.duckdb")) as connection:
        connection.execute("create table decisions (experiment_id varchar)")
    (workspace.state / "results").symlink_to("runs/newest")
    at = time.time() - hours_ago * 3600
    os.utime(folder, (at, at))
    return folder


def test_a_new_installation_has_no_failure_and_says_what_is_to_do(shop):
    printed = command(shop, "doctor", "--format", "json")
    found = {line["check"]: line for line in json.loads(printed.out)}

    assert printed.status == 0, printed.out
    assert list(found) == list(EXAMINATIONS)
    warned = {name for name, line in found.items() if line["status"] == "warn"}
    assert warned == {"last publication", "dagster daemon", "alerts"}
    assert all(line["advice"] for line in found.values() if line["status"] != "ok")
    assert "→ `equipoise run --date YYYY-MM-DD`" in command(shop, "doctor").out


def test_a_failure_is_the_exit_status(shop):
    (shop.configs / "project.yaml").write_text("name: shop\n")
    printed = command(shop, "doctor")
    assert printed.status == 1
    assert "fail  configuration: 1 errors" in printed.out


def test_a_python_that_is_not_supported(shop, monkeypatch):
    assert installation.python(shop).status is OK
    monkeypatch.setattr(installation.sys, "version_info", Version(3, 10, 1))
    assert installation.python(shop).message == "3.10.1, and <3.14,>=3.11 is supported"


def test_packages_that_are_missing_or_of_another_version(shop, monkeypatch):
    assert installation.packages(shop).status is OK
    needed = [Requirement("no-such-package>=1"), Requirement("duckdb<1"), Requirement("pandas>=3")]
    assert installation.unfit_packages(needed) == [
        "no-such-package is missing",
        f"duckdb {duckdb.__version__} is not <1",
    ]
    monkeypatch.setattr(installation, "DISTRIBUTION", "no-such-package")
    assert installation.packages(shop).status is installation.python(shop).status is WARN


def test_environment_variables_that_mislead(shop, monkeypatch):
    monkeypatch.setenv("EQUIPOISE_MEMORY_LIMIT", "much")
    assert installation.environment(shop).message == "EQUIPOISE_MEMORY_LIMIT is 'much', no size"
    monkeypatch.setenv("EQUIPOISE_MEMORY_LIMIT", "1.5GB")
    assert installation.environment(shop).status is OK
    monkeypatch.setenv("DAGSTER_HOME", "/elsewhere")
    assert installation.environment(shop).status is WARN


def test_one_broken_experiment_warns_and_a_broken_project_fails(shop):
    assert installation.configuration(shop).message == "2 experiments, 4 metrics"
    (shop.configs / "experiments" / "checkout.yaml").write_text("id: checkout\n")
    assert installation.configuration(shop).status is WARN
    assert "left out: checkout" in installation.configuration(shop).message
    (shop.configs / "sources.yaml").unlink()
    assert installation.configuration(shop).status is FAIL
    assert installation.clock(shop).status is inputs.sources(shop).status is WARN


def test_a_clock_that_went_back(shop):
    assert installation.clock(shop).status is OK
    os.utime(shop.state, (time.time(), time.time() + 3600))
    assert "60 minutes in the future" in installation.clock(shop).message
    os.utime(shop.state)
    project = shop.configs / "project.yaml"
    days = project.read_text().split("history_start: ")[1].strip()
    project.write_text(project.read_text().replace(days, f"{datetime.now(UTC).date() + timedelta(days=9)}"))
    assert "no log date has ended" in installation.clock(shop).message


def test_a_state_folder_that_cannot_be_written_or_is_spread_over_file_systems(shop):
    assert state_folder.state_folder(shop).status is OK
    assert list(shop.state.iterdir()) == []
    (shop.state / "lake").symlink_to("/proc")
    assert "lake of" in state_folder.state_folder(shop).message
    nowhere = replace(shop, state=shop.state / "file")
    nowhere.state.touch()
    assert state_folder.state_folder(nowhere).status is FAIL


def test_the_lock_held_left_by_a_dead_writer_or_of_no_use(shop, monkeypatch):
    assert state_folder.lock(shop).message == "free"
    with writer_lock(shop.lock):
        assert state_folder.lock(shop).message.startswith(f"held by pid {os.getpid()}")
        assert state_folder.duck_db(shop).status is OK
        left = shop.lock.read_text()
    shop.lock.write_text(left)
    assert "its last writer died" in state_folder.lock(shop).message
    assert shop.lock.read_text() == left  # the next run has to know, too
    monkeypatch.setattr(state_folder.fcntl, "flock", lambda *_: None)
    assert "two writers can lock one file" in state_folder.lock(shop).message


def test_a_disk_that_is_too_small_for_the_next_run(shop, monkeypatch):
    (publish(shop) / "part").write_bytes(bytes(40_000_000))
    usage = namedtuple("usage", "free")
    for free, status in ((1e9, OK), (1e8, WARN), (7e7, FAIL)):
        monkeypatch.setattr(state_folder.shutil, "disk_usage", lambda _, free=free: usage(int(free)))
        assert state_folder.disk(shop).status is status


def test_databases_that_do_not_open(shop):
    published = publish(shop)
    assert state_folder.duck_db(shop).status is OK
    shop.warehouse.write_bytes(b"no database" * 1000)
    assert state_folder.duck_db(shop).status is FAIL
    shop.warehouse.unlink()
    (published / "results.duckdb").write_bytes(b"no database" * 1000)
    assert state_folder.duck_db(shop).status is FAIL


def test_results_that_are_old(shop):
    publish(shop, hours_ago=50)
    assert state_folder.last_publication(shop).status is WARN
    os.utime(shop.state / "runs" / "newest")
    assert state_folder.last_publication(shop).status is OK


def test_records_of_dagster_that_have_outgrown_the_lake(shop):
    shop.dagster_home.mkdir()
    with (shop.dagster_home / "index.db").open("wb") as file:
        file.truncate(1_100_000_000)
    assert state_folder.sizes(shop).status is WARN
    assert state_folder.sizes(shop).message.startswith("1.1 GB in all: dagster 1.1 GB")


def test_settings_that_are_damaged_or_name_variables_that_are_not_set(shop, monkeypatch):
    monkeypatch.delenv("EQUIPOISE_POSTGRES_HOST", raising=False)
    settings = Path("deploy/dagster.yaml").resolve().read_text()
    shop.dagster_home.mkdir()
    (shop.dagster_home / "dagster.yaml").write_text(settings)
    found = examine(shop)
    assert "not set: EQUIPOISE_POSTGRES_DB, EQUIPOISE_POSTGRES_HOST" in found["dagster settings"].message
    assert found["dagster storage"].advice == "mend `dagster settings` first"
    (shop.dagster_home / "dagster.yaml").write_text("storage: [")
    assert instance.settings(shop).status is FAIL


def test_storage_that_cannot_be_reached_or_is_of_another_dagster(shop):
    with dagster(shop):
        assert instance.storage(shop).message == "SQLite, which suits one machine"
    (database,) = shop.dagster_home.glob("history/runs.db")
    with sqlite3.connect(database) as connection:
        connection.execute("update alembic_version set version_num = '567bc23fd1ac'")
    assert "SqliteRunStorage are of another Dagster" in instance.storage(shop).message
    database.write_bytes(b"no database" * 1000)
    found = examine(shop)
    assert "file is not a database" in found["dagster storage"].message
    assert found["run history"].advice == "mend `dagster storage` first"


def test_a_daemon_that_has_fallen_silent(shop):
    from dagster._daemon.types import DaemonHeartbeat

    with dagster(shop) as opened:
        assert instance.daemon(shop).message == "none ever ran here"
        for ago, status in ((5, OK), (7200, FAIL)):
            for kind in opened.get_required_daemon_types():
                opened.add_daemon_heartbeat(DaemonHeartbeat(time.time() - ago, kind, "id", []))
            assert instance.daemon(shop).status is status


def test_a_schedule_that_somebody_switched_off(shop):
    from dagster._core.definitions.run_request import InstigatorType
    from dagster._core.scheduler.instigation import InstigatorState, InstigatorStatus, ScheduleInstigatorData

    from tests.production.origins import schedule_origin

    with dagster(shop) as opened:
        data = ScheduleInstigatorData("30 2 * * *")
        origin = schedule_origin("daily_analysis_schedule")
        opened.add_instigator_state(InstigatorState(origin, InstigatorType.SCHEDULE, InstigatorStatus.STOPPED, data))
        assert instance.schedules(shop).message == "switched off: daily_analysis_schedule"


def test_a_history_that_failed_last_or_that_nobody_prunes(shop, monkeypatch):
    with dagster(shop) as opened:
        assert instance.history(shop).message == "no run yet"
        opened.add_run(dg.DagsterRun("daily_analysis", status=dg.DagsterRunStatus.FAILURE))
        assert instance.history(shop).message == "1 runs; the last, daily_analysis, is FAILURE"
        monkeypatch.setattr(instance, "MOST_RUNS", 0)
        assert instance.history(shop).advice.startswith("`retention: {run_days: 90}`")
        with (shop.configs / "project.yaml").open("a") as project:
            project.write("retention: {run_days: 1}\n")
        with opened.run_storage.connect() as connection:
            connection.exec_driver_sql("update runs set update_timestamp = '2026-01-01 00:00:00'")
        assert "some are older" in instance.history(shop).message


def test_logs_that_are_absent_or_cannot_be_read(shop, tmp_path):
    assert inputs.sources(shop).message.startswith("3 files of ")
    moved = replace(shop, data=tmp_path / "data")
    assert "no such data folder" in inputs.sources(moved).message
    moved.data.mkdir()
    assert "from exposures, orders, visits" in inputs.sources(moved).message
    sources = shop.configs / "sources.yaml"
    sources.write_text(sources.read_text().replace("path: exposures/", "path: s3://bucket/exposures/"))
    assert inputs.sources(shop).message.endswith("not looked at: exposures")


def test_addresses_of_alerts_that_are_not_set_or_not_understood_are_never_shown(shop, monkeypatch, caplog):
    (shop.configs / "alerts.yaml").write_text(
        "destinations: {chat: {url_env: EQUIPOISE_ALERT_CHAT}, mail: {url_env: EQUIPOISE_ALERT_MAIL}}\n"
        "default: [chat]\n"
    )
    monkeypatch.setenv("EQUIPOISE_ALERT_CHAT", "nosuchscheme://secret-token")
    found = inputs.alerts(shop)
    assert found.status is FAIL
    assert found.message == "not set: mail (EQUIPOISE_ALERT_MAIL); no such address: chat (EQUIPOISE_ALERT_CHAT)"
    assert "secret-token" not in caplog.text
    monkeypatch.setenv("EQUIPOISE_ALERT_CHAT", "json://localhost/secret-token")
    monkeypatch.setenv("EQUIPOISE_ALERT_MAIL", "mailto://user:secret-token@example.com")
    assert inputs.alerts(shop).status is OK
    assert "secret-token" not in inputs.alerts(shop).message
    (shop.configs / "alerts.yaml").write_text("destinations: {}\n")
    assert inputs.alerts(shop).status is FAIL
