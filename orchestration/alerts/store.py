"""What is remembered of incidents and messages: a small SQLite file in the state folder, apart from the warehouse."""

import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from orchestration.alerts.changes import Change, Event, Tracked
from orchestration.alerts.incidents import Incident
from orchestration.faults import StateError

_FILE = "alerts.sqlite"
_SCHEMA = """
create table if not exists incidents (fingerprint text primary key, is_open integer not null, tracked text not null);
create table if not exists events (
    event_id integer primary key, happened_at text not null, run_id text not null, fingerprint text not null,
    event text not null, note text not null, incident text not null
);
create table if not exists deliveries (
    event_id integer not null references events, destination text not null, status text not null,
    attempts integer not null, delivered_at text, error text not null, primary key (event_id, destination)
);
create table if not exists runs (run_id text primary key, job text not null, ended_at text not null);
"""
_MOMENTS = ("opened_at", "respond_from", "acknowledged_at", "snoozed_until", "escalated_at")
COLUMNS = (
    *("event_id", "happened_at", "run_id", "fingerprint", "event", "severity", "kind", "subject", "check_name"),
    *("segment", "message", "note", "destination", "delivery_status", "attempts", "delivered_at", "error"),
)
"""Of the published table `alerts`: a row for each event and destination."""


@dataclass(frozen=True)
class Due:
    """An event that a destination has not got yet."""

    event_id: int
    event: Event
    run_id: str
    destination: str
    note: str
    incident: Incident


@dataclass(frozen=True)
class EndedRun:
    """A run of a Dagster job that is over; without an id one that died before Dagster knew of it."""

    run_id: str
    job: str
    ended_at: datetime


class UnknownIncidentError(LookupError):
    """No incident has that fingerprint, or several do."""


class AlertStore:
    """Incidents, events and deliveries. Every method is one transaction."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    @classmethod
    @contextmanager
    def open(cls, state: Path) -> Iterator["AlertStore"]:
        """The store of a state folder, made when there is none. Raises StateError when it is damaged."""
        state.mkdir(parents=True, exist_ok=True)
        path = state / _FILE
        connection = sqlite3.connect(path, timeout=30)
        try:
            with connection:
                connection.executescript(_SCHEMA)
            yield cls(connection)
        except sqlite3.OperationalError:
            raise  # a full or slow disk: nothing is damaged
        except sqlite3.DatabaseError as error:
            raise StateError(
                f"{path}: {error}. It holds what was told of incidents: move it away, `mv {path} {path}.damaged`; "
                "what is open is then told once more"
            ) from error
        finally:
            connection.close()

    @staticmethod
    def is_in(state: Path) -> bool:
        """Whether a state folder has a store."""
        return (state / _FILE).exists()

    def tracked(self, *, open_only: bool = False) -> dict[str, Tracked]:
        """Every incident by its fingerprint, in the order in which they were first seen."""
        where = "where is_open" if open_only else ""
        rows = self._connection.execute(f"select fingerprint, tracked from incidents {where} order by rowid")
        return {fingerprint: _tracked(text) for fingerprint, text in rows}

    def find(self, prefix: str) -> Tracked:
        """The one incident whose fingerprint begins so. Raises UnknownIncidentError."""
        fitting = [one for fingerprint, one in self.tracked().items() if fingerprint.startswith(prefix)]
        if len(fitting) != 1:
            what = "no incident has" if not fitting else f"{len(fitting)} incidents have"
            raise UnknownIncidentError(f"{what} a fingerprint that begins with {prefix!r}; see `equipoise alerts list`")
        return fitting[0]

    def has_seen(self, run: EndedRun) -> bool:
        """Whether this run, or one of the same job that ended later, was looked at already."""
        later = self._connection.execute(
            "select 1 from runs where run_id = ? or (job = ? and ended_at > ?)",
            (run.run_id, run.job, run.ended_at.isoformat()),
        )
        return later.fetchone() is not None

    def record(
        self,
        changes: Iterable[tuple[Change, Sequence[str]]],
        *,
        now: datetime,
        run: EndedRun | None = None,
        note: str = "",
    ) -> None:
        """Remember changes, each with the destinations to be told, and that the run was looked at."""
        with self._connection as transaction:
            for change, destinations in changes:
                incident = change.after.incident
                transaction.execute(
                    "insert or replace into incidents values (?, ?, ?)",
                    (incident.fingerprint, change.after.is_open, _text(change.after)),
                )
                if change.event is None:
                    continue
                row = (
                    now.isoformat(),
                    run.run_id if run else "",
                    incident.fingerprint,
                    change.event,
                    note,
                    _json(incident.as_json()),
                )
                event_id = transaction.execute(
                    "insert into events (happened_at, run_id, fingerprint, event, note, incident) "
                    "values (?, ?, ?, ?, ?, ?)",
                    row,
                ).lastrowid
                transaction.executemany(
                    "insert into deliveries values (?, ?, 'pending', 0, null, '')",
                    [(event_id, destination) for destination in destinations],
                )
            if run is not None:
                ended = (run.run_id, run.job, run.ended_at.isoformat())
                transaction.execute("insert or replace into runs values (?, ?, ?)", ended)

    def told_destinations(self, one: Tracked) -> list[str]:
        """Who was told of the incident since it opened."""
        rows = self._connection.execute(
            "select distinct destination from deliveries natural join events "
            "where fingerprint = ? and happened_at >= ? order by destination",
            (one.incident.fingerprint, one.opened_at.isoformat()),
        )
        return [destination for (destination,) in rows]

    def due(self) -> list[Due]:
        """What is not delivered yet, oldest first."""
        rows = self._connection.execute(
            "select event_id, event, run_id, destination, note, incident from deliveries natural join events "
            "where status in ('pending', 'failed') order by event_id"
        )
        return [
            Due(event_id, event, run_id, destination, note, Incident.from_json(json.loads(text)))
            for event_id, event, run_id, destination, note, text in rows
        ]

    def settle(
        self,
        event_ids: Iterable[int],
        destination: str,
        *,
        is_delivered: bool,
        attempts: int,
        error: str,
        now: datetime,
    ) -> None:
        """Remember how a message about these events fared."""
        delivered_at = now.isoformat() if is_delivered else None
        status = "delivered" if is_delivered else "failed"
        with self._connection as transaction:
            transaction.executemany(
                "update deliveries set status = ?, attempts = attempts + ?, delivered_at = ?, error = ? "
                "where event_id = ? and destination = ?",
                [(status, attempts, delivered_at, error, event_id, destination) for event_id in event_ids],
            )

    def journal(self) -> list[tuple[Any, ...]]:
        """The rows of the published table, COLUMNS each."""
        rows = self._connection.execute(
            "select event_id, happened_at, run_id, fingerprint, event, incident, note, destination, status, attempts, "
            "delivered_at, error from events natural left join deliveries order by event_id, destination"
        ).fetchall()
        journal = []
        for event_id, happened_at, run_id, fingerprint, event, text, note, *delivery in rows:
            incident = json.loads(text)
            described = [incident[name] for name in ("severity", "kind", "subject", "check", "segment", "message")]
            destination, status, attempts, delivered_at, error = delivery
            shown = (destination, status, attempts, _moment(delivered_at), error)
            journal.append((event_id, _moment(happened_at), run_id, fingerprint, event, *described, note, *shown))
        return journal


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def _text(one: Tracked) -> str:
    moments = {name: moment.isoformat() if (moment := getattr(one, name)) else None for name in _MOMENTS}
    return _json({"incident": one.incident.as_json(), "is_open": one.is_open, "told": one.told} | moments)


def _tracked(text: str) -> Tracked:
    values = json.loads(text)
    moments = {name: datetime.fromisoformat(values[name]) if values[name] else None for name in _MOMENTS}
    told = tuple(values["told"]) if values["told"] else None
    return Tracked(**(values | moments | {"incident": Incident.from_json(values["incident"]), "told": told}))


def _moment(text: str | None) -> datetime | None:
    """UTC without a zone, as every published instant."""
    return datetime.fromisoformat(text).astimezone(UTC).replace(tzinfo=None) if text else None
