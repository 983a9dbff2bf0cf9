"""A backfill killed half-way, started again: it goes on where it stopped."""

import signal
import subprocess
import sys
import time
from datetime import date, timedelta
from pathlib import Path

import pytest

from configs.load import load_config_tolerant
from orchestration.assets.ingest import ingest_range
from orchestration.lake import DayManifest, Lake
from orchestration.request import finish_request
from orchestration.workspace import Workspace
from tests.orchestration.ingest_case import HEADER, event

FIRST = date(2026, 9, 1)
N_DAYS = 20
LAST = FIRST + timedelta(days=N_DAYS - 1)
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
BACKFILL = """
import sys
from datetime import date
from pathlib import Path
from tests.orchestration.test_ingest_killed import backfill
from orchestration.workspace import Workspace

backfill(Workspace(*map(Path, sys.argv[1:])))
"""


def backfill(workspace: Workspace) -> list[DayManifest]:
    config, *_ = load_config_tolerant(workspace.configs)
    return ingest_range(workspace, config.sources.events[0], FIRST, LAST)


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    workspace = Workspace(tmp_path / "configs", tmp_path / "data", tmp_path / "state")
    for name in ("experiments", "metrics"):
        (workspace.configs / name).mkdir(parents=True)
    (workspace.configs / "project.yaml").write_text(f"name: shop\nhistory_start: {FIRST}\n")
    (workspace.configs / "sources.yaml").write_text(SOURCES)
    for offset in range(N_DAYS):
        day = FIRST + timedelta(days=offset)
        folder = workspace.data / "events" / day.isoformat()
        folder.mkdir(parents=True)
        (folder / "a.csv").write_text(HEADER + event(f"e{offset}", ts=f"{day}T10:00:00Z"))
    return workspace


def committed(workspace: Workspace) -> list[DayManifest]:
    return Lake(workspace.lake).manifests("shop_events", FIRST, LAST)


def test_a_killed_backfill_reads_no_day_twice(workspace: Workspace) -> None:
    folders = [str(workspace.configs), str(workspace.data), str(workspace.state)]
    process = subprocess.Popen([sys.executable, "-c", BACKFILL, *folders])
    while process.poll() is None and len(list(workspace.lake.glob("*/*/day.json"))) < 5:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    before = committed(workspace)
    assert 5 <= len(before) < N_DAYS

    after = backfill(workspace)

    assert [manifest.log_date for manifest in after] == [FIRST + timedelta(days=offset) for offset in range(N_DAYS)]
    assert after[: len(before)] == before

    finish_request(workspace.state)
    again = backfill(workspace)
    assert [manifest.content_hash for manifest in again] == [manifest.content_hash for manifest in after]
    assert not {manifest.rows_file for manifest in again} & {manifest.rows_file for manifest in after}
