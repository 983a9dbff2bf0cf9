"""Days that are read again though nobody asked for them, and days that are not: their manifests decide."""

import shutil
from datetime import date, timedelta
from pathlib import Path

import pytest

from configs.load import load_config_tolerant
from orchestration.assets.ingest import ingest_range
from orchestration.inputs import read_inputs
from orchestration.lake import DayManifest, Lake
from orchestration.workspace import Workspace
from tests.orchestration.ingest_case import EXPOSURE_HEADER, HEADER, event

FIRST = date(2026, 9, 1)
DAYS = [FIRST + timedelta(days=offset) for offset in range(6)]
PROJECT = f"name: shop\nhistory_start: {FIRST}\n"
SOURCES = """\
exposures:
  - id: web_exposures
    path: exposures/{date}/*
    format: csv
    columns: {unit_id: user_id, experiment_id: experiment, variant_id: variant, exposed_at: ts}
events:
  - id: shop_events
    path: events/{date}/*
    format: csv
    columns: {event_id: event_id, unit_id: user_id, event_name: name, occurred_at: ts}
"""
EXPERIMENT = """\
id: checkout
status: running
start: 2026-09-01
end: 2026-09-14
variants: [{id: control, weight: 0.5, baseline: true}, {id: fast, weight: 0.5}]
metrics: {primary: [orders]}
"""
METRIC = "- {id: orders, type: mean, source: shop_events, event: purchase, aggregate: count}\n"


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    workspace = Workspace(tmp_path / "configs", tmp_path / "data", tmp_path / "state")
    files = {
        "project.yaml": PROJECT,
        "sources.yaml": SOURCES,
        "metrics/all.yaml": METRIC,
        "experiments/checkout.yaml": EXPERIMENT,
    }
    for name, text in files.items():
        path = workspace.configs / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    for day in DAYS:
        deliver(workspace, day, day.isoformat())
        exposures = [
            f"{user},checkout,{variant},{day}T10:00:00Z,DE\n" for user, variant in (("u1", "fast"), ("u2", "free"))
        ]
        log(workspace, "exposures", day).write_text(EXPOSURE_HEADER + "".join(exposures))
    return workspace


def log(workspace: Workspace, kind: str, day: date) -> Path:
    path = workspace.data / kind / day.isoformat() / "a.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def deliver(workspace: Workspace, day: date, *ids: str, at: str = "T23:30:00Z") -> None:
    log(workspace, "events", day).write_text(HEADER + "".join(event(id_, ts=f"{day}{at}") for id_ in ids))


def ingest(workspace: Workspace, kind: str, first: date, last: date) -> list[date]:
    """Ingest, and say which days have other rows files now."""
    config, *_ = load_config_tolerant(workspace.configs)
    source = (config.sources.exposures if kind == "exposures" else config.sources.events)[0]
    before = {manifest.log_date: manifest.rows_file for manifest in days(workspace, kind)}
    ingest_range(workspace, source, first, last)
    return [one.log_date for one in days(workspace, kind) if one.rows_file != before.get(one.log_date)]


def days(workspace: Workspace, kind: str) -> list[DayManifest]:
    source_id = "web_exposures" if kind == "exposures" else "shop_events"
    return Lake(workspace.lake).manifests(source_id, date.min, date.max)


def duplicates(workspace: Workspace) -> list[int]:
    return [manifest.rows_duplicate for manifest in days(workspace, "events")]


def test_what_a_killed_correction_reaches_is_read_by_whatever_run_comes_next(
    workspace: Workspace, tmp_path: Path
) -> None:
    """Else a row that moved to an earlier day would count on both."""
    ingest(workspace, "events", DAYS[0], DAYS[4])
    shutil.copytree(workspace.lake, tmp_path / "before")
    deliver(workspace, DAYS[0], DAYS[0].isoformat(), DAYS[2].isoformat())
    ingest(workspace, "events", DAYS[0], DAYS[0])
    once = duplicates(workspace)
    assert once == [0, 0, 1, 0, 0]

    for day in DAYS[1:5]:  # as if it had been killed before it came to them
        folder = Lake(workspace.lake).folder("shop_events", day)
        shutil.rmtree(folder)
        shutil.copytree(tmp_path / "before" / folder.relative_to(workspace.lake), folder)
    assert duplicates(workspace) == [0, 0, 0, 0, 0]

    assert ingest(workspace, "events", DAYS[5], DAYS[5]) == DAYS[1:6]
    assert duplicates(workspace) == [*once, 0]
    assert ingest(workspace, "events", DAYS[5], DAYS[5]) == []


def test_a_day_that_nobody_asked_for_keeps_its_rows_when_its_logs_are_gone(workspace: Workspace) -> None:
    ingest(workspace, "events", DAYS[0], DAYS[4])
    for day in DAYS[1:5]:
        log(workspace, "events", day).unlink()
    deliver(workspace, DAYS[0], DAYS[0].isoformat(), "corrected")

    assert ingest(workspace, "events", DAYS[0], DAYS[0]) == [DAYS[0]]

    assert [(one.status, one.rows_accepted) for one in days(workspace, "events")] == [("ok", 2), *[("ok", 1)] * 4]


def test_a_day_that_keeps_its_rows_is_compared_with_all_the_same(workspace: Workspace) -> None:
    """Its log lacks a new property, which the log of the next day has."""
    log(workspace, "events", DAYS[0]).write_text(f"event_id,user_id,name,ts\na,u1,purchase,{DAYS[0]}T10:00:00Z\n")
    ingest(workspace, "events", DAYS[0], DAYS[0])
    (workspace.configs / "sources.yaml").write_text(SOURCES + "    properties: [channel]\n")
    deliver(workspace, DAYS[1], "a", "b")

    assert ingest(workspace, "events", DAYS[1], DAYS[1]) == [DAYS[1]]

    assert duplicates(workspace) == [0, 1]


def test_rows_of_a_variant_are_judged_again_once_the_experiment_has_it(workspace: Workspace) -> None:
    ingest(workspace, "exposures", DAYS[0], DAYS[2])
    assert [one.rows_quarantined for one in days(workspace, "exposures")] == [1, 1, 1]
    experiment = workspace.configs / "experiments" / "checkout.yaml"
    experiment.write_text(
        EXPERIMENT.replace("{id: fast, weight: 0.5}", "{id: fast, weight: 0.25}, {id: free, weight: 0.25}")
    )

    assert ingest(workspace, "exposures", DAYS[3], DAYS[3]) == DAYS[:4]

    assert [one.rows_quarantined for one in days(workspace, "exposures")] == [0, 0, 0, 0]


def test_another_timezone_reads_every_day_again(workspace: Workspace) -> None:
    """What lies in the lake says which local day a row is of."""
    ingest(workspace, "events", DAYS[0], DAYS[2])
    log(workspace, "events", DAYS[0]).unlink()
    (workspace.configs / "project.yaml").write_text(PROJECT + "timezone: Europe/Berlin\n")

    assert ingest(workspace, "events", DAYS[3], DAYS[3]) == DAYS[1:4]

    manifests = read_inputs(workspace, (DAYS[3], DAYS[3])).days
    statuses = [manifests["shop_events", day].status for day in DAYS[:4]]
    assert statuses == ["failed", "ok", "ok", "ok"]
    assert "before the project's timezone changed" in manifests["shop_events", DAYS[0]].reason


def test_a_longer_allowance_takes_late_rows_out_of_quarantine(workspace: Workspace) -> None:
    late = event("late", ts=f"{FIRST - timedelta(days=3)}T10:00:00Z")
    log(workspace, "events", DAYS[1]).write_text(HEADER + event("in_time", ts=f"{DAYS[1]}T10:00:00Z") + late)
    (workspace.configs / "project.yaml").write_text(PROJECT + "late_arrival_days: 3\n")
    ingest(workspace, "events", DAYS[0], DAYS[1])
    assert [one.rows_quarantined for one in days(workspace, "events")] == [0, 1]

    (workspace.configs / "project.yaml").write_text(PROJECT + "late_arrival_days: 4\n")
    assert ingest(workspace, "events", DAYS[2], DAYS[2]) == DAYS[:3]
    assert [one.rows_quarantined for one in days(workspace, "events")] == [0, 0, 0]


def test_an_experiment_that_is_edited_after_a_failed_run_has_no_events_read_again(workspace: Workspace) -> None:
    for kind in ("events", "exposures"):
        assert ingest(workspace, kind, DAYS[0], DAYS[2]) == DAYS[:3]
    experiment = workspace.configs / "experiments" / "checkout.yaml"
    experiment.write_text(EXPERIMENT.replace("id: control", "id: usual"))

    assert ingest(workspace, "events", DAYS[0], DAYS[2]) == []
    assert ingest(workspace, "exposures", DAYS[0], DAYS[2]) == DAYS[:3]

    sources = workspace.configs / "sources.yaml"
    sources.write_text(SOURCES.replace("path: events/{date}/*", "path: 'events/{date}/*.csv'"))
    assert ingest(workspace, "events", DAYS[0], DAYS[2]) == DAYS[:3]
