"""The configuration of a run: copied once, at its start, for all its steps, so that an edit never mixes two."""

import shutil
from dataclasses import replace
from pathlib import Path

from orchestration.workspace import Workspace

YAML = (".yaml", ".yml")


def pin_configuration(workspace: Workspace, run_id: str) -> Workspace:
    """The workspace with the configuration as it was when the run first asked. Only for the holder of the writer lock.

    The copy of the last run stays, as `<state>/run_configuration/<run_id>/`: it is what that run read. A folder that
    is not there is not copied, and the steps say so.
    """
    pinned = workspace.run_configuration / run_id
    if not pinned.exists() and workspace.configs.is_dir():
        temporary = workspace.state / "run_configuration.tmp"
        for leftover in (temporary, workspace.run_configuration):
            shutil.rmtree(leftover, ignore_errors=True)
        _copy_yaml(workspace.configs, temporary / run_id)
        temporary.rename(workspace.run_configuration)
    return replace(workspace, configs=pinned if pinned.exists() else workspace.configs)


def _copy_yaml(source: Path, target: Path) -> None:
    """Copy the folders, and the files that are configuration; one that cannot be read becomes a link to itself."""
    target.mkdir(parents=True)
    for path in source.iterdir():
        copy = target / path.name
        if path.is_dir():
            if not path.name.startswith("."):
                _copy_yaml(path, copy)
        elif path.suffix in YAML:
            try:
                content = path.read_bytes()
            except OSError:
                copy.symlink_to(path)  # so that the loader, and not the copy, says what is wrong with it
            else:
                copy.write_bytes(content)
