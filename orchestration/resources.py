"""Resources: the writer lock, which every step that touches the state folder holds."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg

from orchestration.lock import writer_lock
from orchestration.recovery import end_dead_runs, remove_leftovers, writer_tags
from orchestration.workspace import Workspace

PATIENCE_SECONDS = 3600.0
"""How long a run that the daemon started waits for the one before it."""


class WriterLock(dg.ConfigurableResource):
    """Held from the first step of a run to its last: two runs never write at once.

    A run that gets it first clears what a dead run left. `wait_seconds` can be set for a single run.
    """

    configs: str
    data: str
    state: str
    wait_seconds: float = PATIENCE_SECONDS

    @classmethod
    def of(cls, workspace: Workspace) -> "WriterLock":
        """The lock of a workspace."""
        return cls(configs=str(workspace.configs), data=str(workspace.data), state=str(workspace.state))

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Iterator["WriterLock"]:
        """Take the lock for as long as Dagster keeps the resource."""
        workspace = Workspace(Path(self.configs), Path(self.data), Path(self.state))
        with writer_lock(workspace.lock, wait_seconds=self.wait_seconds) as dead:
            removed = remove_leftovers(workspace, after_death=dead is not None)
            if removed:
                _warn(context, f"Removed what a dead run left: {', '.join(map(str, removed))}")
            if context.instance is not None and context.run is not None:
                context.instance.add_run_tags(context.run.run_id, writer_tags(context.run.run_id))
                if dead is not None:
                    ended = end_dead_runs(context.instance, dead, current_run_id=context.run.run_id)
                    _warn(context, f"The writer before this one died: {dead}; runs marked as failed: {ended}")
            yield self


def _warn(context: dg.InitResourceContext, message: str) -> None:
    if context.log is not None:
        context.log.warning(message)
