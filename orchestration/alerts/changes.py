"""What becomes of incidents as evidence comes and time goes by: opened, changed, resolved, escalated. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal

from configs.alert_schema import Severity
from orchestration.alerts.incidents import Evidence, Incident

Event = Literal["opened", "changed", "resolved", "escalated", "acknowledged", "snoozed"]


@dataclass(frozen=True)
class Tracked:
    """An incident as it stands: `told` is the gravity that its recipients know of, None before they know.

    `respond_from` is when they were told last; acknowledging, and being told anew, stop and start that clock.
    """

    incident: Incident
    is_open: bool
    opened_at: datetime
    told: tuple[int, int] | None = None
    respond_from: datetime | None = None
    acknowledged_at: datetime | None = None
    snoozed_until: datetime | None = None
    escalated_at: datetime | None = None

    def is_snoozed(self, now: datetime) -> bool:
        """Whether nobody wants to hear of it now."""
        return self.snoozed_until is not None and now < self.snoozed_until


@dataclass(frozen=True)
class Change:
    """What an incident became. `event` is None where there is nothing to tell, `is_told` whether it is told."""

    after: Tracked
    event: Event | None
    is_told: bool


def changes(known: Mapping[str, Tracked], evidence: Evidence, now: datetime) -> list[Change]:
    """What the evidence changes: every incident found, then those that are over."""
    found = {incident.fingerprint: incident for incident in evidence.incidents}
    seen = [_seen(known.get(fingerprint), incident, now) for fingerprint, incident in found.items()]
    over = [
        Change(replace(one, is_open=False), "resolved", one.told is not None and not one.is_snoozed(now))
        for fingerprint, one in known.items()
        if one.is_open and fingerprint not in found and evidence.judges(one.incident)
    ]
    return seen + over


def _seen(before: Tracked | None, incident: Incident, now: datetime) -> Change:
    if before is None or not before.is_open:
        snoozed_until = before.snoozed_until if before is not None and before.is_snoozed(now) else None
        one = Tracked(incident, True, now, snoozed_until=snoozed_until)
    else:
        one = replace(before, incident=incident.since_at_latest(before.incident.since))
    if one.is_snoozed(now):
        return Change(one, None, False)
    gravity = incident.gravity
    if one.told is None:
        return Change(replace(one, told=gravity, respond_from=now), "opened", True)
    if gravity[0] <= one.told[0] and gravity[1] <= one.told[1]:
        return Change(one, None, False)
    worst = max(gravity[0], one.told[0]), max(gravity[1], one.told[1])
    told = replace(one, told=worst, respond_from=now, acknowledged_at=None, escalated_at=None)
    return Change(told, "changed", True)


def escalations(known: Iterable[Tracked], response_minutes: Mapping[Severity, float], now: datetime) -> list[Change]:
    """Open incidents that nobody acknowledged within their response time; each is escalated once."""
    return [
        Change(replace(one, escalated_at=now), "escalated", True)
        for one in known
        if _is_due(one, response_minutes, now)
    ]


def _is_due(one: Tracked, response_minutes: Mapping[Severity, float], now: datetime) -> bool:
    minutes = response_minutes.get(one.incident.severity)
    if minutes is None or not one.is_open or one.respond_from is None or one.is_snoozed(now):
        return False
    if one.acknowledged_at is not None or one.escalated_at is not None:
        return False
    # A snooze that has ended gives the whole response time once more.
    start = max(one.respond_from, one.snoozed_until) if one.snoozed_until is not None else one.respond_from
    return now - start >= timedelta(minutes=minutes)
