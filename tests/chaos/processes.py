"""The trials' two helpers: the process that starts runs, and the one that reads all the time."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from orchestration.workspace import Workspace
from tests.chaos.scenarios import Scenario

ROOT = Path(__file__).resolve().parents[2]


class _Talking:
    """A Python module as a process that answers lines with lines of JSON."""

    def __init__(self, module: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", module],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
            cwd=ROOT,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._process.kill()
        self._process.wait()

    def _tell(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")

    def _hear(self) -> Any:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, f"{self._process.args} ended"
        return json.loads(line)


@dataclass(frozen=True)
class RunEnd:
    """How a run ended (0 published, 1 published nothing, -9 killed), and how long it worked."""

    status: int
    seconds: float


class RunServer(_Talking):
    """Starts runs and kills them."""

    def __init__(self) -> None:
        super().__init__("tests.chaos.run_server")

    def run(self, workspace: Workspace, scenario: Scenario, kill: Callable[[float], bool] | None = None) -> RunEnd:
        """Run to the end; or until `kill`, asked again and again with the seconds since the start, says so."""
        request = {name: str(getattr(workspace, name)) for name in ("configs", "data", "state")}
        request |= {"first": str(scenario.first), "last": str(scenario.last), "log": f"{workspace.state}.log"}
        self._tell(json.dumps(request))
        pid, started = self._hear()["pid"], time.monotonic()
        while kill is not None and _lives(pid):
            if kill(time.monotonic() - started):
                _kill_group(pid)
                break
            time.sleep(0.002)
        return RunEnd(self._hear()["status"], time.monotonic() - started)


class Reader(_Talking):
    """Reads the published tables of one state folder at a time."""

    def __init__(self) -> None:
        super().__init__("tests.chaos.reader")

    def watch(self, state: Path) -> None:
        """Begin to look."""
        self._tell(str(state))

    def stop(self) -> dict[str, Any]:
        """Stop, and tell `polls`, `seen` and `errors`."""
        self._tell("")
        return self._hear()


def _lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def _kill_group(pid: int) -> None:
    """The run and whatever it started; in its first instant it has no group of its own yet."""
    try:
        os.killpg(pid, signal.SIGKILL)
    except ProcessLookupError:
        os.kill(pid, signal.SIGKILL)
