"""Dagster's launcher of runs, and whether the process of one still lives: `deploy/dagster.yaml` names it."""

import time

import dagster as dg
from dagster._core.errors import DagsterUserCodeUnreachableError
from dagster._core.launcher import CheckRunHealthResult, DefaultRunLauncher, WorkerStatus
from dagster._grpc.types import CanCancelExecutionRequest, CanCancelExecutionResult
from dagster._serdes import ConfigurableClassData, deserialize_value

from orchestration.lock import is_locked
from orchestration.recovery import WRITER_TAG
from orchestration.workspace import Workspace

UNKNOWN_SECONDS = 120.0
"""How long a code server must not know a run: one that has just started, the daemon may not reach for a retry yet."""

UNREACHABLE_SECONDS = 600.0
"""How long a code server may be away: while it starts, a retry would fail, and Dagster tries that only once."""


class WatchedRunLauncher(DefaultRunLauncher):
    """As Dagster's default, whose dead runs are noticed at `max_runtime` alone; here run monitoring finds them soon.

    A run lives while it holds the writer lock or a place among those that wait, which the kernel frees with its
    process, or while the code server that started it knows it. `_get_grpc_client_for_termination` and the request
    are not public: `tests/production/test_launcher.py` holds them to what is used here.
    """

    def __init__(self, inst_data: ConfigurableClassData | None = None) -> None:
        """Made by Dagster from `dagster.yaml`."""
        super().__init__(inst_data)
        self._suspected: dict[str, tuple[str, float]] = {}

    @property
    def supports_check_run_worker_health(self) -> bool:
        """Yes: this is why the class exists."""
        return True

    def check_run_worker_health(self, run: dg.DagsterRun) -> CheckRunHealthResult:
        """RUNNING or NOT_FOUND; a run that neither a server nor the lock can tell of is left to `max_runtime`."""
        reason, patience = self._doubt(run)
        if not reason:
            self._suspected.pop(run.run_id, None)
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        before, since = self._suspected.get(run.run_id, ("", 0.0))
        if before != reason:
            since = time.monotonic()
            self._suspected[run.run_id] = reason, since
        if time.monotonic() - since < patience:
            return CheckRunHealthResult(WorkerStatus.RUNNING, reason)
        del self._suspected[run.run_id]
        return CheckRunHealthResult(WorkerStatus.NOT_FOUND, reason)

    def _doubt(self, run: dg.DagsterRun) -> tuple[str, float]:
        """Why the run's process may be dead, or nothing, and for how many seconds that is borne."""
        workspace = Workspace.from_environment()
        is_writer = run.tags.get(WRITER_TAG) == run.run_id
        if (is_writer and is_locked(workspace.lock)) or is_locked(workspace.waiting / run.run_id):
            return "", 0.0
        client = self._get_grpc_client_for_termination(run.run_id)
        if client is None:  # not launched by a code server: a run of the command line
            return (f"nobody holds {workspace.lock}: its process died", 0.0) if is_writer else ("", 0.0)
        try:
            answer = client.can_cancel_execution(CanCancelExecutionRequest(run_id=run.run_id))
        except DagsterUserCodeUnreachableError:
            return "the code server that started it cannot be reached", UNREACHABLE_SECONDS
        if deserialize_value(answer, CanCancelExecutionResult).can_cancel:
            return "", 0.0
        return "the code server was started anew and does not know it", UNKNOWN_SECONDS
