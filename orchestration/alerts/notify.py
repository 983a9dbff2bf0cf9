"""After a run, and as time goes by: what is new is recorded, then told to each recipient in one message."""

import os
import threading
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

import dagster as dg

from configs.alert_load import FILE, load_alerts
from configs.alert_schema import Alerts
from configs.load import load_static
from configs.problems import ConfigError
from orchestration.alerts.changes import Change, changes, escalations
from orchestration.alerts.delivery import Delivered, deliver
from orchestration.alerts.incidents import Evidence
from orchestration.alerts.message import digest
from orchestration.alerts.published_evidence import published_incidents, unjudged_experiments
from orchestration.alerts.routing import destinations
from orchestration.alerts.run_evidence import run_evidence, unstarted_run
from orchestration.alerts.store import AlertStore, Due, EndedRun
from orchestration.faults import with_advice
from orchestration.lock import writer_lock
from orchestration.publish import current_run
from orchestration.schedules import JOB_NAME
from orchestration.workspace import Workspace

_PATIENCE_SECONDS = 300.0
"""How long to wait for another process that is sending."""

_of_this_process = threading.Lock()
"""The file lock tells processes apart; Dagster's sensors are threads of one."""

_SENDERS = 8
"""Destinations that are sent to at once, so that one which never answers holds up no other."""


@dataclass(frozen=True)
class Sent:
    """A message that was sent, or was to be."""

    destination: str
    events: int
    outcome: Delivered


def alert_of_run(
    workspace: Workspace, instance: dg.DagsterInstance, run_id: str, *, now: datetime | None = None
) -> list[Sent]:
    """Tell what a run that has ended shows. A run that was looked at before changes nothing.

    Raises ConfigError when `alerts.yaml` is broken, LockHeldError when another process sends for minutes.
    """
    with _alerting(workspace, now) as alerting:
        record = instance.get_run_record_by_id(run_id)
        if alerting is None or record is None:
            return []
        end = datetime.fromtimestamp(record.end_time, UTC) if record.end_time else alerting.now
        ended = EndedRun(run_id, record.dagster_run.job_name, end)
        if not alerting.store.has_seen(ended):
            alerting.record(_evidence(workspace, instance, record.dagster_run), ended)
        return alerting.send()


def alert_of_unstarted_run(workspace: Workspace, error: Exception, *, now: datetime | None = None) -> list[Sent]:
    """Tell that a daily run could not start. Raises as `alert_of_run` does."""
    with _alerting(workspace, now) as alerting:
        if alerting is None:
            return []
        alerting.record(Evidence([unstarted_run(JOB_NAME, str(error))]), None)
        return alerting.send()


def follow_up(workspace: Workspace, *, now: datetime | None = None) -> list[Sent]:
    """Escalate what nobody acknowledged in time, and send what could not be sent. Raises as `alert_of_run` does."""
    with _alerting(workspace, now) as alerting:
        return alerting.send() if alerting is not None else []


class UnknownDestinationError(LookupError):
    """`alerts.yaml` has no such destination, or is not there."""


def send_test(workspace: Workspace, only: str | None = None) -> list[Sent]:
    """Send a test message to every destination, or to one. Raises ConfigError, and UnknownDestinationError."""
    file, alerts = workspace.configs / FILE, load_alerts(workspace.configs)
    if alerts is None:
        raise UnknownDestinationError(f"{file}: there is no such file, so nobody is told anything; see docs/alerts.md")
    if only is not None and only not in alerts.destinations:
        raise UnknownDestinationError(f"{file} has no destination {only!r}; it has: {', '.join(alerts.destinations)}")
    names = [only] if only is not None else list(alerts.destinations)
    title, text = f"{_project(workspace)[0]}: test", "A test of `equipoise alerts test`: nothing is wrong."
    return [Sent(name, 0, _deliver(alerts, name, title, text)) for name in names]


@contextmanager
def _alerting(workspace: Workspace, now: datetime | None) -> "Iterator[_Alerting | None]":
    """The alerting of a workspace, for one process at a time; None when it has no `alerts.yaml`."""
    alerts = load_alerts(workspace.configs)
    if alerts is None:
        yield None
        return
    lock = workspace.state / "alerts.lock"
    with (
        _of_this_process,
        writer_lock(lock, wait_seconds=_PATIENCE_SECONDS),
        AlertStore.open(workspace.state) as store,
    ):
        yield _Alerting(alerts, store, now or datetime.now(UTC), _project(workspace)[0])


@dataclass
class _Alerting:
    alerts: Alerts
    store: AlertStore
    now: datetime
    project: str

    def record(self, evidence: Evidence, run: EndedRun | None) -> None:
        """Remember what the evidence changes, and whom to tell."""
        found = changes(self.store.tracked(), evidence, self.now)
        self.store.record([(change, self._recipients(change)) for change in found], now=self.now, run=run)

    def _recipients(self, change: Change) -> Sequence[str]:
        if not change.is_told:
            return ()
        if change.event == "resolved":
            return [name for name in self.store.told_destinations(change.after) if name in self.alerts.destinations]
        return destinations(self.alerts, change.after.incident)

    def send(self) -> list[Sent]:
        """Escalate what is due, then send each destination all that it has not got yet in one message."""
        known = self.store.tracked(open_only=True).values()
        if self.alerts.escalation is not None:
            due = escalations(known, self.alerts.response_minutes, self.now)
            for change in due:
                told = ", ".join(self.store.told_destinations(change.after)) or "nobody"
                note = f"not acknowledged; told before: {told}, {change.after.respond_from:%Y-%m-%d %H:%M} UTC"
                self.store.record([(change, [self.alerts.escalation])], now=self.now, note=note)
        waiting: dict[str, list[Due]] = defaultdict(list)
        for event in self.store.due():
            waiting[event.destination].append(event)
        with ThreadPoolExecutor(_SENDERS) as pool:
            outcomes = pool.map(lambda item: self._send_one(*item), waiting.items())
            sent = [Sent(name, len(waiting[name]), outcome) for name, outcome in zip(waiting, outcomes, strict=True)]
        for one in sent:
            self.store.settle(
                [event.event_id for event in waiting[one.destination]],
                one.destination,
                is_delivered=one.outcome.is_delivered,
                attempts=one.outcome.attempts,
                error=one.outcome.error,
                now=self.now,
            )
        return sent

    def _send_one(self, destination: str, events: list[Due]) -> Delivered:
        if destination not in self.alerts.destinations:
            return Delivered(False, 0, f"alerts.yaml has no destination {destination!r} any more")
        return _deliver(self.alerts, destination, *digest(events, self.alerts, self.project))


def _deliver(alerts: Alerts, destination: str, title: str, text: str) -> Delivered:
    variable = alerts.destinations[destination].url_env
    return deliver(
        os.environ.get(variable),
        title,
        text,
        variable=variable,
        attempts=alerts.attempts,
        timeout_seconds=alerts.timeout_seconds,
        pause_seconds=alerts.pause_seconds,
    )


def _evidence(workspace: Workspace, instance: dg.DagsterInstance, run: dg.DagsterRun) -> Evidence:
    """The run's own, and for a daily run that published, that of the results."""
    owners = _project(workspace)[1]
    own = run_evidence(instance, run, owners, lambda message: with_advice(message, workspace))
    published = current_run(workspace.state)
    if not (run.is_success and run.job_name == JOB_NAME) or published is None:
        return own
    return Evidence(
        incidents=[*own.incidents, *published_incidents(published, owners)],
        kinds=frozenset({"health", "rollback", "source"}),
        checks=own.checks,
        jobs=own.jobs,
        unjudged=unjudged_experiments(published),
    )


def _project(workspace: Workspace) -> tuple[str, Mapping[str, str]]:
    """The project's name and the owners of its sources; none of a broken configuration, which is an alert itself."""
    try:
        project, sources = load_static(workspace.configs)
    except ConfigError:
        return "equipoise", {}
    return project.name, {source.id: source.owner for source in (*sources.exposures, *sources.events)}
