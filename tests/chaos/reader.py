"""Somebody who reads the published results all the time, in a process of their own.

A line on standard input is the state folder to watch; the next (empty) line ends the watch and is answered by a line of
JSON: how often it looked, every different state of the tables it saw, and what went wrong.
"""

import json
import os
import select
import sys
from pathlib import Path

import duckdb

Snapshot = dict[str, tuple[int, str]]
"""Rows and a digest of them by table; independent of the order of rows, not of their number."""

_DIGEST = "select count(*), cast(coalesce(sum(cast(hash(t) as hugeint)), 0) as varchar) from ({rows}) as t"


def snapshot_of_database(path: Path) -> Snapshot:
    """What a database of results holds. The path may lead through links."""
    with duckdb.connect(str(path), read_only=True) as connection:
        names = [name for (name,) in connection.execute("select table_name from duckdb_tables()").fetchall()]
        return {name: _digest(connection, f"from {name}") for name in sorted(names)}


def snapshot_of_files(run: Path) -> Snapshot:
    """What the Parquet files of a run hold."""
    options = "hive_partitioning = false, union_by_name = true"
    with duckdb.connect() as connection:
        tables = sorted(path.name for path in run.iterdir() if path.is_dir())
        return {
            name: _digest(connection, f"from read_parquet('{run}/{name}/**/*.parquet', {options})") for name in tables
        }


def _digest(connection: duckdb.DuckDBPyConnection, rows: str) -> tuple[int, str]:
    return connection.execute(_DIGEST.format(rows=rows)).fetchall()[0]


class Watch:
    """What a reader of one state folder saw."""

    def __init__(self, state: Path) -> None:
        self.state = state
        self.polls = 0
        self.seen: list[Snapshot] = []
        self.errors: list[str] = []

    def look(self) -> None:
        """Read every table once: by turns through the link to the database, and the files of the run resolved once."""
        if not self.seen and not (self.state / "results").exists():
            return  # nothing was ever published
        self.polls += 1
        try:
            snapshot = (
                snapshot_of_database(self.state / "results.duckdb")
                if self.polls % 3
                else snapshot_of_files(Path(os.path.realpath(self.state / "results")))
            )
        except (duckdb.Error, OSError) as error:
            self.errors.append(f"poll {self.polls}: {type(error).__name__}: {error}")
            return
        if snapshot not in self.seen:
            self.seen.append(snapshot)


def watch(state: Path) -> Watch:
    """Look again and again until standard input has a line."""
    watched = Watch(state)
    while not select.select([sys.stdin], [], [], 0.1)[0]:
        watched.look()
    watched.look()
    return watched


def serve() -> None:
    """Watch one state folder after another until standard input ends."""
    while line := sys.stdin.readline().strip():
        watched = watch(Path(line))
        sys.stdin.readline()
        answer = {"polls": watched.polls, "seen": watched.seen, "errors": watched.errors}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    serve()
