"""Progress bars: on a real terminal, and nowhere else."""

import os
import pty
import subprocess
import sys

WORK = """
import os
from orchestration.progress import shown_on_terminal, with_progress
with shown_on_terminal():
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # as Dagster does while a step runs
    assert list(with_progress([1, 2, 3], "count the days")) == [1, 2, 3]
"""


def stderr_of_work(stderr: int) -> None:
    subprocess.run([sys.executable, "-c", WORK], stderr=stderr, env={**os.environ, "TERM": "xterm"}, check=True)


def test_a_terminal_sees_the_bar_though_the_step_s_standard_error_is_redirected():
    ours, theirs = pty.openpty()
    stderr_of_work(theirs)
    os.close(theirs)

    assert b"count the days" in os.read(ours, 100_000)


def test_a_file_sees_nothing(tmp_path):
    with (tmp_path / "stderr").open("w") as file:
        stderr_of_work(file.fileno())

    assert (tmp_path / "stderr").read_text() == ""
