"""The log dates before a day: those that its rows are compared with, so that each row counts once."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

from orchestration.ingest.session import IngestSession


@dataclass(frozen=True)
class EarlierDay:
    """The rows of a day, and what tells whether they are still the same."""

    rows: Path
    content_hash: str


def earlier_days(
    session: IngestSession, source_id: str, log_date: date, uncommitted: Mapping[date, EarlierDay | None]
) -> dict[date, EarlierDay]:
    """The `late_arrival_days` log dates before `log_date` that have rows.

    `uncommitted` are days that are prepared, None for one without rows: they come before what the lake holds.
    """
    found = {}
    for age in range(session.project.late_arrival_days, 0, -1):
        day = log_date - timedelta(days=age)
        earlier = uncommitted[day] if day in uncommitted else _committed(session, source_id, day)
        if earlier is not None:
            found[day] = earlier
    return found


def _committed(session: IngestSession, source_id: str, day: date) -> EarlierDay | None:
    manifest = session.lake.partition(source_id, day)
    if manifest is None or manifest.rows_file is None:
        return None
    return EarlierDay(session.lake.folder(source_id, day) / manifest.rows_file, manifest.content_hash)
