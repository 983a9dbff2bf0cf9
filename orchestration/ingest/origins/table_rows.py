"""Rows of a table as a day's log: which of them are the day's, in which order, and the file they are copied to."""

from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path

from orchestration.ingest.day_bounds import local_midnight
from orchestration.ingest.errors import BadFileError
from orchestration.ingest.fields import Field, require_columns

_DATES = ("DATE",)
_TEXTS = ("VARCHAR",)
_LOCAL = ("TIMESTAMP", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS")
_ZONED = ("TIMESTAMP WITH TIME ZONE",)


def needed_columns(fields: Sequence[Field], log_date_column: str, found: Sequence[str]) -> list[str]:
    """The columns that the contract reads, each once. Raises BadFileError for one that the table lacks."""
    require_columns(tuple(fields), list(found))
    if log_date_column not in found:
        raise BadFileError(f"column {log_date_column!r} (log_date) is missing; found: {', '.join(found)}")
    return list(dict.fromkeys(field.column for field in fields))


def day_condition(column_type: str, log_date: date, timezone: str, column: str) -> dict[str, object]:
    """How the rows of a log date are told, by the type of the column that says it: a day, or two instants.

    Raises BadFileError for a type that tells no day.
    """
    if column_type in _DATES:
        return {"kind": "day", "value": log_date}
    if column_type in _TEXTS:
        return {"kind": "day", "value": log_date.isoformat()}
    if column_type in (*_LOCAL, *_ZONED):
        first, after = (local_midnight(log_date + timedelta(days=days), timezone) for days in (0, 1))
        return {"kind": "instants", "first": first, "after": after, "is_zoned": column_type in _ZONED}
    raise BadFileError(
        f"column {column!r} (log_date) has type {column_type}; it takes a date, text such as 2026-10-01, or a timestamp"
    )


def rows_file(folder: Path) -> Path:
    """Where a day's rows are copied to."""
    return folder / "rows.parquet"
