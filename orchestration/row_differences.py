"""Two versions of a table's rows, compared to the last bit."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import duckdb

Key = tuple[str | None, ...]
Row = dict[str, str | None]


@dataclass(frozen=True)
class Difference:
    """A value that was one thing then and is another now; without a column, a row that only one side has."""

    table: str
    key: Mapping[str, str | None]
    column: str | None
    then: str | None
    now: str | None

    @property
    def row(self) -> tuple[str, Key]:
        """Which row of which table differs."""
        return self.table, tuple(self.key.values())


@dataclass(frozen=True)
class TableComparison:
    """What was compared of a table: the rows of then, what differs, and columns that one side lacks."""

    table: str
    n_rows: int
    differences: tuple[Difference, ...] = ()
    new_columns: tuple[str, ...] = ()
    lost_columns: tuple[str, ...] = ()

    @property
    def is_identical(self) -> bool:
        """Whether every value of then is there now, bit by bit, and no row more."""
        return not self.differences and not self.lost_columns


class Compared:
    """Several tables compared."""

    tables: tuple[TableComparison, ...]

    @property
    def is_identical(self) -> bool:
        """Whether every row came out again, bit by bit, and no other."""
        return all(table.is_identical for table in self.tables)

    @property
    def differences(self) -> list[Difference]:
        """Every value that differs."""
        return [difference for table in self.tables for difference in table.differences]


@dataclass(frozen=True)
class TableRows:
    """A table's rows then and now, as queries, the columns that identify a row, and those not to compare."""

    table: str
    then: str
    now: str
    keys: Sequence[str]
    ignored: Collection[str] = field(default=())


def compare(connection: duckdb.DuckDBPyConnection, rows: TableRows) -> TableComparison:
    """Compare two versions of a table's rows.

    Values are compared as DuckDB writes them, which for a double is the shortest text that reads back as the same
    bits; so a column may change its type but not a value.
    """
    then, now = (_columns(connection, query) for query in (rows.then, rows.now))
    shared = [name for name in then if name in now and name not in rows.ignored]
    as_text = ", ".join(f'cast("{name}" as varchar) as "{name}"' for name in shared)
    for name, query in (("rows_then", rows.then), ("rows_now", rows.now)):
        connection.execute(f"create or replace temp table {name} as select {as_text} from ({query})")
    counted = connection.execute("select count(*) from rows_then").fetchall()
    gone, new = (
        _rows(connection, f"from {left} except all from {right}")
        for left, right in (("rows_then", "rows_now"), ("rows_now", "rows_then"))
    )
    return TableComparison(
        table=rows.table,
        n_rows=counted[0][0],
        differences=tuple(_differences(rows.table, rows.keys, gone, new)),
        new_columns=tuple(name for name in now if name not in then and name not in rows.ignored),
        lost_columns=tuple(name for name in then if name not in now and name not in rows.ignored),
    )


def _columns(connection: duckdb.DuckDBPyConnection, query: str) -> list[str]:
    return [row[0] for row in connection.execute(f"describe {query}").fetchall()]


def _rows(connection: duckdb.DuckDBPyConnection, query: str) -> list[Row]:
    found = connection.execute(f"{query} order by all")
    names = [column[0] for column in found.description or []]
    return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


def _differences(table: str, keys: Sequence[str], gone: Iterable[Row], new: Iterable[Row]) -> list[Difference]:
    pairs: dict[Key, tuple[list[Row], list[Row]]] = defaultdict(lambda: ([], []))
    for side, rows in enumerate((gone, new)):
        for row in rows:
            pairs[tuple(row[name] for name in keys)][side].append(row)
    found = []
    for key, (before, after) in sorted(pairs.items(), key=_text_of_key):
        named = dict(zip(keys, key, strict=True))
        for old, now in zip(before, after, strict=False):
            found += [Difference(table, named, name, old[name], now[name]) for name in old if old[name] != now[name]]
        extra = [("there", "not there")] * (len(before) - len(after)) + [("not there", "there")] * (
            len(after) - len(before)
        )
        found += [Difference(table, named, None, *sides) for sides in extra]
    return found


def _text_of_key(entry: tuple[Key, Any]) -> list[str]:
    return [part or "" for part in entry[0]]
