"""The configuration of a run is what it was at the run's start."""

import pytest

from configs.load import load_config_tolerant
from orchestration.run_configuration import pin_configuration
from orchestration.workspace import Workspace

PROJECT = "name: shop\nhistory_start: 2026-10-01\n"


@pytest.fixture
def workspace(tmp_path) -> Workspace:
    (tmp_path / "configs" / "experiments").mkdir(parents=True)
    (tmp_path / "configs" / "metrics").mkdir()
    (tmp_path / "configs" / "project.yaml").write_text(PROJECT)
    (tmp_path / "state").mkdir()
    return Workspace(tmp_path / "configs", tmp_path / "data", tmp_path / "state")


def project_of(workspace: Workspace) -> str:
    return (workspace.configs / "project.yaml").read_text()


def test_an_edit_is_seen_by_the_next_run_and_not_by_this_one(workspace):
    (workspace.configs / "README.md").write_text("not configuration")
    pinned = pin_configuration(workspace, "one")
    (workspace.configs / "project.yaml").write_text("name: edited\n")

    assert project_of(pin_configuration(workspace, "one")) == PROJECT
    assert {path.name for path in pinned.configs.iterdir()} == {"project.yaml", "experiments", "metrics"}
    assert pinned.state == workspace.state

    assert project_of(pin_configuration(workspace, "two")) == "name: edited\n"
    assert [path.name for path in workspace.run_configuration.iterdir()] == ["two"]


def test_a_pinned_workspace_pinned_again_is_itself(workspace):
    pinned = pin_configuration(workspace, "one")
    assert pin_configuration(pinned, "one") == pinned


def test_a_file_that_cannot_be_read_stays_one_experiments_problem(workspace):
    (workspace.configs / "sources.yaml").write_text(
        "exposures:\n"
        "  - {id: web, path: 'x/{date}.csv', format: csv, columns: {unit_id: u, experiment_id: e, variant_id: v, "
        "exposed_at: t}}\n"
    )
    (workspace.configs / "experiments" / "odd.yaml").symlink_to("nowhere.yaml")
    _, _, broken = load_config_tolerant(pin_configuration(workspace, "one").configs)
    assert broken == {"odd": "experiments/odd.yaml:1: can't be read: No such file or directory"}


def test_a_folder_that_is_not_there_is_named_as_it_was_given(tmp_path):
    workspace = Workspace(tmp_path / "no_configs", tmp_path / "data", tmp_path / "state")
    assert pin_configuration(workspace, "one").configs == tmp_path / "no_configs"
