"""A production instance on PostgreSQL: a run like any other, and one whose machine died in the middle of it."""

import shutil
import time
from dataclasses import replace

import dagster as dg
import pytest

from orchestration.definitions import build_defs
from orchestration.housekeeping import JOB as HOUSEKEEPING
from orchestration.lock import is_locked
from orchestration.schedules import JOB_NAME
from tests.end_to_end.pipeline import command, environment_kept, run, tables
from tests.production.conftest import DAYS
from tests.production.instance import ROOT, running, settle
from tests.production.long_shop import first_day

FIRST_DAY, LAST_DAY = first_day(DAYS), first_day(1)
RANGE = {
    "dagster__asset_partition_range_start": FIRST_DAY.isoformat(),
    "dagster__asset_partition_range_end": LAST_DAY.isoformat(),
}
STATUS = "query Status($id: ID!) { runOrError(runId: $id) { ... on Run { status tags { key value } } } }"
RETRIES = """query Retries { runsOrError(filter: {tags: [{key: "dagster/is_retry", value: "true"}]}) {
  ... on Runs { results { runId status parentRunId } } } }"""


@pytest.fixture
def production(unrun_shop, tmp_path, postgres, monkeypatch):
    """The small shop, never run, with production's settings on an empty database."""
    workspace = replace(unrun_shop, configs=tmp_path / "configs", state=tmp_path / "state")
    shutil.copytree(unrun_shop.configs, workspace.configs)
    with (workspace.configs / "project.yaml").open("a") as project:
        project.write("retention: {run_days: 30}\n")
    settle(workspace, run_monitoring={"poll_interval_seconds": 5})
    for name, value in postgres.items():
        monkeypatch.setenv(name, value)
    with environment_kept():
        workspace.activate()
        with dg.DagsterInstance.get() as instance:
            instance.wipe()
            instance.wipe_all_schedules()
    return workspace


def test_a_run_of_the_command_line_is_kept_in_postgresql(production):
    run(production, FIRST_DAY, FIRST_DAY)
    with environment_kept():
        production.activate()
        with dg.DagsterInstance.get() as instance:
            (ended,) = instance.get_runs()
            assert type(instance.run_storage).__name__ == "PostgresRunStorage"
            assert ended.status is dg.DagsterRunStatus.SUCCESS
            repository = build_defs(production).get_repository_def()
            assert {schedule.job_name for schedule in repository.schedule_defs} >= {JOB_NAME, HOUSEKEEPING}
            assert instance.get_materialized_partitions(dg.AssetKey("published_results")) == {FIRST_DAY.isoformat()}
    examined = command(production, "doctor", "--format", "csv")
    lines = dict(line.split(",")[:2] for line in examined.out.splitlines()[1:])
    of_dagster = ("dagster settings", "dagster storage", "dagster rules", "schedules and sensors", "run history")
    assert {name: lines[name] for name in of_dagster} == dict.fromkeys(of_dagster, "ok")


def wait_for(condition, seconds: float, what: str) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.5)


@pytest.mark.slow
def test_a_run_whose_machine_died_is_started_again_and_its_results_are_whole(production, tmp_path):
    with running(production, {}, "code", "daemon", "admin") as instance:

        def status(run_id: str) -> str:
            return instance.query(STATUS, id=run_id)["runOrError"]["status"]

        def retries() -> list[dict[str, str]]:
            return instance.query(RETRIES)["runsOrError"]["results"]

        run_id = instance.launch(JOB_NAME, **RANGE)
        wait_for(lambda: is_locked(production.lock), 900, "the run never began")
        instance.kill("daemon")
        assert is_locked(production.lock)  # the code server's run goes on without it
        instance.kill("code")
        wait_for(lambda: not is_locked(production.lock), 10, "the run outlived its machine")
        assert not (production.state / "results").exists()

        instance.start("code", "daemon")
        wait_for(lambda: status(run_id) == "FAILURE", 900, "nobody noticed that the run had died")
        wait_for(lambda: retries() and retries()[0]["status"] == "SUCCESS", 900, f"no retry succeeded: {retries()}")
        assert [retry["parentRunId"] for retry in retries()] == [run_id]
    undisturbed = replace(production, state=tmp_path / "undisturbed")
    run(undisturbed, FIRST_DAY, LAST_DAY)
    ours, theirs = tables(production.state), tables(undisturbed.state)
    for name in theirs:
        assert ours[name].equals(theirs[name]), name


@pytest.mark.slow
def test_the_demo_runs_on_postgresql(production, tmp_path):
    demo = replace(production, configs=ROOT / "configs", data=tmp_path / "demo_data")
    printed = command(demo, "demo", "--units", "4000")
    assert printed.status == 0, printed.err
    assert "Published in" in printed.out
