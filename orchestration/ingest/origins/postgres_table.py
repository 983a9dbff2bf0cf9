"""A PostgreSQL table as a log: the day's rows by a condition that the server evaluates, and their digest."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Any

from orchestration.ingest.errors import BadFileError
from orchestration.ingest.origins.origin import DayLogs, Origin, OriginContext
from orchestration.ingest.origins.table_rows import day_condition, needed_columns, rows_file
from orchestration.ingest.templates import identifier, literal, render
from orchestration.lake import LogFile
from orchestration.remote.postgres import PostgresError, PostgresServer

_DIGEST = "row digest"
_DUCKDB_TYPES = {
    "date": "DATE",
    "text": "VARCHAR",
    "timestamp without time zone": "TIMESTAMP",
    "timestamp with time zone": "TIMESTAMP WITH TIME ZONE",
}


@dataclass(frozen=True)
class _Column:
    """A column: its type in the server's words, and whether the server makes text of it.

    DuckDB reads a numeric of NaN as 0, and one without a declared scale as a double: it is sent as text instead. So is
    whatever is no type of PostgreSQL's own: an enum, a domain.
    """

    type: str
    as_text: bool


class PostgresTable(Origin):
    """Rows of a table or view. The day's version is their number and the sum of a digest of each, whatever their order.

    Both are of the rows themselves as they were sent, in one statement; asked for alone, the server reads the day's
    rows and sends two numbers.
    """

    def __init__(self, context: OriginContext) -> None:
        super().__init__(context)
        schema, name = context.source.table.split(".")
        self._table = f"{identifier(schema)}.{identifier(name)}"
        self._log_date = context.source.log_date or ""

    def describe(self, log_date: date) -> str:
        """Which rows are not there."""
        return f"table {self.context.source.table} has no row with {self._log_date} on {log_date}"

    @cached_property
    def _server(self) -> PostgresServer:
        server = PostgresServer(self.context.connection, self.context.source.connection or "", read_only=True)
        server.attach()
        return server

    @cached_property
    def _columns(self) -> dict[str, _Column]:
        rows = self._server.query(render("postgres_columns", table=self._table))
        if not rows:
            raise PostgresError(
                f"the PostgreSQL server of {self.context.source.connection} has no table {self.context.source.table}, "
                "or this user may not see its schema"
            )
        return {str(name): _Column(str(type_), bool(as_text)) for name, type_, as_text in rows}

    def _exists(self, log_date: date) -> bool:
        try:
            values = self._values(log_date)
        except BadFileError:
            return True  # rows are not looked for by a column that is not there: reading the day tells what is wrong
        return bool(self._server.query(render("postgres_exists", **values))[0][0])

    def _versions(self, log_date: date) -> Sequence[LogFile]:
        n_rows, digest = self._server.query(render("postgres_digest", **self._values(log_date)))[0]
        return [self._log_file(log_date, f"{n_rows}-{digest}", 0)] if n_rows else []

    def _copy(self, log_date: date, folder: Path) -> DayLogs:
        values, path = self._values(log_date), rows_file(folder)
        rows = f"FROM postgres_query({literal(self._server.name)}, {literal(render('postgres_rows', **values))})"
        connection = self.context.connection
        with self._server.explained():
            connection.execute(render("copy_table", rows=rows, columns=values["columns"], path=str(path)))
        n_rows, digest = connection.execute(
            f"SELECT count(*), coalesce(sum(CAST({identifier(_DIGEST)} AS DECIMAL(38, 0))), 0) "
            "FROM read_parquet($path, hive_partitioning = false)",
            {"path": str(path)},
        ).fetchall()[0]
        if not n_rows:
            return DayLogs([], [])
        return DayLogs([self._log_file(log_date, f"{n_rows}-{digest}", path.stat().st_size)], [path])

    def _values(self, log_date: date) -> dict[str, Any]:
        """What the templates take. Raises BadFileError when the table cannot be what its source says."""
        name, columns = self.context.source.table, self._columns
        try:
            needed = needed_columns(self.context.fields, self._log_date, list(columns))
            type_ = columns[self._log_date].type
            known = _DUCKDB_TYPES.get(type_, "VARCHAR" if type_.startswith("character") else type_)
            day = day_condition(known, log_date, self.context.session.project.timezone, self._log_date)
        except BadFileError as error:
            raise BadFileError(f"table {name}: {error}") from error
        return {
            "table": self._table,
            "columns": needed,
            "as_text": {column for column in needed if columns[column].as_text},
            "digest": _DIGEST,
            "log_date": self._log_date,
            "day": day,
        }

    def _log_file(self, log_date: date, version: str, n_bytes: int) -> LogFile:
        return LogFile(path=f"{self.context.source.table}/{log_date}", bytes=n_bytes, version=version)
