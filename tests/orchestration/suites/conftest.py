"""A lake of three weeks that tests may read, and copies of it that they may change."""

import shutil
from pathlib import Path

import pytest

from orchestration.workspace import Workspace
from tests.end_to_end.conftest import equipoise
from tests.orchestration.suites.weeks import three_weeks

__all__ = ["equipoise"]


@pytest.fixture(scope="session")
def weeks(tmp_path_factory) -> Workspace:
    """Read only."""
    return three_weeks(tmp_path_factory.mktemp("weeks"))


@pytest.fixture
def own_weeks(weeks: Workspace, tmp_path: Path) -> Workspace:
    """A copy to change."""
    for part in (weeks.configs, weeks.state):
        shutil.copytree(part, tmp_path / part.name)
    return Workspace(tmp_path / "configs", tmp_path / "state" / "data", tmp_path / "state")
