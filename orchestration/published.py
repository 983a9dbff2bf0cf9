"""Reading the published results, as any user could: one run's files, never the warehouse."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import duckdb
import pandas as pd

from orchestration.faults import StateError
from orchestration.publish import current_run, is_whole

RESULTS = ("scorecard", "health_checks", "decisions")
DETAILS = ("factorial_effects", "bandit_allocations")


class NoResultsError(LookupError):
    """Nothing was published yet, or nothing of what was asked for."""


@dataclass(frozen=True)
class PublishedResults:
    """The scorecard, health checks and decisions of some experiments at one as-of date each.

    Of `DETAILS` what designs of their own have: effects by factor, a bandit's allocation. Quasi-experiments have
    estimates and checks instead of a scorecard and health checks.
    """

    scorecard: pd.DataFrame
    health_checks: pd.DataFrame
    decisions: pd.DataFrame
    quasi_estimates: pd.DataFrame
    quasi_checks: pd.DataFrame
    details: Mapping[str, pd.DataFrame]


def read_results(
    state: Path, experiment_id: str | None = None, as_of: date | None = None, metric_id: str | None = None
) -> PublishedResults:
    """Results of one experiment or all, at an as-of date or each experiment's latest one.

    Raises NoResultsError, saying what there is, when nothing fits.
    """
    run = current_run(state)
    if run is None:
        raise NoResultsError(f"{state}: no results yet; start with `equipoise run --date YYYY-MM-DD`")
    with open_results(run) as connection:
        chosen = connection.execute(
            "select experiment_id, max(as_of_date) as as_of_date from decisions "
            "where ($experiment is null or experiment_id = $experiment) and ($as_of is null or as_of_date = $as_of) "
            "group by experiment_id",
            {"experiment": experiment_id, "as_of": as_of},
        ).df()
        if chosen.empty:
            raise NoResultsError(_what_there_is(connection, experiment_id, as_of))
        connection.register("chosen", chosen)
        tables = {
            name: connection.execute(
                f"select results.* from {name} as results inner join chosen "
                "on results.experiment_id = chosen.experiment_id "
                "and results.as_of_date = cast(chosen.as_of_date as date) order by all"
            ).df()
            for name in _there(connection, (*RESULTS, *DETAILS))
        }
        details = {name: rows for name in DETAILS if (rows := tables.pop(name, None)) is not None and len(rows)}
        tables |= _quasi_tables(connection)
        if metric_id is not None:
            known = sorted({*tables["scorecard"]["metric_id"], *tables["quasi_estimates"]["metric_id"]})
            if metric_id not in known:
                raise NoResultsError(f"no results for metric {metric_id!r}; there are: {', '.join(known)}")
            for name in ("scorecard", "quasi_estimates", "quasi_checks"):
                tables[name] = tables[name][tables[name]["metric_id"] == metric_id]
            details = {name: rows[rows["metric_id"] == metric_id] for name, rows in details.items()}
    return PublishedResults(**tables, details=details)


def _there(connection: duckdb.DuckDBPyConnection, names: Iterable[str]) -> list[str]:
    """Those of the tables that the run has: one from before a table lacks it."""
    known = {name for (name,) in connection.execute("select table_name from duckdb_tables()").fetchall()}
    return [name for name in names if name in known]


def _quasi_tables(connection: duckdb.DuckDBPyConnection) -> dict[str, pd.DataFrame]:
    """Of the chosen experiments; without rows where a run of an earlier version has no such tables."""
    there = {name for (name,) in connection.execute("select table_name from duckdb_tables()").fetchall()}
    return {
        name: connection.execute(
            f"select results.* from {name} as results inner join chosen "
            "on results.experiment_id = chosen.experiment_id "
            "and results.as_of_date = cast(chosen.as_of_date as date) order by all"
        ).df()
        if name in there
        else pd.DataFrame(columns=["experiment_id", "metric_id"])
        for name in ("quasi_estimates", "quasi_checks")
    }


def published_through(state: Path) -> dict[str, date]:
    """The last as-of date that each experiment is published for; empty where that cannot be read."""
    run = current_run(state)
    try:
        files = [] if run is None else [str(path) for path in run.glob("decisions/**/*.parquet") if is_whole(path)]
        if not files:
            return {}
        with duckdb.connect() as connection:
            rows = connection.execute(
                "select experiment_id, max(as_of_date) "
                "from read_parquet($files, hive_partitioning = false, union_by_name = true) group by experiment_id",
                {"files": files},
            ).fetchall()
    except (OSError, duckdb.Error):
        return {}  # a damaged copy of the results holds up no run: what it lacks is computed
    return dict(rows)


@contextmanager
def open_results(run: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open a run's database for reading. Raises StateError when it is damaged."""
    path = run / "results.duckdb"
    try:
        with duckdb.connect(str(path), read_only=True) as connection:
            yield connection
    except (duckdb.IOException, duckdb.FatalException, duckdb.SerializationException) as error:
        raise StateError(
            f"{path}: {error}\n  Run the last day again, which publishes it anew; the same rows are in {run}/<table>/."
        ) from error


def _what_there_is(connection: duckdb.DuckDBPyConnection, experiment_id: str | None, as_of: date | None) -> str:
    spans = connection.execute(
        "select experiment_id, min(as_of_date), max(as_of_date) from decisions group by all order by all"
    ).fetchall()
    there = "; ".join(f"{name} {first} … {last}" for name, first, last in spans) or "no decision at all"
    asked = " ".join(
        [
            f"experiment {experiment_id!r}" if experiment_id else "any experiment",
            f"as of {as_of}" if as_of else "",
        ]
    ).strip()
    return f"no results for {asked}; there are: {there}"
