"""Dagster's launcher of runs, and whether the process of one still lives: `deploy/dagster.yaml` names it."""

import dagster as dg
from dagster._core.errors import DagsterUserCodeUnreachableError
from dagster._core.launcher import CheckRunHealthResult, DefaultRunLauncher, WorkerStatus
from dagster._grpc.types import CanCancelExecutionRequest, CanCancelExecutionResult
from dagster._serdes import deserialize_value

from orchestration.lock import is_locked
from orchestration.recovery import WRITER_TAG
from orchestration.workspace import Workspace


class WatchedRunLauncher(DefaultRunLauncher):
    """As Dagster's default, whose dead runs are noticed at `max_runtime` alone; here run monitoring finds them at once.

    A run lives while it holds the writer lock or a place among those that wait, which the kernel frees with its
    process, or while the code server that started it knows it. `_get_grpc_client_for_termination` and the request
    are not public: `tests/production/test_launcher.py` holds them to what is used here.
    """

    @property
    def supports_check_run_worker_health(self) -> bool:
        """Yes: this is why the class exists."""
        return True

    def check_run_worker_health(self, run: dg.DagsterRun) -> CheckRunHealthResult:
        """RUNNING or NOT_FOUND; a run that neither a server nor the lock can tell of is left to `max_runtime`."""
        workspace = Workspace.from_environment()
        is_writer = run.tags.get(WRITER_TAG) == run.run_id
        if (is_writer and is_locked(workspace.lock)) or is_locked(workspace.waiting / run.run_id):
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        client = self._get_grpc_client_for_termination(run.run_id)
        if client is None:
            if not is_writer:
                return CheckRunHealthResult(WorkerStatus.RUNNING, "not launched by a code server")
            return CheckRunHealthResult(WorkerStatus.NOT_FOUND, f"nobody holds {workspace.lock}: its process died")
        try:
            answer = client.can_cancel_execution(CanCancelExecutionRequest(run_id=run.run_id))
        except DagsterUserCodeUnreachableError:
            return CheckRunHealthResult(WorkerStatus.NOT_FOUND, "the code server that started it cannot be reached")
        if deserialize_value(answer, CanCancelExecutionResult).can_cancel:
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        return CheckRunHealthResult(WorkerStatus.NOT_FOUND, "the code server was started anew and does not know it")
