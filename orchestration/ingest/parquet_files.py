"""Parquet logs: what columns a file has, checked before any of its rows is read."""

from collections.abc import Sequence
from pathlib import Path

import duckdb

from orchestration.ingest.errors import BadFileError, first_line
from orchestration.ingest.fields import BoundField, Field, bind, require_columns
from orchestration.ingest.templates import glob_escaped


def bind_parquet(
    connection: duckdb.DuckDBPyConnection, path: Path, fields: tuple[Field, ...]
) -> tuple[BoundField, ...]:
    """`fields` as this file's columns hold them.

    Raises BadFileError when they do not, or when it is no Parquet file.
    """
    name = {"path": glob_escaped(str(path))}
    try:
        nodes = connection.execute("SELECT name, coalesce(num_children, 0) FROM parquet_schema($path)", name)
        require_columns(fields, _top_level(nodes.fetchall()))
        types = connection.execute(
            "SELECT column_name, column_type"
            " FROM (DESCRIBE SELECT * FROM read_parquet($path, hive_partitioning = false))",
            name,
        )
        return bind(fields, dict(types.fetchall()))
    except duckdb.Error as error:
        raise BadFileError(f"cannot be read as Parquet: {first_line(error)}") from error


def count_parquet_rows(connection: duckdb.DuckDBPyConnection, paths: Sequence[Path]) -> int:
    """Rows that the files' footers declare."""
    names = [glob_escaped(str(path)) for path in paths]
    counted = connection.execute("SELECT sum(num_rows) FROM parquet_file_metadata($names)", {"names": names})
    return int(counted.fetchall()[0][0])


def _top_level(nodes: list[tuple[str, int]]) -> list[str]:
    """Names of the columns themselves: the schema lists each node before its children, the root first."""
    names, position = [], 1
    while position < len(nodes):
        names.append(nodes[position][0])
        position = _end_of(nodes, position)
    return names


def _end_of(nodes: list[tuple[str, int]], position: int) -> int:
    end = position + 1
    for _ in range(nodes[position][1]):
        end = _end_of(nodes, end)
    return end
