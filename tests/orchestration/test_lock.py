"""The writer lock, between real processes."""

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
    with pytest.raises(LockHeldError, match=f'"pid": {holder.pid}'), writer_lock(tmp_path / "lock"):
        pass


def test_a_killed_holder_frees_the_lock(tmp_path, holder):
    holder.kill()
    holder.wait()

    with writer_lock(tmp_path / "lock"):
        assert f'"pid": {os.getpid()}' in (tmp_path / "lock").read_text()


def test_a_writer_may_wait(tmp_path, holder):
    started = time.monotonic()
    subprocess.Popen(["sh", "-c", f"sleep 0.5; kill -9 {holder.pid}"])

    with writer_lock(tmp_path / "lock", wait_seconds=30):
        assert time.monotonic() - started >= 0.4


def test_a_released_lock_names_nobody(tmp_path):
    with writer_lock(tmp_path / "lock"):
        pass

    assert (tmp_path / "lock").read_text() == ""
