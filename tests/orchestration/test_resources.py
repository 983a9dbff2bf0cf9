"""The writer lock as runs meet it: on the command line, and as a resource of Dagster."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import dagster as dg
import pytest

from orchestration.recovery import WRITER_TAG, writer_tags
from orchestration.resources import WriterLock
from orchestration.run_status import FAILURES_TAG, STATUS_TAG
from orchestration.waiting import died_waiting
from orchestration.workspace import Workspace

HOLDER = """
import sys, time
from pathlib import Path
from orchestration.lock import writer_lock
with writer_lock(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(float(sys.argv[2]))
"""


@pytest.fixture
def workspace(tmp_path) -> Workspace:
    return Workspace(tmp_path / "configs", tmp_path / "data", tmp_path / "state")


def hold(workspace: Workspace, seconds: float) -> subprocess.Popen[bytes]:
    holder = subprocess.Popen([sys.executable, "-c", HOLDER, workspace.lock, str(seconds)], stdout=subprocess.PIPE)
    assert holder.stdout is not None
    assert holder.stdout.readline() == b"held\n"
    return holder


@dg.asset(required_resource_keys={"writer_lock"})
def lock_text(context: dg.AssetExecutionContext) -> str:
    return Path(context.resources.writer_lock.state, "lock").read_text()


@dg.job
def work():
    pass


def materialize(lock: WriterLock, instance: dg.DagsterInstance) -> dg.ExecuteInProcessResult:
    return dg.materialize([lock_text], resources={"writer_lock": lock}, instance=instance, raise_on_error=False)


def test_a_run_of_dagster_waits_for_the_one_before_it(workspace):
    holder = hold(workspace, 1.0)
    with dg.DagsterInstance.ephemeral() as instance:
        result = materialize(WriterLock.of(workspace), instance)

        assert result.success
        assert f'"pid": {os.getpid()}' in result.asset_value("lock_text")
        assert instance.get_run_by_id(result.run_id).tags[WRITER_TAG] == result.run_id
    assert holder.wait() == 0
    assert workspace.lock.read_text() == ""


def test_a_run_of_dagster_that_has_waited_long_enough_says_for_whom(workspace):
    holder = hold(workspace, 60.0)
    with dg.DagsterInstance.ephemeral() as instance:
        result = materialize(WriterLock(configs="", data="", state=str(workspace.state), wait_seconds=0.2), instance)

    (failure,) = [event for event in result.all_events if event.is_job_failure]
    assert not result.success
    assert f"another run is still writing: pid {holder.pid}" in failure.job_failure_data.error.to_string()
    holder.kill()
    holder.wait()


def test_the_run_of_a_killed_process_is_marked_as_failed_and_its_files_go(workspace):
    leftover = workspace.state / "runs" / ".unfinished-dead" / "scorecard"
    leftover.mkdir(parents=True)
    holder = hold(workspace, 60.0)
    with dg.DagsterInstance.ephemeral() as instance:
        dead = instance.create_run_for_job(work, status=dg.DagsterRunStatus.STARTED).run_id
        instance.add_run_tags(dead, writer_tags(dead))
        holder.send_signal(signal.SIGKILL)
        holder.wait()

        assert materialize(WriterLock.of(workspace), instance).success

        assert instance.get_run_by_id(dead).status == dg.DagsterRunStatus.FAILURE
        messages = [record.event_log_entry.message for record in instance.get_records_for_run(dead).records]
        assert any(f"died while it was writing (pid {holder.pid}" in message for message in messages)
    assert not leftover.exists()


RUN_THAT_WAITS = """
import sys, time
from pathlib import Path
import dagster as dg
from orchestration.resources import WriterLock
from orchestration.workspace import Workspace
from tests.orchestration.test_resources import lock_text, materialize
workspace = Workspace(*map(Path, sys.argv[1:]))
workspace.activate()
with dg.DagsterInstance.get() as instance:
    materialize(WriterLock.of(workspace), instance)
"""


def test_the_run_of_a_process_killed_while_it_waited_is_marked_as_failed(workspace, monkeypatch):
    workspace.state.mkdir()
    holder = hold(workspace, 60.0)
    folders = [str(path) for path in (workspace.configs, workspace.data, workspace.state)]
    waiter = subprocess.Popen([sys.executable, "-c", RUN_THAT_WAITS, *folders])
    deadline = time.monotonic() + 60
    while not (found := list(workspace.waiting.glob("[!.]*"))) and time.monotonic() < deadline:
        time.sleep(0.05)
    (waiting,) = found
    assert died_waiting(workspace.waiting) == [], "it lives"
    waiter.kill()
    waiter.wait()
    holder.kill()
    holder.wait()
    for name, value in workspace.environment().items():
        monkeypatch.setenv(name, value)
    with dg.DagsterInstance.get() as instance:
        assert instance.get_run_by_id(waiting.name).status == dg.DagsterRunStatus.STARTED

        assert materialize(WriterLock.of(workspace), instance).success

        assert instance.get_run_by_id(waiting.name).status == dg.DagsterRunStatus.FAILURE
        messages = [record.event_log_entry.message for record in instance.get_records_for_run(waiting.name).records]
        assert any("died while it waited for the writer lock" in message for message in messages)
    assert list(workspace.waiting.iterdir()) == []


def test_a_run_is_tagged_with_how_it_ended(workspace):
    @dg.asset(required_resource_keys={"writer_lock"}, check_specs=[dg.AssetCheckSpec("holds", asset="checked")])
    def checked(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        record = dg.TableRecord({"experiment_id": "checkout"})
        failing = {"failing": dg.MetadataValue.table([record])}
        return dg.MaterializeResult(check_results=[dg.AssetCheckResult(passed=False, metadata=failing)])

    @dg.asset(required_resource_keys={"writer_lock"})
    def broken() -> None:
        raise ValueError("no")

    def tags(*assets: dg.AssetsDefinition) -> dict[str, str]:
        resources = {"writer_lock": WriterLock.of(workspace)}
        with dg.DagsterInstance.ephemeral() as instance:
            result = dg.materialize(list(assets), resources=resources, instance=instance, raise_on_error=False)
            found = instance.get_run_by_id(result.run_id).tags
        return {name: value for name, value in found.items() if name in (STATUS_TAG, FAILURES_TAG)}

    assert tags(lock_text) == {STATUS_TAG: "succeeded"}
    assert tags(checked) == {STATUS_TAG: "finished_with_failures", FAILURES_TAG: "checked holds (checkout)"}
    assert tags(checked, broken) == {STATUS_TAG: "failed", FAILURES_TAG: "broken; checked holds (checkout)"}


def test_the_command_line_refuses_at_once_or_after_its_wait(workspace):
    holder = hold(workspace, 60.0)
    main = "from orchestration.cli import main; main()"
    folders = {f"EQUIPOISE_{name.upper()}": str(getattr(workspace, name)) for name in ("configs", "data", "state")}
    for wait, said in (([], "another run is writing"), (["--wait", "0.2"], "after 0.2 s another run is still writing")):
        run = subprocess.run(
            [sys.executable, "-c", main, "run", "--date", "2026-10-05", *wait],
            env=os.environ | folders,
            capture_output=True,
            text=True,
        )
        assert run.returncode == 1
        assert f"{said}: pid {holder.pid} on " in run.stderr
        assert run.stderr.count("\n") == 1
    holder.kill()
    holder.wait()
