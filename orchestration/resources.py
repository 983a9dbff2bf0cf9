"""Resources: the writer lock, which every step that touches the state folder holds."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import dagster as dg
from pydantic import PrivateAttr

from orchestration.deadline import ended_in_time, longest_seconds
from orchestration.lock import Owner, writer_lock
from orchestration.recovery import end_dead_runs, end_dead_waiters, remove_leftovers, writer_tags
from orchestration.run_configuration import pin_configuration
from orchestration.run_status import tag_status
from orchestration.waiting import announced
from orchestration.warehouse import kept_open
from orchestration.workspace import Workspace

PATIENCE_SECONDS = 3600.0
"""How long a run that the daemon started waits for the one before it."""

WAREHOUSE_POOL = "warehouse"
"""Dagster's pool of the steps that write: an instance with pools starts one such run after the other, none waits."""


class WriterLock(dg.ConfigurableResource):
    """Held from the first step of a run to its last: two runs never write at once.

    A run that gets it first clears what a dead run left, and copies the configuration that all its steps read.
    `wait_seconds` can be set for a single run.
    """

    configs: str
    data: str
    state: str
    target: str = "duckdb"
    wait_seconds: float = PATIENCE_SECONDS
    _run_id: str = PrivateAttr(default="")

    @classmethod
    def of(cls, workspace: Workspace) -> "WriterLock":
        """The lock of a workspace."""
        return cls(
            configs=str(workspace.configs),
            data=str(workspace.data),
            state=str(workspace.state),
            target=workspace.target,
        )

    @property
    def workspace(self) -> Workspace:
        """The workspace with the configuration as it was at the run's start: what steps read."""
        return pin_configuration(self._live, self._run_id)

    @property
    def _live(self) -> Workspace:
        return Workspace(Path(self.configs), Path(self.data), Path(self.state), self.target)

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Iterator["WriterLock"]:
        """Take the lock for as long as Dagster keeps the resource."""
        workspace = self._live
        self._run_id = context.run_id or "no_run"
        with ExitStack() as waiting, ExitStack() as held:
            held.enter_context(ended_in_time(longest_seconds(context.instance, context.run)))
            if context.run is not None:
                waiting.enter_context(announced(workspace.waiting, context.run.run_id))
            dead = held.enter_context(writer_lock(workspace.lock, wait_seconds=self.wait_seconds))
            _clean_up(context, workspace, dead)
            waiting.close()
            pin_configuration(workspace, self._run_id)
            held.enter_context(kept_open(workspace.warehouse))
            try:
                yield self
            finally:
                if context.instance is not None and context.run is not None:
                    tag_status(context.instance, context.run.run_id)


def run_workspace(context: dg.AssetExecutionContext) -> Workspace:
    """The workspace of the step's run: its folders, and the configuration as it was at the run's start."""
    lock: WriterLock = context.resources.writer_lock
    return lock.workspace


def _clean_up(context: dg.InitResourceContext, workspace: Workspace, dead: Owner | None) -> None:
    """Clear what dead runs left, and tag this one as the writer."""
    removed = remove_leftovers(workspace, after_death=dead is not None)
    if removed:
        _warn(context, f"Removed what a dead run left: {', '.join(map(str, removed))}")
    if context.instance is None or context.run is None:
        return
    context.instance.add_run_tags(context.run.run_id, writer_tags(context.run.run_id))
    if dead is not None:
        ended = end_dead_runs(context.instance, dead, current_run_id=context.run.run_id)
        _warn(context, f"The writer before this one died: {dead}; runs marked as failed: {ended}")
    waiters = end_dead_waiters(context.instance, workspace)
    if waiters:
        _warn(context, f"Runs that died while they waited for the lock, marked as failed: {waiters}")


def _warn(context: dg.InitResourceContext, message: str) -> None:
    if context.log is not None:
        context.log.warning(message)
