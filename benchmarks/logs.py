"""A scenario's log files, one of each source a day, written by the SQL beside this module."""

import shutil
from pathlib import Path

import duckdb

from benchmarks.scenarios import FIRST_DATE, RunningExperiment, Scenario, date_of

_SQL = Path(__file__).parent / "sql"


def write_logs(scenario: Scenario, folder: Path) -> None:
    """Write exposures/ and events/ into `folder`, replacing what is there.

    Rows are functions of their numbers (DuckDB's `hash`), so equal scenarios give equal files.
    """
    for name in ("exposures", "events"):
        shutil.rmtree(folder / name, ignore_errors=True)
        (folder / name).mkdir(parents=True)
    with duckdb.connect() as connection:
        connection.execute("SET enable_progress_bar = false")
        _set(connection, first_date=FIRST_DATE, **scenario.variables)
        connection.execute(_read("macros"))
        connection.execute(_read(scenario.name))
        for day in range(scenario.days):
            running = [one for one in scenario.experiments if one.first_day <= day <= one.last_day]
            _write_day(connection, scenario, day, running, folder)


def _write_day(
    connection: duckdb.DuckDBPyConnection,
    scenario: Scenario,
    day: int,
    running: list[RunningExperiment],
    folder: Path,
) -> None:
    experiment_day = min((day - one.first_day for one in running), default=None)
    _set(connection, day=day, experiment_day=experiment_day)
    connection.execute("CREATE OR REPLACE TEMP TABLE running (slot INTEGER, experiment_id VARCHAR)")
    if running:
        connection.executemany("INSERT INTO running VALUES (?, ?)", [(one.slot, one.id) for one in running])
    exposures = connection.sql(_read(f"{scenario.name}_exposures"))
    if not running:
        exposures = exposures.limit(0)
    name = f"{date_of(day)}.parquet"
    exposures.write_parquet(str(folder / "exposures" / name))
    connection.sql(_read("events")).write_parquet(str(folder / "events" / name))


def _set(connection: duckdb.DuckDBPyConnection, **variables: object) -> None:
    for name, value in variables.items():
        connection.execute(f"SET VARIABLE {name} = ?", [value])


def _read(name: str) -> str:
    return (_SQL / f"{name}.sql").read_text(encoding="utf-8")
