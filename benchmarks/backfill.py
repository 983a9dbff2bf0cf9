"""A year's backfill in one run: the demo's shop, and its experiments once more every 41 days."""

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import yaml

from benchmarks.commands import PipelineProject, PipelineRun, simulate
from benchmarks.process import ProcessError
from benchmarks.report import table

EXAMPLE = Path(__file__).resolve().parent.parent / "configs"
LAST_DAY = date(2026, 10, 14)
DAYS, UNITS, EVERY_DAYS = 365, 20_000, 41
FINISHED = "finished_with_failures"
COPIED = ("project.yaml", "sources.yaml", "metrics")


@dataclass(frozen=True)
class Backfill:
    """The run, and what it was of."""

    days: int
    experiments: int
    run: PipelineRun


def run_backfill(folder: Path, memory_limit: str, days: int = DAYS) -> Backfill:
    """Write the project and its logs anew, and run all log dates into a fresh state."""
    first = LAST_DAY - timedelta(days=days - 1)
    shutil.rmtree(folder, ignore_errors=True)
    experiments = write_project(folder / "configs", first)
    project = PipelineProject(folder, memory_limit)
    simulate(project, UNITS, days)
    run = project.run(first, LAST_DAY, accepted=(0, 1))  # one experiment's split is broken, and its check says so
    if json.loads(run.process.output)["status"] != FINISHED:
        raise ProcessError(run.process.output)
    project.forget_state()
    return Backfill(days, experiments, run)


def write_project(configs: Path, first: date) -> int:
    """The example configuration from `first` on, every experiment once more every 41 days before; their number."""
    (configs / "experiments").mkdir(parents=True)
    for name in COPIED:
        source = EXAMPLE / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, configs / name)
    project = _read(configs / "project.yaml") | {"history_start": first}
    _write(configs / "project.yaml", project)
    simulation = _read(EXAMPLE / "simulation.yaml")
    effects: dict[str, Any] = {}
    for path in sorted((EXAMPLE / "experiments").glob("*.yaml")):
        experiment = _read(path)
        for round_ in range(_rounds(experiment["start"], first)):
            copy = _earlier(experiment, round_)
            _write(configs / "experiments" / f"{copy['id']}.yaml", copy)
            effects[copy["id"]] = simulation["experiments"][experiment["id"]]
    _write(configs / "simulation.yaml", simulation | {"experiments": effects})
    return len(effects)


def _rounds(start: date, first: date) -> int:
    """How often an experiment fits in, the covariates' history before the first included."""
    return 1 + max(0, (start - first).days - 14) // EVERY_DAYS


def _earlier(experiment: Mapping[str, Any], round_: int) -> dict[str, Any]:
    if round_ == 0:
        return dict(experiment)
    shift = timedelta(days=EVERY_DAYS * round_)
    dates = {"start": experiment["start"] - shift, "end": experiment["end"] - shift, "status": "stopped"}
    return dict(experiment) | dates | {"id": f"{experiment['id']}_{round_}"}


def _read(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return found


def _write(path: Path, content: Mapping[str, Any]) -> None:
    path.write_text(yaml.safe_dump(dict(content), sort_keys=False), encoding="utf-8")


def describe_backfill(found: Backfill) -> list[str]:
    """A sentence, and the steps."""
    process = found.run.process
    steps = found.run.step_seconds
    rest = process.seconds - sum(steps.values())
    said = (
        f"{found.days} log dates of four sources, {UNITS:,} users, {found.experiments} experiments: "
        f"**{process.seconds:,.0f} s**, {process.cpu_seconds:,.0f} s of CPU, {process.peak_mb:,.0f} MB, in one run."
    )
    rows = [[name, f"{taken:.1f}"] for name, taken in (steps | {"the rest": rest}).items()]
    return [said, table(["step", "seconds"], rows)]
