"""Marks the rows of `staged` that the day, or one of the log dates before it, already has."""

from collections.abc import Sequence
from pathlib import Path

import duckdb

from orchestration.ingest.fields import LogSource, identity, lake_columns
from orchestration.ingest.templates import glob_escaped, render


def mark_duplicates(connection: duckdb.DuckDBPyConnection, source: LogSource, earlier_files: Sequence[Path]) -> None:
    """Give duplicates the reason `duplicate`; the first by log date, file and row stays.

    Rows are the same when their `event_id` is, or, for a source without one, when every field of the contract
    is. Hashes are compared first, and the rows themselves only where hashes meet.
    """
    names = [glob_escaped(str(path)) for path in earlier_files]
    types = dict(lake_columns(source))
    values = {
        "identity": identity(source),
        "earlier": [(name, types[name]) for name in identity(source)],
        "earlier_files": names,
        "earlier_columns": _columns(connection, names),
    }
    connection.execute(render("find_suspects", **values))
    if connection.execute("SELECT count(*) FROM suspects").fetchall()[0][0]:
        connection.execute(render("mark_duplicates", **values))


def _columns(connection: duckdb.DuckDBPyConnection, names: list[str]) -> set[str]:
    """Columns that at least one file has: a field newer than all of them reads as missing there."""
    if not names:
        return set()
    found = connection.execute("SELECT DISTINCT name FROM parquet_schema($names)", {"names": names}).fetchall()
    return {name for (name,) in found}
