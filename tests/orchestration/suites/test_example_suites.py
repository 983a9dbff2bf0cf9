"""The suites of the example project: what a refresh would write from the demo's own logs, and what these logs meet."""

from datetime import date, timedelta
from pathlib import Path

import pytest

from configs.load import load_static
from configs.suite_load import load_valid_suites
from orchestration.assets.ingest import ingest_range
from orchestration.audit.built_in import built_in
from orchestration.demo import DEMO_DAYS
from orchestration.simulated_project import simulate_project
from orchestration.workspace import Workspace

CONFIGS = Path(__file__).parents[3] / "configs"


def test_every_source_has_one_and_without_history_nothing_is_missing(equipoise, tmp_path):
    project = Workspace(CONFIGS, tmp_path / "data", tmp_path / "state")
    _, sources = load_static(CONFIGS)
    logs = [source.id for source in (*sources.exposures, *sources.events)]
    assert list(load_valid_suites(CONFIGS, sources)) == logs
    printed = equipoise(project, "suites", "refresh", "--check")
    assert (printed.status, printed.out) == (0, "every suite is up to date\n")


@pytest.mark.slow
@pytest.mark.parametrize(("units", "seed"), [(20_000, 1), (20_000, 2), (5_000, 3)])
def test_the_demo_s_days_meet_them(equipoise, tmp_path, units, seed):
    workspace = Workspace(CONFIGS, tmp_path / "data", tmp_path / "state")
    simulate_project(workspace, units=units, days=DEMO_DAYS, seed=seed)
    project, sources = load_static(CONFIGS)
    last = project.history_start + timedelta(days=DEMO_DAYS - 1)
    # Built-in ones warn of experiments that end, and of a handful of tickets a day.
    defaults = {entry.figure for entry in built_in(None)}
    not_met: list[tuple[str, date, str]] = []
    for source in (*sources.exposures, *sources.events):
        manifests = ingest_range(workspace, source, project.history_start, last)
        not_met += [
            (source.id, manifest.log_date, finding["column"])
            for manifest in manifests
            for finding in manifest.audit
            if not finding["success"] and finding["column"] not in defaults
        ]
    assert not_met == []
    if (units, seed) == (20_000, 1):
        assert equipoise(workspace, "suites", "refresh", "--check").status == 0
