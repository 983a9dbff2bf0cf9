"""The commands that are measured, each a fresh process: the floor, a run of the pipeline, the wide scorecard."""

import json
import math
import shutil
import sys
from collections.abc import Collection
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from pathlib import Path

from benchmarks.process import ProcessRun, timed_process

# At full scale: what was fastest within a limit of 1 GB.
FLOOR_PARTS, FLOOR_SHARES = 2, 8


@dataclass(frozen=True)
class PipelineRun:
    """A run of the pipeline, with Dagster's seconds by step."""

    process: ProcessRun
    step_seconds: dict[str, float]


@dataclass(frozen=True)
class PipelineProject:
    """A generated project that the installed command is pointed at; its state lies beside it."""

    folder: Path
    memory_limit: str

    @property
    def state(self) -> Path:
        """The state folder."""
        return self.folder / "state"

    def forget_state(self) -> None:
        """Begin from nothing."""
        shutil.rmtree(self.state, ignore_errors=True)

    def command(self, *arguments: str) -> list[str]:
        """The installed command with the project's folders."""
        return [
            *(str(Path(sys.executable).with_name("equipoise")), "--configs", str(self.folder / "configs")),
            *("--data", str(self.folder / "data"), "--state", str(self.state), *arguments),
        ]

    def run(self, first: date, last: date, *, accepted: Collection[int] = (0,)) -> PipelineRun:
        """`equipoise run` over log dates; its exit status is 1 also where health checks fail."""
        command = self.command("run", "--from", first.isoformat(), "--to", last.isoformat(), "--format", "json")
        limit = {"EQUIPOISE_MEMORY_LIMIT": self.memory_limit}
        process = _told("pipeline", timed_process(command, limit, accepted))
        return PipelineRun(process, json.loads(process.output)["step_seconds"])


def run_floor(project: Path, scale: Fraction, memory_limit: str) -> ProcessRun:
    """The hand-written query over a full refresh's logs."""
    parts = math.ceil(FLOOR_PARTS * scale)
    options = ["--parts", str(parts), "--shares", str(FLOOR_SHARES), "--memory-limit", memory_limit]
    command = [sys.executable, "-m", "benchmarks.floor.query", "--project", str(project), *options]
    return _told("floor", timed_process(command))


def simulate(project: PipelineProject, units: int, days: int) -> ProcessRun:
    """`equipoise simulate` of so many log dates."""
    return _told("simulate", timed_process(project.command("simulate", "--units", str(units), "--days", str(days))))


def run_wide(*options: str) -> ProcessRun:
    """The wide scorecard, or with `--health` the health checks."""
    return _told("wide", timed_process([sys.executable, "-m", "benchmarks.wide", *options]))


def wide_seconds(run: ProcessRun) -> float:
    """From moments to decisions, without the making of the moments."""
    return sum(value for name, value in json.loads(run.output).items() if name.endswith(", s"))


def _told(name: str, run: ProcessRun) -> ProcessRun:
    """Say each run as it ends: all of them take an hour."""
    print(f"{name}: {run.seconds:.1f} s, {run.cpu_seconds:.1f} s of CPU, {run.peak_mb:,.0f} MB", file=sys.stderr)
    return run
