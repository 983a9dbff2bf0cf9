"""The writer lock, between real processes."""

import json
import os
import subprocess
import sys
import time

import pytest

from orchestration.lock import LockHeldError, writer_lock

HOLDER = """
import sys, time
from pathlib import Path
from orchestration.lock import writer_lock
with writer_lock(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path):
    process = subprocess.Popen([sys.executable, "-c", HOLDER, str(tmp_path / "lock")], stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"held\n"
    yield process
    process.kill()
    process.wait()


def test_a_second_writer_is_refused_with_the_holder_named(tmp_path, holder):
    with pytest.raises(LockHeldError) as refusal, writer_lock(tmp_path / "lock"):
        pass

    message = str(refusal.value)
    assert message.startswith(f"{tmp_path}/lock: another run is writing: pid {holder.pid} on ")
    assert f"`-c {tmp_path}/lock`, since 20" in message
    assert " s); wait for it to end" in message


def test_the_age_of_a_lock_is_told_in_hours_and_minutes(tmp_path, holder):
    owner = json.loads((tmp_path / "lock").read_text()) | {"since": "2020-01-01T00:00:00+00:00"}
    (tmp_path / "lock").write_text(json.dumps(owner))

    age = r"since 2020-01-01T00:00:00\+00:00 \(\d+ h \d+ min\)"
    with pytest.raises(LockHeldError, match=age), writer_lock(tmp_path / "lock"):
        pass


def test_a_killed_holder_frees_the_lock_and_its_successor_learns_of_it(tmp_path, holder):
    holder.kill()
    holder.wait()

    with writer_lock(tmp_path / "lock") as dead:
        assert dead is not None and dead.pid == holder.pid
        assert json.loads((tmp_path / "lock").read_text())["pid"] == os.getpid()
    with writer_lock(tmp_path / "lock") as dead:
        assert dead is None


@pytest.mark.parametrize("text", [b'{"pid": 12', b"\xff\x00\xfe", b"[]"])
def test_text_that_cannot_be_read_is_still_a_dead_writers(tmp_path, text):
    (tmp_path / "lock").write_bytes(text)

    with writer_lock(tmp_path / "lock") as dead:
        assert dead is not None and dead.command == "unknown"


def test_a_writer_may_wait(tmp_path, holder):
    started = time.monotonic()
    killer = subprocess.Popen(["sh", "-c", f"sleep 0.5; kill -9 {holder.pid}"])

    with writer_lock(tmp_path / "lock", wait_seconds=30):
        assert time.monotonic() - started >= 0.4
    killer.wait()


def test_a_writer_waits_no_longer_than_it_said(tmp_path, holder):
    started = time.monotonic()
    with (
        pytest.raises(LockHeldError, match=r"after 0\.3 s another run is still writing"),
        writer_lock(tmp_path / "lock", wait_seconds=0.3),
    ):
        pass
    assert 0.3 <= time.monotonic() - started < 5


def test_what_a_process_holds_its_parts_may_ask_for_again(tmp_path):
    with writer_lock(tmp_path / "lock"):
        with writer_lock(tmp_path / "lock"):
            pass
        assert json.loads((tmp_path / "lock").read_text())["pid"] == os.getpid()


def test_a_released_lock_names_nobody(tmp_path):
    with pytest.raises(ZeroDivisionError), writer_lock(tmp_path / "lock"):
        raise ZeroDivisionError

    assert (tmp_path / "lock").read_text() == ""
