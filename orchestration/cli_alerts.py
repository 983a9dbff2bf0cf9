"""The commands `equipoise alerts …`."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import typer

from orchestration.cli import FormatOption, InputError, OutputFormat, app
from orchestration.workspace import Workspace

alerts = typer.Typer(
    help="Incidents: list, acknowledge, snooze; test and deliver their messages.", no_args_is_help=True
)
app.add_typer(alerts, name="alerts")

Fingerprint = Annotated[str, typer.Argument(help="Of an incident, as `list` and every message show it; its beginning.")]
By = Annotated[str, typer.Option("--by", help="Your name, for the record.", envvar="USER")]


@alerts.command(name="list")
def list_incidents(
    context: typer.Context,
    everything: Annotated[bool, typer.Option("--all", help="Also those that are over.")] = False,
    output: FormatOption = OutputFormat.TABLE,
) -> None:
    """Print the open incidents, the gravest first."""
    import pandas as pd

    from configs.alert_schema import SEVERITIES
    from orchestration.alerts.store import AlertStore
    from orchestration.cli_output import print_rows

    now = datetime.now(UTC)
    found = []
    if AlertStore.is_in(context.obj.state):
        with AlertStore.open(context.obj.state) as store:
            found = list(store.tracked(open_only=not everything).values())
    found.sort(key=lambda one: (not one.is_open, -SEVERITIES.index(one.incident.severity)))
    columns = ["fingerprint", "state", "severity", "kind", "subject", "check", "segment", "since", "opened_at"]
    rows = []
    for one in found:
        incident = one.incident
        acknowledged = "acknowledged" if one.acknowledged_at else "open"
        state = "resolved" if not one.is_open else "snoozed" if one.is_snoozed(now) else acknowledged
        where = (incident.kind, incident.subject, incident.check, incident.segment, str(incident.since or ""))
        opened_at = f"{one.opened_at:%Y-%m-%d %H:%M}"
        rows.append((incident.fingerprint, state, incident.severity, *where, opened_at, incident.message))
    print_rows(pd.DataFrame(rows, columns=[*columns, "message"], dtype="str"), output, "no open incident")


@alerts.command()
def acknowledge(context: typer.Context, fingerprint: Fingerprint, by: By = "") -> None:
    """Say that somebody is at it: the incident is not escalated unless it gets worse."""
    now = datetime.now(UTC)
    subject = _mark(context.obj, fingerprint, "acknowledged", f"by {by}" if by else "", {"acknowledged_at": now}, now)
    typer.echo(f"acknowledged {subject}")


@alerts.command()
def snooze(
    context: typer.Context,
    fingerprint: Fingerprint,
    hours: Annotated[float, typer.Option("--hours", min=0.1, max=24 * 90, help="How long nothing is told of it.")],
    by: By = "",
) -> None:
    """Hear nothing of an incident for some hours; it is still watched, and escalated only after that."""
    now = datetime.now(UTC)
    until = now + timedelta(hours=hours)
    note = f"until {until:%Y-%m-%d %H:%M} UTC" + (f" by {by}" if by else "")
    subject = _mark(context.obj, fingerprint, "snoozed", note, {"snoozed_until": until}, now)
    typer.echo(f"snoozed {subject} {note}")


@alerts.command()
def test(
    context: typer.Context,
    destination: Annotated[str | None, typer.Argument(help="Of alerts.yaml; default: each of them.")] = None,
    output: FormatOption = OutputFormat.TABLE,
) -> None:
    """Send a test message to every destination, and say how each fared."""
    from orchestration.alerts.notify import UnknownDestinationError, send_test

    try:
        sent = send_test(context.obj, destination)
    except UnknownDestinationError as error:
        raise InputError(str(error)) from error
    _print_sent(context.obj, sent, output, "nothing was sent")


@alerts.command(name="deliver")
def deliver_due(context: typer.Context, output: FormatOption = OutputFormat.TABLE) -> None:
    """Escalate what nobody acknowledged in time, and send what could not be sent."""
    from orchestration.alerts.notify import follow_up

    _print_sent(context.obj, follow_up(context.obj), output, "nothing to send")


def _mark(workspace: Workspace, fingerprint: str, event: Any, note: str, marks: dict[str, Any], now: datetime) -> str:
    """Change an open incident, and keep a record of it; returns what it is."""
    from dataclasses import replace

    from orchestration.alerts.changes import Change
    from orchestration.alerts.message import headline
    from orchestration.alerts.store import AlertStore, UnknownIncidentError

    if not AlertStore.is_in(workspace.state):
        raise InputError(f"{workspace.state}: no incident was ever found here; check --state")
    with AlertStore.open(workspace.state) as store:
        try:
            one = store.find(fingerprint)
        except UnknownIncidentError as error:
            raise InputError(str(error)) from error
        store.record([(Change(replace(one, **marks), event, False), ())], now=now, note=note)
    return f"{one.incident.fingerprint}, {headline(one.incident)}"


def _print_sent(workspace: Workspace, sent: list[Any], output: OutputFormat, nothing: str) -> None:
    import pandas as pd

    from orchestration.cli_output import print_rows

    if not (workspace.configs / "alerts.yaml").exists():
        raise InputError(
            f"{workspace.configs / 'alerts.yaml'}: there is no such file; docs/alerts.md says what it holds"
        )
    columns = ["destination", "delivered", "attempts", "events", "error"]
    rows = [
        (one.destination, one.outcome.is_delivered, one.outcome.attempts, one.events, one.outcome.error) for one in sent
    ]
    print_rows(pd.DataFrame(rows, columns=columns), output, nothing)
    if not all(one.outcome.is_delivered for one in sent):
        raise typer.Exit(1)
