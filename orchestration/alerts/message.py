"""The digest: one message for a recipient with all that is new to it. Pure."""

from collections import Counter
from collections.abc import Sequence

from configs.alert_schema import SEVERITIES, Alerts
from orchestration.alerts.advice import link_to_runbook
from orchestration.alerts.changes import Event
from orchestration.alerts.incidents import Incident
from orchestration.alerts.store import Due

DETAILED = 20
"""Incidents told in full; of more, the gravest."""

_ORDER: tuple[Event, ...] = ("escalated", "opened", "changed", "resolved")


def digest(due: Sequence[Due], alerts: Alerts, project: str) -> tuple[str, str]:
    """Title and text of the message about these events, the gravest first."""
    ranked = sorted(due, key=lambda one: (one.event == "resolved", -SEVERITIES.index(one.incident.severity)))
    counts = Counter(one.event for one in due)
    what = ", ".join(f"{counts[event]} {event}" for event in _ORDER if counts[event])
    worst = next((f" ({one.incident.severity})" for one in ranked if one.event != "resolved"), "")
    parts = [_told(one, alerts) for one in ranked[:DETAILED]]
    if len(ranked) > DETAILED:
        parts.append(f"… and {len(ranked) - DETAILED} more: `equipoise alerts list`")
    return f"{project}: {what}{worst}", "\n\n".join(parts)


def _told(one: Due, alerts: Alerts) -> str:
    incident = one.incident
    lines = [f"{one.event.upper()} · {incident.severity} · {headline(incident)}", incident.message]
    if one.event != "resolved":
        figure = _figure(incident)
        lines += [figure] if figure else []
        lines += [f"since: {incident.since}"] if incident.since else []
        lines += [f"gated: {incident.gated}"]
        lines += [f"see it: {incident.query}"] if incident.query else []
        lines += [f"runbook: {link_to_runbook(incident, alerts.runbook_url)}"]
    if one.note:
        lines.append(one.note)
    if one.run_id:
        base = alerts.dagster_url.rstrip("/")
        lines.append(f"run: {base}/runs/{one.run_id}" if base else f"run: {one.run_id}")
    if one.event != "resolved":
        lines.append(f"answer: equipoise alerts acknowledge {incident.fingerprint}")
    return "\n".join(lines)


def headline(incident: Incident) -> str:
    """What is wrong, where: experiment, check and segment."""
    segment = "" if incident.segment == "all" else f" [{incident.segment}]"
    of = f" as of {incident.as_of}" if incident.as_of else ""
    return f"{incident.subject}: {incident.check}{segment}{of}"


def _figure(incident: Incident) -> str:
    if incident.figure is None:
        return ""
    against = f" against {incident.threshold:.4g}" if incident.threshold is not None else ""
    return f"figure: {incident.figure:.4g}{against}"
