"""The scenarios: how many rows and units, which days, which experiments; and their configuration as YAML files."""

import shutil
from dataclasses import dataclass
from datetime import date, timedelta
from fractions import Fraction
from pathlib import Path
from typing import Any

import yaml

FIRST_DATE = date(2026, 9, 1)
_METRICS = Path(__file__).parent / "metrics"


@dataclass(frozen=True)
class RunningExperiment:
    """An experiment, by day numbers from `FIRST_DATE`; one at a time occupies a slot."""

    id: str
    slot: int
    first_day: int
    last_day: int


@dataclass(frozen=True)
class Scenario:
    """What `benchmarks.logs` and `write_configs` write. `variables` are the row counts that its SQL reads."""

    name: str
    days: int
    history_days: int
    attributes: tuple[str, ...]
    metric_files: tuple[str, ...]
    experiments: tuple[RunningExperiment, ...]
    variables: dict[str, int]

    @property
    def first_history_date(self) -> date:
        """The first log date."""
        return date_of(0)

    @property
    def last_history_date(self) -> date:
        """The last log date before the next day."""
        return date_of(self.history_days - 1)


def date_of(day: int) -> date:
    """The log date of a day number."""
    return FIRST_DATE + timedelta(days=day)


def full_refresh(scale: Fraction = Fraction(1)) -> Scenario:
    """10 M exposures of 8 M units and 50 M events over 21 log dates; 1 experiment in the last 14, 15 metrics."""
    days, experiment_days = 21, 14
    return Scenario(
        name="full_refresh",
        days=days,
        history_days=days,
        attributes=(),
        metric_files=("shared.yaml",),
        experiments=(RunningExperiment("checkout", 0, days - experiment_days, days - 1),),
        variables={
            "population": round(10_000_000 * scale),
            "exposed_units": round(8_000_000 * scale),
            "repeats": round(2_000_000 * scale),
            "events_per_day": round(50_000_000 * scale / days),
            "experiment_days": experiment_days,
            "late_day": -1,
        },
    )


def daily(scale: Fraction = Fraction(1), history_days: int = 30) -> Scenario:
    """1 M events a day from 200 k active of 1 M units, 20 concurrent experiments, 20 metrics, 5 segments.

    Two days come after the history: the next day, and one with many late rows.
    """
    days = history_days + 2
    return Scenario(
        name="daily",
        days=days,
        history_days=history_days,
        attributes=("country", "device", "browser", "plan", "referrer"),
        metric_files=("shared.yaml", "daily.yaml"),
        experiments=tuple(_staggered(days)),
        variables={
            "active_units": round(200_000 * scale),
            "events_per_day": round(1_000_000 * scale),
            "late_day": history_days + 1,
        },
    )


def _staggered(days: int, slots: int = 20, length: int = 20) -> list[RunningExperiment]:
    """Experiments of 20 days, one after another in each of 20 slots, the slots a day apart."""
    found = []
    for slot in range(slots):
        for number, first in enumerate(range(slot - length, days, length)):
            if first + length > 0:
                found.append(
                    RunningExperiment(f"slot_{slot}_experiment_{number}", slot, max(first, 0), first + length - 1)
                )
    return found


def write_configs(scenario: Scenario, folder: Path) -> None:
    """Write the scenario's configuration into `folder`, replacing what is there."""
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "metrics").mkdir(parents=True)
    (folder / "experiments").mkdir()
    project = {"name": scenario.name, "timezone": "UTC", "late_arrival_days": 3, "history_start": FIRST_DATE}
    _write(folder / "project.yaml", project)
    _write(folder / "sources.yaml", _sources(scenario))
    metrics = []
    for name in scenario.metric_files:
        shutil.copyfile(_METRICS / name, folder / "metrics" / name)
        metrics += [metric["id"] for metric in yaml.safe_load((_METRICS / name).read_text())]
    for experiment in scenario.experiments:
        _write(folder / "experiments" / f"{experiment.id}.yaml", _experiment(scenario, experiment, metrics))


def _sources(scenario: Scenario) -> dict[str, Any]:
    exposures = {
        "id": "web_exposures",
        "path": "exposures/{date}.parquet",
        "format": "parquet",
        "columns": {"unit_id": "user_id", "experiment_id": "experiment", "variant_id": "variant", "exposed_at": "ts"},
        "attributes": list(scenario.attributes),
    }
    events = {
        "id": "shop_events",
        "path": "events/{date}.parquet",
        "format": "parquet",
        "columns": {"event_id": "event_id", "unit_id": "user_id", "event_name": "name", "occurred_at": "ts"},
        "measures": {"amount": {"column": "amount", "unit": "USD", "decimals": 2}},
        "properties": ["channel"],
    }
    return {"exposures": [exposures], "events": [events]}


def _experiment(scenario: Scenario, experiment: RunningExperiment, metrics: list[str]) -> dict[str, Any]:
    return {
        "id": experiment.id,
        "start": date_of(experiment.first_day),
        "end": date_of(experiment.last_day),
        "variants": [{"id": "control", "weight": 0.5, "baseline": True}, {"id": "treatment", "weight": 0.5}],
        "segments": list(scenario.attributes),
        "metrics": {"primary": metrics[:1], "secondary": metrics[1:]},
        "analysis": {"minimum_days": 0},
    }


def _write(path: Path, content: dict[str, Any]) -> None:
    path.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
