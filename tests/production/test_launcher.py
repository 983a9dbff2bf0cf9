"""Whether a run lives: by the kernel's locks, and by the code server's word. And the alarm that ends one that hangs."""

import fcntl
import json
import multiprocessing
import os
import signal
import time
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.launcher import WorkerStatus
from dagster._core.storage.tags import GRPC_INFO_TAG, MAX_RUNTIME_SECONDS_TAG

from orchestration import launcher
from orchestration.deadline import ended_in_time, longest_seconds
from orchestration.lock import writer_lock
from orchestration.recovery import writer_tags
from orchestration.waiting import announced
from orchestration.workspace import Workspace
from tests.postgresql import free_port

RUN_ID = "a7a1c9f0-1111-4111-8111-111111111111"
MONITORED = {"run_monitoring": {"enabled": True, "max_runtime_seconds": 100, "cancel_timeout_seconds": 7}}


@pytest.fixture
def workspace(tmp_path, monkeypatch):
    made = Workspace(tmp_path / "configs", tmp_path / "data", tmp_path / "state")
    made.state.mkdir()
    monkeypatch.setenv("EQUIPOISE_STATE", str(made.state))
    return made


@pytest.fixture
def instance(tmp_path):
    (tmp_path / "home").mkdir()
    with dg.DagsterInstance.local_temp(str(tmp_path / "home"), overrides=MONITORED) as instance:
        yield instance


def started(instance, **tags):
    run = dg.DagsterRun("daily_analysis", run_id=RUN_ID, status=dg.DagsterRunStatus.STARTED, tags=tags)
    instance.add_run(run)
    return run


def health(instance, run) -> WorkerStatus:
    watched = launcher.WatchedRunLauncher()
    watched.register_instance(instance)
    return watched.check_run_worker_health(run).status


def hold(path: Path, ready) -> None:
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        ready.set()
        time.sleep(600)


@pytest.fixture
def other_writer(workspace):
    """Another process that holds the writer lock."""
    spawn = multiprocessing.get_context("fork")
    ready = spawn.Event()
    process = spawn.Process(target=hold, args=(workspace.lock, ready))
    process.start()
    assert ready.wait(30)
    yield process
    process.kill()
    process.join()


def test_a_writer_lives_for_as_long_as_its_process_holds_the_lock(instance, workspace, other_writer):
    run = started(instance, **writer_tags(RUN_ID))
    assert health(instance, run) is WorkerStatus.RUNNING
    other_writer.kill()
    other_writer.join()
    assert health(instance, run) is WorkerStatus.NOT_FOUND


def test_a_run_that_waits_for_the_lock_lives(instance, workspace, monkeypatch):
    run = started(instance, **{GRPC_INFO_TAG: json.dumps({"host": "127.0.0.1", "port": free_port()})})
    with announced(workspace.waiting, RUN_ID):
        assert health(instance, run) is WorkerStatus.RUNNING
    assert health(instance, run) is WorkerStatus.RUNNING  # nobody listens on that port, which may yet change
    monkeypatch.setattr(launcher, "UNREACHABLE_SECONDS", 0.0)
    assert health(instance, run) is WorkerStatus.NOT_FOUND


def test_a_code_server_that_does_not_know_a_run_is_asked_again_before_the_run_is_given_up(instance, workspace):
    class Server(launcher.WatchedRunLauncher):
        answers = iter(["away", "away", "new", "new", "new"])

        def _doubt(self, run):
            return next(self.answers), 0.2

    server, run = Server(), started(instance)
    statuses = []
    for pause in (0.0, 0.0, 0.3, 0.0, 0.3):  # what is new to doubt begins its own time
        time.sleep(pause)
        statuses.append(server.check_run_worker_health(run).status)
    assert statuses == [WorkerStatus.RUNNING] * 4 + [WorkerStatus.NOT_FOUND]


def test_a_run_that_nobody_can_tell_of_is_left_to_its_time_limit(instance, workspace):
    assert health(instance, started(instance)) is WorkerStatus.RUNNING


def test_the_time_limit_is_that_of_run_monitoring_or_of_the_run(instance):
    assert longest_seconds(instance, started(instance)) == 107
    own = dg.DagsterRun("daily_analysis", tags={MAX_RUNTIME_SECONDS_TAG: "20"})
    assert longest_seconds(instance, own) == 27
    assert longest_seconds(None, None) is None
    with dg.DagsterInstance.ephemeral() as unmonitored:
        assert longest_seconds(unmonitored, own) is None


def spin(path: Path) -> None:
    """Hold the lock, and never come back to Python: the signal that asks a process to stop is not heard."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    with writer_lock(path), ended_in_time(0.5):
        while True:
            sum(range(100_000))


def test_a_process_that_spins_is_ended_by_the_kernel_and_its_lock_is_free(workspace):
    process = multiprocessing.get_context("fork").Process(target=spin, args=(workspace.lock,))
    process.start()
    process.join(60)
    assert process.exitcode == -signal.SIGALRM
    with writer_lock(workspace.lock) as dead:
        assert dead is not None
        assert dead.pid == process.pid != os.getpid()


def test_a_block_that_ends_in_time_leaves_no_alarm():
    with ended_in_time(30):
        pass
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
