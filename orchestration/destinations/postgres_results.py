"""Results in PostgreSQL: a table for each published one, all of a run visible at once.

One transaction replaces the partitions whose digests differ from those that `published_parts` has, and notes the new
ones. Readers see the run before until it commits; a table that stays the same is not touched, so that what is granted
on it, and views of it, stay.
"""

from collections.abc import Iterable, Mapping
from itertools import groupby
from pathlib import Path

import duckdb

from configs.schema import PostgresResults
from orchestration.destinations.parts import Part, Sent, published_parts, sent
from orchestration.ingest.templates import identifier, literal
from orchestration.remote.postgres import PostgresError, PostgresServer

PARTS_TABLE = "published_parts"
_WIDE = {"UBIGINT": "DECIMAL(20, 0)"}
_TYPES = {
    "VARCHAR": "text",
    "BOOLEAN": "boolean",
    "TINYINT": "smallint",
    "SMALLINT": "smallint",
    "INTEGER": "integer",
    "BIGINT": "bigint",
    "FLOAT": "real",
    "DOUBLE": "double precision",
    "DATE": "date",
    "TIMESTAMP": "timestamp",
    "TIMESTAMP WITH TIME ZONE": "timestamptz",
}
_WRITTEN_BY = "Written by Equipoise for project {project}; every run replaces rows."


def send_to_postgres(run: Path, destination: PostgresResults, project: str) -> Sent:
    """Replace, in one transaction, what the schema has otherwise than the run.

    Raises PostgresError; so too when the schema holds the results of another project, or a table of its name that
    something else made.
    """
    parts = published_parts(run)
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        server = PostgresServer(connection, destination.connection, read_only=False)
        server.attach()
        schema = _Schema(server, destination.schema_, project)
        schema.prepare()
        with server.explained():
            connection.execute("SET pg_null_byte_replacement = ''")
            connection.execute("BEGIN")
            total = sent((), 0)
            for table, found in groupby(parts, key=lambda part: part.table):
                one = schema.replace(table, list(found))
                total = Sent(total.parts + one.parts, total.bytes + one.bytes, total.removed + one.removed)
            connection.execute("COMMIT")
        return total


class _Schema:
    """The schema of a server that results are sent to."""

    def __init__(self, server: PostgresServer, name: str, project: str) -> None:
        self._server = server
        self._connection = server.connection
        self._name = name
        self._project = project
        self._known: dict[str, dict[str, str]] = {}

    def prepare(self) -> None:
        """Make the schema if it is not there, and read which parts it has."""
        schema, parts = identifier(self._name), f"{identifier(self._name)}.{PARTS_TABLE}"
        self._server.execute(f"CREATE SCHEMA IF NOT EXISTS {schema}")
        self._server.execute(
            f"CREATE TABLE IF NOT EXISTS {parts} "
            "(project text, table_name text, partition text, digest text, PRIMARY KEY (table_name, partition))"
        )
        rows = self._server.query(f"SELECT project, table_name, partition, digest FROM {parts}")
        for project, table, partition, digest in rows:
            if project != self._project:
                raise PostgresError(
                    f"schema {self._name} holds the results of project {project!r}; give {self._project!r} its own"
                )
            self._known.setdefault(str(table), {})[str(partition)] = str(digest)

    def replace(self, table: str, parts: list[Part]) -> Sent:
        """Delete partitions that the run has otherwise or not at all, and insert those it has."""
        known = self._known.get(table, {})
        columns = self._columns(parts)
        if self._fit(table, columns):
            known = {}
        new = [part for part in parts if known.get(part.partition) != part.digest]
        gone = sorted(known.keys() - {part.partition for part in parts})
        outdated = [*gone, *(part.partition for part in new if part.partition in known)]
        name = self._qualified(table)
        for partition in outdated:
            self._server.execute(f"DELETE FROM {name}{_condition(partition)}")
        if new:
            selected = ", ".join(
                f"CAST({identifier(column)} AS {_WIDE.get(type_, type_)}) AS {identifier(column)}"
                for column, type_ in columns.items()
            )
            target = f"{self._server.name}.{identifier(self._name)}.{identifier(table)}"
            self._connection.execute(f"INSERT INTO {target} BY NAME SELECT {selected} FROM {_rows(parts, new)}")
        self._note(table, new, outdated)
        return sent(new, len(gone))

    def _columns(self, parts: list[Part]) -> dict[str, str]:
        rows = self._connection.execute(f"SELECT column_name, column_type FROM (DESCRIBE FROM {_rows(parts, parts)})")
        return dict(rows.fetchall())

    def _fit(self, table: str, columns: Mapping[str, str]) -> bool:
        """Make the table as the run has it; whether it is new. One that only lacks columns keeps its rows."""
        wanted = {column: _type_of(type_) for column, type_ in columns.items()}
        attributes = self._server.query(
            "SELECT attname::text, format_type(atttypid, atttypmod) FROM pg_attribute WHERE attnum > 0 "
            f"AND NOT attisdropped AND attrelid = to_regclass({literal(self._qualified(table))})"
        )
        found = {str(name): str(type_) for name, type_ in attributes}
        same_type = {"timestamp": "timestamp without time zone", "timestamptz": "timestamp with time zone"}
        fits = found and all(
            column in wanted and type_ == same_type.get(wanted[column], wanted[column])
            for column, type_ in found.items()
        )
        name = self._qualified(table)
        if found and table not in self._known:
            raise PostgresError(f"table {name} is there and was not made by Equipoise; give the results another schema")
        if fits:
            for column in wanted.keys() - found.keys():
                self._server.execute(f"ALTER TABLE {name} ADD COLUMN {identifier(column)} {wanted[column]}")
            if wanted.keys() - found.keys():
                self._connection.execute("CALL pg_clear_cache()")
            # Parts that were written anew for a column have other digests; the others have no value in it.
            return False
        if found:
            self._server.execute(f"DROP TABLE {name}")
        listed = ", ".join(f"{identifier(column)} {type_}" for column, type_ in wanted.items())
        self._server.execute(f"CREATE TABLE {name} ({listed})")
        self._server.execute(f"COMMENT ON TABLE {name} IS {literal(_WRITTEN_BY.format(project=self._project))}")
        self._connection.execute("CALL pg_clear_cache()")
        return True

    def _note(self, table: str, new: Iterable[Part], outdated: Iterable[str]) -> None:
        name = f"{identifier(self._name)}.{PARTS_TABLE}"
        if gone := list(outdated):
            listed = ", ".join(map(literal, gone))
            self._server.execute(f"DELETE FROM {name} WHERE table_name = {literal(table)} AND partition IN ({listed})")
        rows = ", ".join(
            f"({', '.join(map(literal, (self._project, table, part.partition, part.digest)))})" for part in new
        )
        if rows:
            self._server.execute(
                f"INSERT INTO {name} (project, table_name, partition, digest) VALUES {rows} "
                "ON CONFLICT (table_name, partition) DO UPDATE SET digest = excluded.digest"
            )

    def _qualified(self, table: str) -> str:
        return f"{identifier(self._name)}.{identifier(table)}"


def _rows(of_schema: list[Part], parts: list[Part]) -> str:
    """Rows of some parts with the columns of all: one that was written before a column came has no value in it."""
    files = literal([str(part.path) for part in parts])
    read = f"read_parquet({files}, hive_partitioning = false, union_by_name = true)"
    if len(parts) == len(of_schema):
        return read
    everything = literal([str(part.path) for part in of_schema])
    empty = f"read_parquet({everything}, hive_partitioning = false, union_by_name = true) LIMIT 0"
    return f"(FROM {read} UNION ALL BY NAME (FROM {empty}))"


def _condition(partition: str) -> str:
    column, _, value = partition.partition("=")
    return f" WHERE {identifier(column)} = {literal(value)}" if value else ""


def _type_of(type_: str) -> str:
    """The server's type for one of DuckDB's; text for what has none."""
    type_ = _WIDE.get(type_, type_)
    if type_.startswith("DECIMAL"):
        return type_.lower().replace("decimal", "numeric").replace(" ", "")
    if type_.endswith("[]"):
        return f"{_type_of(type_.removesuffix('[]'))}[]"
    return _TYPES.get(type_, "text")
