"""What `equipoise run` does last: alert, whatever happens on the way, without touching how the run ended."""

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

from orchestration.workspace import Workspace

if TYPE_CHECKING:
    from orchestration.alerts.notify import Sent


def tell_of_run(workspace: Workspace, run_id: str) -> None:
    """Alert of a run that this process has executed."""

    def tell() -> None:
        import dagster as dg

        from orchestration.alerts.notify import alert_of_run

        with dg.DagsterInstance.get() as instance:
            _report(alert_of_run(workspace, instance, run_id))

    _whatever_happens(workspace, tell)


def tell_of_unstarted_run(workspace: Workspace, error: Exception) -> None:
    """Alert of a run that could not start."""

    def tell() -> None:
        from orchestration.alerts.notify import alert_of_unstarted_run

        _report(alert_of_unstarted_run(workspace, error))

    _whatever_happens(workspace, tell)


def _whatever_happens(workspace: Workspace, tell: Callable[[], None]) -> None:
    if not (workspace.configs / "alerts.yaml").exists():
        return
    try:
        tell()
    except Exception as error:  # noqa: BLE001 - alerting never fails a run, whatever becomes of it
        sys.stderr.write(f"alerts not sent: {error}\n  Mend it, then `equipoise alerts deliver`.\n")


def _report(sent: "list[Sent]") -> None:
    for one in sent:
        if not one.outcome.is_delivered:
            sys.stderr.write(
                f"alert to {one.destination} not delivered after {one.outcome.attempts} attempts: {one.outcome.error}; "
                "it is sent again with the next run, or by `equipoise alerts deliver`\n"
            )
