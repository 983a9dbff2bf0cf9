"""The daily run: the next day and a day of late data after 5, 30 and 60 days, beside their full refresh."""

import shutil
import subprocess
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from statistics import median

from benchmarks.commands import PipelineProject, PipelineRun
from benchmarks.generate import generate
from benchmarks.report import middle, table
from benchmarks.scenarios import daily, date_of


@dataclass
class DailyRuns:
    """Runs after one history: how it came about, and what the two days after it take."""

    history_days: int
    project: PipelineProject
    full_refresh: PipelineRun
    next_day: list[PipelineRun] = field(default_factory=list)
    late_day: list[PipelineRun] = field(default_factory=list)

    @property
    def next_day_seconds(self) -> float:
        """Median wall clock of the next day's run."""
        return median(run.process.seconds for run in self.next_day)


def run_daily(
    folder: Path, scale: Fraction, histories: tuple[int, ...], runs: int, memory_limit: str
) -> list[DailyRuns]:
    """Each history once in full; then the days after it, in turn over the histories, each from a copy of its state."""
    found = [_history(folder / f"{days}_days", scale, days, memory_limit) for days in histories]
    for _ in range(runs):
        for one in found:
            _restore(one.project)
            next_day = date_of(one.history_days)
            one.next_day.append(one.project.run(next_day, next_day))
            late_day = date_of(one.history_days + 1)
            one.late_day.append(one.project.run(late_day, late_day))
    for one in found:
        one.project.forget_state()
        shutil.rmtree(_kept(one.project))
    return found


def _history(folder: Path, scale: Fraction, days: int, memory_limit: str) -> DailyRuns:
    scenario = daily(scale, days)
    project = PipelineProject(generate(scenario, folder), memory_limit)
    project.forget_state()
    shutil.rmtree(_kept(project), ignore_errors=True)
    full = project.run(scenario.first_history_date, scenario.last_history_date)
    project.state.rename(_kept(project))
    return DailyRuns(days, project, full)


def _kept(project: PipelineProject) -> Path:
    return project.folder / "state_after_history"


def _restore(project: PipelineProject) -> None:
    """Under the same path, for the state may name it; hard links stay hard links."""
    project.forget_state()
    subprocess.run(["cp", "-a", str(_kept(project)), str(project.state)], check=True)


def describe_daily(found: list[DailyRuns]) -> list[str]:
    """A row for each history, and the steps of the longest one's next day."""
    rows = [
        [
            f"{one.history_days} days",
            middle([run.process.seconds for run in one.next_day]),
            middle([run.process.cpu_seconds for run in one.next_day]),
            middle([run.process.seconds for run in one.late_day]),
            f"{one.full_refresh.process.seconds:.1f}",
            f"1/{one.full_refresh.process.seconds / one.next_day_seconds:.1f}",
            f"{max(run.process.peak_mb for run in [one.full_refresh, *one.next_day, *one.late_day]):,.0f}",
        ]
        for one in found
    ]
    header = [
        "history",
        "next day, s",
        "its CPU, s",
        "day of late data, s",
        "full refresh, s",
        "next ÷ full",
        "peak MB",
    ]
    longest = found[-1]
    steps = longest.next_day[-1].step_seconds
    growth = [
        f"The next day takes **{longest.next_day_seconds / one.next_day_seconds:.2f} times** as long after"
        f" {longest.history_days} days as after {one.history_days}."
        for one in found[:-1]
    ]
    return [
        table(header, rows),
        *growth,
        f"Steps of the last next day after {longest.history_days} days:",
        table(["step", "seconds"], [[name, f"{taken:.1f}"] for name, taken in steps.items()]),
    ]
