"""Before a run writes: remove what a dead one left, and say in Dagster that it is dead.

Nothing here is needed for the results to be right: every write of the pipeline is made current in one step, and what
was not made current counts for nothing. It keeps the disk and the list of runs clean.
"""

import shutil
from collections.abc import Iterator
from pathlib import Path

import dagster as dg

from orchestration.lake import Lake
from orchestration.lock import Owner
from orchestration.publish import unfinished
from orchestration.waiting import died_waiting
from orchestration.workspace import Workspace

WRITER_TAG = "equipoise/writer"
"""On every Dagster run that holds, or held, the writer lock: its own id, since a run that is executed again from the
web UI inherits the tags of the first."""

_UNFINISHED_STATUSES = [
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]


def writer_tags(run_id: str) -> dict[str, str]:
    """The tags of a run that holds the writer lock."""
    return {WRITER_TAG: run_id}


def remove_leftovers(workspace: Workspace, *, after_death: bool) -> list[Path]:
    """Remove files that no finished write made current and return them. Only for the holder of the writer lock.

    The places that a run always uses are looked into every time. With `after_death`, every folder of the lake and of
    the superseded rows is: that costs a manifest a partition.
    """
    removed = []
    for path in _temporary_files(workspace, thorough=after_death):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink()
        removed.append(path)
    return removed + (Lake(workspace.lake).clean() if after_death else [])


def end_dead_runs(instance: dg.DagsterInstance, writer: Owner, *, current_run_id: str) -> list[str]:
    """Mark the runs that died with the lock as failed, and return their ids.

    A lock has one holder. Its new one, finding the text of a writer that died, knows that no earlier run still works.
    """
    open_runs = instance.get_runs(filters=dg.RunsFilter(statuses=_UNFINISHED_STATUSES))
    dead = [run for run in open_runs if run.tags.get(WRITER_TAG) == run.run_id != current_run_id]
    for run in dead:
        instance.report_run_failed(run, f"The process died while it was writing ({writer}). Run these days again.")
    return [run.run_id for run in dead]


def end_dead_waiters(instance: dg.DagsterInstance, workspace: Workspace) -> list[str]:
    """Mark the runs that died while they waited for the lock as failed, and return their ids."""
    ended = []
    for run_id in died_waiting(workspace.waiting):
        run = instance.get_run_by_id(run_id)
        if run is not None and run.status in _UNFINISHED_STATUSES:
            instance.report_run_failed(
                run, "The process died while it waited for the writer lock. It had written nothing: run its days again."
            )
            ended.append(run_id)
    return ended


def _temporary_files(workspace: Workspace, *, thorough: bool) -> Iterator[Path]:
    yield from workspace.state.glob("*.tmp")
    yield from workspace.lake.glob(".scratch/*")
    yield from unfinished(workspace.state)
    yield from workspace.spill.glob("*")
    yield from workspace.pinned_configs.glob("*.tmp")
    yield from workspace.generated.glob(".*")
    yield from workspace.generated.glob("macros/.*")
    yield from workspace.dbt_target.glob("*.tmp")
    if thorough:
        yield from workspace.superseded.glob("*/*/.*.parquet")
