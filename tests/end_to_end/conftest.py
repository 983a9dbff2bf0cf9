"""Workspaces that several tests read: two public data sets, and a small simulated shop; and the command line."""

from pathlib import Path

import pytest

from orchestration.simulated_project import simulate_project
from orchestration.workspace import Workspace
from tests.end_to_end import twenty_experiments
from tests.end_to_end.pipeline import command, run
from tests.end_to_end.real_experiments.convert import (
    AUDACITY_DAYS,
    CONFIGS,
    COOKIE_CATS_DAYS,
    audacity_logs,
    cookie_cats_logs,
)
from tests.end_to_end.twenty_experiments import write_world
from tests.end_to_end.two_experiments.days import DAYS, FIRST_DAY, LAST_DAY

PUBLISHED_DATA = Path(__file__).resolve().parents[3] / "shared" / "data"


def published_data(name: str) -> Path:
    """The folder of a public data set, which lies beside the repository where there is one."""
    folder = PUBLISHED_DATA / name
    if not folder.is_dir():
        pytest.skip(f"the public data set is not here: {folder}")
    return folder


@pytest.fixture(scope="session")
def cookie_cats(tmp_path_factory) -> Workspace:
    root = tmp_path_factory.mktemp("cookie_cats")
    cookie_cats_logs(published_data("cookie_cats"), root / "data")
    workspace = Workspace(CONFIGS / "cookie_cats", root / "data", root / "state")
    run(workspace, COOKIE_CATS_DAYS[0].date(), COOKIE_CATS_DAYS[-1].date())
    return workspace


@pytest.fixture(scope="session")
def audacity(tmp_path_factory) -> Workspace:
    root = tmp_path_factory.mktemp("audacity")
    audacity_logs(published_data("audacity_funnel"), root / "data")
    workspace = Workspace(CONFIGS / "audacity", root / "data", root / "state")
    run(workspace, AUDACITY_DAYS[0].date(), AUDACITY_DAYS[-1].date())
    return workspace


@pytest.fixture(scope="session")
def unrun_shop(tmp_path_factory) -> Workspace:
    """The small shop with its logs, never run: copy it, or give it a state folder of your own."""
    root = tmp_path_factory.mktemp("two_experiments")
    workspace = Workspace(Path(__file__).parent / "two_experiments", root / "data", root / "state")
    simulate_project(workspace, units=1500, days=len(DAYS), seed=3)
    return workspace


@pytest.fixture(scope="session")
def shop(unrun_shop) -> Workspace:
    """The small shop after one run of all its log dates. Read only."""
    run(unrun_shop, FIRST_DAY, LAST_DAY)
    return unrun_shop


@pytest.fixture(scope="session")
def twenty(tmp_path_factory) -> Workspace:
    """The twenty experiments after one run of all their log dates. Read only."""
    workspace = write_world(tmp_path_factory.mktemp("twenty"))
    run(workspace, twenty_experiments.FIRST_DAY, twenty_experiments.LAST_DAY)
    return workspace


@pytest.fixture
def equipoise():
    """Runs the console script's entry point in this process."""
    return command
