"""The day's profile: what its rows look like in figures, for the audit and for whoever looks into a day."""

import hashlib
from dataclasses import dataclass
from statistics import median
from typing import Any

import duckdb

from configs.schema import ExposureSource
from orchestration.audit.day_figures import LARGEST_SLICES
from orchestration.ingest.day_bounds import DayBounds
from orchestration.ingest.fields import LogSource, fields_of, identity, instant_column, lake_columns
from orchestration.ingest.templates import render
from orchestration.lake import DayManifest

_MINIMUM_HISTORY = 2


@dataclass(frozen=True)
class StagedDay:
    """Rows of `staged` by what becomes of them, and the figures of the accepted ones."""

    rows_accepted: int
    rows_duplicate: int
    rows_quarantined: int
    content_hash: str
    profile: dict[str, Any]


def profile_day(
    connection: duckdb.DuckDBPyConnection, source: LogSource, bounds: DayBounds, recent: list[DayManifest]
) -> StagedDay:
    """Figures of the staged day beside the medians of `recent` days of the same weekday.

    A median of fewer than two days is None: it says too little to compare with.
    """
    columns = lake_columns(source)
    # A row's key stands for its identity; the dates follow from the instant and the day's bounds.
    others = [field.name for field in fields_of(source) if field.name not in identity(source)]
    counted = connection.execute(
        render("profile_columns", lake_columns=columns, others=others, instant=instant_column(source))
    )
    n_accepted, content, hours, *figures = counted.fetchall()[0]
    reasons = dict(connection.execute(render("count_reasons")).fetchall())
    n_duplicate = reasons.pop("duplicate", 0)
    n_quarantined = sum(reasons.values())
    n_unknown = reasons.get("unknown_experiment", 0)  # an experiment that is not configured is no fault of the others
    n_read = n_accepted + n_duplicate + n_quarantined
    names = [name for name, _ in columns]
    profile = {
        "rows_read": n_read,
        "rows": n_accepted,
        "usual_rows": _median([day.rows_accepted for day in recent]),
        "hours": hours,
        # Days that were read before hours were counted say nothing of them.
        "usual_hours": _median([day.profile["hours"] for day in recent if "hours" in day.profile]),
        "duplicate_share": _share(n_duplicate, n_read),
        "quarantine_share": _share(n_quarantined - n_unknown, n_read - n_unknown),
        "unknown_share": _share(n_unknown, n_read),
        "late_share": _share(reasons.get("late", 0), n_read - n_unknown),
        "reasons": reasons,
        "columns": {
            name: _column(figure, n_accepted, name, recent) for name, figure in zip(names, figures, strict=True)
        },
        "slices": _slices(connection, source, recent),
    }
    if isinstance(source, ExposureSource):
        profile["experiment_rows"] = connection.execute(render("count_experiment_rows")).fetchall()
    return StagedDay(n_accepted, n_duplicate, n_quarantined, _digest(names, bounds, n_accepted, content), profile)


def _column(figure: dict[str, Any], n_rows: int, name: str, recent: list[DayManifest]) -> dict[str, Any]:
    before = [day.profile["columns"][name]["null_share"] for day in recent if name in day.profile["columns"]]
    return {
        "null_share": _share(n_rows - figure.pop("n"), n_rows),
        "usual_null_share": _median(before),
        **figure,
    }


def _slices(
    connection: duckdb.DuckDBPyConnection, source: LogSource, recent: list[DayManifest]
) -> dict[str, dict[str, Any]]:
    """Rows of each event, or of each experiment's variants; with what was usual, which today may lack."""
    parts = ("event_name",) if "event_name" in dict(lake_columns(source)) else ("experiment_id", "variant_id")
    known = {name for day in recent for name in day.profile["slices"]}
    counted = connection.execute(render("count_slices", parts=parts, limit=LARGEST_SLICES), {"known": sorted(known)})
    rows = dict(counted.fetchall())
    return {
        name: {
            "rows": rows.get(name, 0),
            "usual_rows": _median([day.profile["slices"].get(name, {}).get("rows", 0) for day in recent]),
        }
        for name in sorted(known | rows.keys())
    }


def _median(values: list[float]) -> float | None:
    return median(values) if len(values) >= _MINIMUM_HISTORY else None


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0


def _digest(columns: list[str], bounds: DayBounds, n_rows: int, content: int) -> str:
    """Of the columns, the bounds and a sum of row hashes, so that neither order nor file layout matters."""
    return hashlib.sha256(f"{','.join(columns)}|{bounds}|{n_rows}|{content}".encode()).hexdigest()[:32]
