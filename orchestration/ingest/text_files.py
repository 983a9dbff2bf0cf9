"""CSV and JSONL logs: into the table `text_rows`, and what is no row into `rejected`."""

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from orchestration.ingest.errors import BadFileError, first_line
from orchestration.ingest.fields import BoundField, Field, bind, require_columns
from orchestration.ingest.plain_text import plain_text
from orchestration.ingest.templates import render

_CSV = {"delimiter": ",", "quote": '"', "has_header": True}
# A line is one column, because JSON text cannot hold this delimiter unescaped.
_LINES = {"delimiter": "\x1f", "quote": "", "has_header": False, "n_columns": 1, "selected": [(0, "line")]}
_ROW_ERRORS = {"MISSING COLUMNS", "TOO MANY COLUMNS", "LINE SIZE OVER MAXIMUM"}


@dataclass(frozen=True)
class TextRows:
    """What is in `text_rows` and `rejected`: fields as read from there, and the rows of both."""

    fields: tuple[BoundField, ...]
    n_rows: int
    n_rejected: int


def load_text(
    connection: duckdb.DuckDBPyConnection,
    path: Path,
    file_format: str,
    fields: tuple[Field, ...],
    scratch: Path,
) -> TextRows:
    """Load one file. A row with too few or too many columns is rejected.

    Raises BadFileError when the file is no such text, lacks a column, or leaves a quote open.
    """
    plain = plain_text(path, scratch)
    layout = _csv_layout(plain, fields) if file_format == "csv" else _LINES
    connection.execute("DROP TABLE IF EXISTS reject_errors; DROP TABLE IF EXISTS reject_scans")
    try:
        connection.execute(render("load_text", path=str(plain), **layout))
    except duckdb.InvalidInputException as error:
        raise BadFileError(f"cannot be read as {file_format}: {first_line(error)}") from error
    finally:
        if plain != path:
            plain.unlink()
    n_rejected = _collect_rejected(connection, header_rows=1 if layout["has_header"] else 0)
    bound = bind(fields, {field.column: "VARCHAR" for field in fields})
    if file_format == "csv":
        n_rows = connection.execute("SELECT count(*) FROM text_rows").fetchall()[0][0]
    else:
        n_rows = _count_lines(connection)
    return TextRows(bound, n_rows, n_rejected)


def _count_lines(connection: duckdb.DuckDBPyConnection) -> int:
    n_rows, first = connection.execute(render("count_lines")).fetchall()[0]
    if (first or "").lstrip().startswith("["):
        raise BadFileError("is a JSON array; write an object a line")
    return int(n_rows)


def _csv_layout(path: Path, fields: tuple[Field, ...]) -> dict[str, Any]:
    try:
        with path.open(encoding="utf-8", newline="") as file:
            names = next(csv.reader(file), [])
    except csv.Error as error:
        raise BadFileError(f"line 1: the header cannot be read: {error}") from error
    if not names:
        raise BadFileError("is empty: a CSV file begins with a header row")
    if len(names) == 1 and any(separator in names[0] for separator in ";\t|"):
        raise BadFileError(f"line 1: header {names[0]!r} is not separated by commas")
    require_columns(fields, names)
    needed = {field.column for field in fields}
    selected = [(position, name) for position, name in enumerate(names) if name in needed]
    return {**_CSV, "n_columns": len(names), "selected": selected}


def _collect_rejected(connection: duckdb.DuckDBPyConnection, header_rows: int) -> int:
    errors = connection.execute(
        "SELECT line, CAST(error_type AS VARCHAR), error_message FROM reject_errors ORDER BY line"
    ).fetchall()
    for line, error_type, message in errors:
        if error_type not in _ROW_ERRORS:
            raise BadFileError(f"record {line}: {message} Where its rows end cannot be told")
    connection.execute(render("collect_rejected", header_rows=header_rows))
    return len({line for line, _, _ in errors})
