"""The full refresh: every as-of date of 10 M exposures and 50 M events, beside the floor's last one."""

from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

from benchmarks.commands import PipelineProject, PipelineRun, run_floor
from benchmarks.generate import generate
from benchmarks.process import ProcessRun
from benchmarks.report import middle, table
from benchmarks.scenarios import full_refresh


@dataclass
class FullRefreshRuns:
    """Alternating runs of the floor and the pipeline."""

    floor: list[ProcessRun] = field(default_factory=list)
    pipeline: list[PipelineRun] = field(default_factory=list)

    @property
    def ratios(self) -> list[float]:
        """Wall clock of each run of the pipeline over that of the floor just before it."""
        pairs = zip(self.pipeline, self.floor, strict=True)
        return [pipeline.process.seconds / floor.seconds for pipeline, floor in pairs]


def run_full_refresh(folder: Path, scale: Fraction, runs: int, memory_limit: str) -> FullRefreshRuns:
    """Floor and pipeline in turn, the pipeline into a fresh state each time."""
    scenario = full_refresh(scale)
    project = PipelineProject(generate(scenario, folder), memory_limit)
    found = FullRefreshRuns()
    for _ in range(runs):
        found.floor.append(run_floor(folder, scale, memory_limit))
        project.forget_state()
        found.pipeline.append(project.run(scenario.first_history_date, scenario.last_history_date))
    project.forget_state()
    return found


def describe_full_refresh(found: FullRefreshRuns) -> list[str]:
    """A table of both, their ratio, and the steps of the pipeline's last run."""
    pipeline = [run.process for run in found.pipeline]
    rows = [
        [
            name,
            middle([run.seconds for run in runs]),
            middle([run.cpu_seconds for run in runs]),
            middle([run.peak_mb for run in runs], 0),
        ]
        for name, runs in (
            ("floor: the last as-of date, by hand", found.floor),
            ("pipeline: every as-of date", pipeline),
        )
    ]
    steps = found.pipeline[-1].step_seconds
    others = found.pipeline[-1].process.seconds - sum(steps.values())
    return [
        table(["median (range)", "seconds", "CPU seconds", "peak MB"], rows),
        f"Pipeline over floor, run by run: **{middle(found.ratios)}**. Steps of the pipeline's last run:",
        table(["step", "seconds"], [[name, f"{taken:.1f}"] for name, taken in (steps | {"the rest": others}).items()]),
    ]
