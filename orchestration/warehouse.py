"""The DuckDB warehouse: what pipeline steps put into it for dbt, and how they open it."""

import csv
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import duckdb
import pandas as pd

from configs.schema import Config, EventSource
from orchestration.planning import BuiltExperiment, PlannedBuild, left_after, merged_plans

INPUT_TABLES = {
    "experiments": "experiment_id varchar, start_date date, end_date date, analysis_end_date date, "
    "exposure_source varchar, is_analysed boolean, config_hash varchar",
    "experiment_variants": "experiment_id varchar, variant_id varchar, weight double, is_baseline boolean, "
    "position integer",
    "experiment_epochs": "experiment_id varchar, epoch integer, from_date date, variant_id varchar, weight double",
    "experiment_metrics": "experiment_id varchar, metric_id varchar, role varchar",
    "experiment_coverages": "experiment_id varchar, coverage_hash varchar",
    "experiment_probes": "experiment_id varchar, probe_hash varchar",
    "experiment_predecessors": "experiment_id varchar, earlier_experiment_id varchar",
    "experiment_buckets": "experiment_id varchar, algorithm varchar, salt varchar, buckets bigint, variant_id varchar, "
    "first_bucket bigint, end_bucket bigint",
    "experiment_segments": "experiment_id varchar, segment_name varchar",
    "experiment_strata": "experiment_id varchar, attribute varchar",
    "experiment_panels": "experiment_id varchar, group_kind varchar, group_property varchar",
    "experiment_panel_metrics": "experiment_id varchar, metric_id varchar",
    "experiment_panel_days": "experiment_id varchar, day date, period_date date",
    "experiment_exclusions": "experiment_id varchar, other_experiment_id varchar, until_date date",
    "experiment_held_out": "experiment_id varchar, holdout_id varchar, variant_id varchar, since_date date, "
    "until_date date",
    "experiment_triggers": "experiment_id varchar, everyone_id varchar, trigger_hash varchar",
    "experiment_trends": "experiment_id varchar, days integer",
    "experiment_clusters": "experiment_id varchar, attribute varchar",
    "experiment_propensities": "experiment_id varchar, attribute varchar",
    "experiment_switchbacks": "experiment_id varchar, exposure_source varchar, attribute varchar, starts_at timestamp, "
    "period_minutes integer",
    "experiment_switchback_metrics": "experiment_id varchar, metric_id varchar",
    "experiment_batches": "experiment_id varchar, metric_id varchar",
}
MODELS_FORMAT = 5
"""Of the tables in `intermediate`: a higher one than the warehouse's has them built anew."""

SPAN = "inputs.build_plan"
PLAN_COLUMNS = (
    "experiment_id varchar",
    "from_date date",
    "to_date date",
    "latest_date date",
    "is_rebuild boolean",
    "base_date date",
)
SPAN_COLUMNS = (*PLAN_COLUMNS, "changes_through date")
BOOKKEEPING = f"""
create schema if not exists inputs;
create schema if not exists lake;
create schema if not exists runs;
create table if not exists runs.experiment_builds (
    experiment_id varchar primary key, config_hash varchar not null, built_through date not null
);
create table if not exists runs.partition_builds (
    source_id varchar, log_date date, content_hash varchar
);
create table if not exists runs.begun_builds ({", ".join(PLAN_COLUMNS)});
create table if not exists runs.unpublished_builds ({", ".join(PLAN_COLUMNS)});
"""


_kept_open: dict[Path, duckdb.DuckDBPyConnection | None] = {}
"""Warehouses that a run keeps open in this process, once it has opened them."""


@contextmanager
def open_warehouse(path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection to the warehouse, with its bookkeeping tables there, closed at the end."""
    if path not in _kept_open:
        with _connected(path) as connection:
            yield connection
        return
    kept = _kept_open[path] = _kept_open[path] or _connected(path)
    with kept.cursor() as connection:
        yield connection


@contextmanager
def kept_open(path: Path) -> Iterator[None]:
    """Within, `open_warehouse` opens the file once: that takes 20 ms, and a run asks for it fifty times."""
    _kept_open[path] = None
    try:
        yield
    finally:
        release(path)
        del _kept_open[path]


def release(path: Path) -> None:
    """Close what is kept open, for dbt to open the file with settings of its own; the next step opens it again."""
    if kept := _kept_open.get(path):
        kept.close()
        _kept_open[path] = None


def _connected(path: Path) -> duckdb.DuckDBPyConnection:
    path.parent.mkdir(parents=True, exist_ok=True)
    connection = duckdb.connect(str(path))
    connection.execute("set preserve_insertion_order = false")
    connection.execute(BOOKKEEPING)
    return connection


def drop_outdated_models(connection: duckdb.DuckDBPyConnection, forget_elsewhere: Callable[[], None]) -> None:
    """Forget what an earlier version of the models built of units, so that every experiment is built from its start.

    `forget_elsewhere` does so where that is not in the warehouse.
    Marts and results stay: an experiment that left the configuration keeps its last rows.
    """
    if has_table(connection, "runs", "models_format"):
        found = connection.execute("select models_format from runs.models_format").fetchall()
    else:
        found = []
    if found == [(MODELS_FORMAT,)]:
        return
    forget_elsewhere()
    connection.execute("begin")
    for schema in ("staging", "intermediate"):
        connection.execute(f"drop schema if exists {schema} cascade")
    connection.execute("delete from runs.experiment_builds")
    connection.execute("create or replace table runs.models_format as select ? as models_format", [MODELS_FORMAT])
    connection.execute("commit")


def load_rendered(connection: duckdb.DuckDBPyConnection, generated: Path) -> None:
    """Load the tables that `configs.render` wrote as CSV into schema `inputs`."""
    for table, columns in INPUT_TABLES.items():
        connection.execute(f"create or replace table inputs.{table} ({columns})")
        with (generated / f"{table}.csv").open(encoding="utf-8", newline="") as file:
            header, *rows = list(csv.reader(file))
        values = [[value if value != "" else None for value in row] for row in rows]
        _insert(connection, f"inputs.{table}", header, values)


def load_plan(connection: duckdb.DuckDBPyConnection, plans: Sequence[PlannedBuild], table: str = SPAN) -> None:
    """Replace a table of planned builds.

    `runs.plan`: the as-of dates whose results the run computes and publishes. `runs.build`: those of them that dbt is
    to build; an earlier run may have built the others and died. `inputs.build_plan`: a span of these, and of everyone
    behind a trigger.
    `runs.begun_builds`, `runs.unpublished_builds`: what was begun and not built, built and not published.
    """
    columns = SPAN_COLUMNS if table == SPAN else PLAN_COLUMNS
    connection.execute(f"create or replace table {table} ({', '.join(columns)})")
    names = [column.split()[0] for column in columns]
    _insert(connection, table, names, [[getattr(plan, name) for name in names] for plan in plans])
    if table == SPAN and plans:
        connection.execute(
            f"insert into {table} select plan.* replace (everyone_id as experiment_id) from {table} as plan "
            "inner join inputs.experiment_triggers using (experiment_id)"
        )


def planned_builds(connection: duckdb.DuckDBPyConnection, table: str = "runs.plan") -> list[PlannedBuild]:
    """The plan of the whole run, or another table of planned builds."""
    names = [column.split()[0] for column in PLAN_COLUMNS]
    rows = connection.execute(f"select {', '.join(names)} from {table} order by experiment_id").fetchall()
    return [PlannedBuild(**dict(zip(names, row, strict=True))) for row in rows]


def planned_hashes(connection: duckdb.DuckDBPyConnection) -> dict[str, str]:
    """The configuration hash that each planned experiment had when the run was prepared."""
    rows = connection.execute(
        "select experiment_id, config_hash from runs.plan inner join inputs.experiments using (experiment_id)"
    ).fetchall()
    return dict(rows)


def load_source_freshness(connection: duckdb.DuckDBPyConnection, loaded_at: Mapping[str, datetime]) -> None:
    """Replace `inputs.source_freshness`: up to when each source has been ingested."""
    connection.execute("create or replace table inputs.source_freshness (source_id varchar, loaded_at timestamp)")
    _insert(
        connection,
        "inputs.source_freshness",
        ["source_id", "loaded_at"],
        [list(row) for row in loaded_at.items()],
    )


def load_calendar(connection: duckdb.DuckDBPyConnection, first: date, last: date, timezone: str) -> None:
    """Replace `inputs.calendar`: each local day with the UTC instants at which it starts and ends.

    It reaches two days further on both sides: a window may end on another UTC date than its local one.
    """
    zone = ZoneInfo(timezone)
    days = [first + timedelta(days=offset) for offset in range(-2, (last - first).days + 3)]
    midnights = [datetime.combine(day, datetime.min.time(), zone) for day in [*days, days[-1] + timedelta(days=1)]]
    instants = [midnight.astimezone(UTC).replace(tzinfo=None) for midnight in midnights]
    connection.execute(
        "create or replace table inputs.calendar (as_of_date date, starts_at timestamp, ends_at timestamp)"
    )
    rows = [list(row) for row in zip(days, instants[:-1], instants[1:], strict=True)]
    _insert(connection, "inputs.calendar", ["as_of_date", "starts_at", "ends_at"], rows)


def load_slices(connection: duckdb.DuckDBPyConnection, slices: int, every_nth_tested: int) -> None:
    """Replace `inputs.build_slices`: into how many parts, by unit, dbt cuts what would not fit into memory at once.

    Tests of single units look at every n-th of them.
    """
    connection.execute(
        "create or replace table inputs.build_slices as select cast(? as integer) as slices, "
        "cast(? as integer) as every_nth_tested",
        [slices, every_nth_tested],
    )


@dataclass(frozen=True)
class LakeFile:
    """A file of accepted rows, and which optional columns it has."""

    source_id: str
    path: Path
    fields: frozenset[str]


def register_lake(connection: duckdb.DuckDBPyConnection, config: Config, files: Sequence[LakeFile]) -> None:
    """Point the views `lake.exposures` and `lake.events` at these files of accepted rows."""
    exposures = [
        _lake_select(source.id, files, EXPOSURE_COLUMNS, {f"a_{name}": "varchar" for name in source.attributes})
        for source in config.sources.exposures
    ]
    events = [
        _lake_select(source.id, files, EVENT_COLUMNS, event_fields(source)) for source in config.sources.events
    ] or [_lake_select("none", [], EVENT_COLUMNS, {})]
    connection.execute(f"create or replace view lake.exposures as {' union all by name '.join(exposures)}")
    connection.execute(f"create or replace view lake.events as {' union all by name '.join(events)}")


EXPOSURE_COLUMNS = {
    "unit_id": "varchar",
    "experiment_id": "varchar",
    "variant_id": "varchar",
    "exposed_at": "timestamp",
    "exposed_date": "date",
    "known_from": "date",
}
EVENT_COLUMNS = {
    "event_id": "varchar",
    "unit_id": "varchar",
    "event_name": "varchar",
    "occurred_at": "timestamp",
    "occurred_date": "date",
    "known_from": "date",
}


def event_fields(source: EventSource) -> dict[str, str]:
    """The optional columns of an event source's rows, with their types."""
    units = [name for name, measure in source.measures.items() if measure.unit_column]
    texts = [*(f"u_{name}" for name in units), *(f"p_{name}" for name in source.properties)]
    return {f"m_{name}": "bigint" for name in source.measures} | dict.fromkeys(texts, "varchar")


def _lake_select(
    source_id: str, files: Sequence[LakeFile], columns: Mapping[str, str], fields: Mapping[str, str]
) -> str:
    own = [file for file in files if file.source_id == source_id]
    if not own:
        empty = ", ".join(f"null::{kind} as {name}" for name, kind in {**columns, **fields}.items())
        return f"select '{source_id}' as source_id, null::date as log_date, {empty} where false"
    stored = frozenset().union(*(file.fields for file in own))
    selected = [f"cast({name} as {kind}) as {name}" for name, kind in columns.items()]
    selected += [f"cast({name if name in stored else 'null'} as {kind}) as {name}" for name, kind in fields.items()]
    listed = ", ".join("'" + str(file.path).replace("'", "''") + "'" for file in own)
    # Days that were stored before a field was added have no column of it; what needs it is incomplete there.
    return (
        f"select '{source_id}' as source_id, cast(log_date as date) as log_date, {', '.join(selected)} "
        f"from read_parquet([{listed}], hive_partitioning = true, hive_types_autocast = false, union_by_name = true)"
    )


def snapshots(connection: duckdb.DuckDBPyConnection) -> list[tuple[str, date]]:
    """The (experiment, as-of date) pairs whose unit snapshot the warehouse holds."""
    if not has_table(connection, "intermediate", "int_exposed_units"):
        return []
    return connection.execute(
        "select distinct experiment_id, as_of_date from intermediate.int_exposed_units"
    ).fetchall()


def has_table(connection: duckdb.DuckDBPyConnection, schema: str, name: str) -> bool:
    """Whether the warehouse has this table."""
    found = connection.execute(
        "select count(*) from information_schema.tables where table_schema = ? and table_name = ?",
        [schema, name],
    ).fetchone()
    return bool(found and found[0])


def has_rows(connection: duckdb.DuckDBPyConnection, table: str) -> bool:
    """Whether a table, named with its schema, has any; one that is not there may have some once it is made."""
    schema, name = table.split(".")
    if not has_table(connection, schema, name):
        return True
    return connection.execute(f"select 1 from {table} limit 1").fetchone() is not None


def built_experiments(connection: duckdb.DuckDBPyConnection) -> dict[str, BuiltExperiment]:
    """What was built of each experiment."""
    rows = connection.execute("select experiment_id, config_hash, built_through from runs.experiment_builds").fetchall()
    return {experiment_id: BuiltExperiment(config_hash, through) for experiment_id, config_hash, through in rows}


def built_partitions(connection: duckdb.DuckDBPyConnection) -> dict[tuple[str, date], str]:
    """The content of each lake partition when it was last built from."""
    rows = connection.execute("select source_id, log_date, content_hash from runs.partition_builds").fetchall()
    return {(source_id, log_date): content_hash for source_id, log_date, content_hash in rows}


def record_build(
    connection: duckdb.DuckDBPyConnection,
    plans: Sequence[PlannedBuild],
    config_hashes: dict[str, str],
    partitions: dict[tuple[str, date], str],
) -> None:
    """Remember what was built, a span of the run's as-of dates, and that it is not published yet; in one transaction.

    The rest of what was begun stays begun: a run killed in a later span leaves only that one and those after it.
    """
    connection.execute("begin")
    unpublished = planned_builds(connection, "runs.unpublished_builds")
    load_plan(connection, merged_plans(unpublished, plans), table="runs.unpublished_builds")
    begun = planned_builds(connection, "runs.begun_builds")
    load_plan(connection, left_after(begun, plans), table="runs.begun_builds")
    connection.execute("create or replace table runs.partition_builds as from runs.partition_builds limit 0")
    _insert(
        connection,
        "runs.partition_builds",
        ["source_id", "log_date", "content_hash"],
        [[source_id, log_date, content_hash] for (source_id, log_date), content_hash in partitions.items()],
    )
    for plan in plans:
        connection.execute(
            "insert or replace into runs.experiment_builds values (?, ?, ?)",
            [plan.experiment_id, config_hashes[plan.experiment_id], plan.to_date],
        )
    # An experiment that is not analysed today (withdrawn, a draft again, or its file is broken) misses the partitions
    # just recorded as built: it is built from its start when it comes back.
    connection.execute(
        "update runs.experiment_builds set config_hash = '' where not list_contains(?, experiment_id)",
        [sorted(config_hashes)],
    )
    connection.execute("commit")


def _insert(
    connection: duckdb.DuckDBPyConnection, table: str, names: Sequence[str], rows: Sequence[Sequence[object]]
) -> None:
    if not rows:
        return
    frame = pd.DataFrame(
        {name: pd.Series(column, dtype="object") for name, column in zip(names, zip(*rows, strict=True), strict=True)}
    )
    connection.register("inserted_rows", frame)
    connection.execute(f"insert into {table} ({', '.join(names)}) select * from inserted_rows")
    connection.unregister("inserted_rows")


def is_segment_row(columns: Collection[str]) -> str:
    """SQL that is true for a table's rows of segments, which are kept for the latest and the final as-of date alone.

    A health check of allocation epochs names these in place of a segment, at every date.
    """
    of_epochs = "check_name = 'sample_ratio_mismatch_epoch'"
    return "segment_name <> 'all'" + (f" and not {of_epochs}" if "check_name" in columns else "")


LATEST_ONLY = frozenset({"effect_trends"})
"""Results of which an experiment keeps the rows of its latest and final as-of dates alone, as of segments."""


def replace_planned(connection: duckdb.DuckDBPyConnection, table: str, frame: pd.DataFrame) -> None:
    """Replace in `results.<table>` what the run's plan covers by `frame`, in one transaction.

    Goes: all of a rebuilt experiment, else its rows from the plan's first date on; segment rows of as-of dates that
    are no longer the latest, and those of `LATEST_ONLY`; rows with a key that the frame has again.
    """
    name = f"results.{table}"
    connection.register("new_rows", frame)
    connection.execute("create schema if not exists results")
    connection.execute(f"create table if not exists {name} as from new_rows limit 0")
    known = {row[0] for row in connection.execute(f"describe {name}").fetchall()}
    kinds = {row[0]: row[1] for row in connection.execute("describe from new_rows").fetchall()}
    connection.execute("begin")
    for column in kinds.keys() - known:
        connection.execute(f"alter table {name} add column {column} {kinds[column]}")
    connection.execute(
        f"delete from {name} as old where exists (select 1 from runs.plan as plan "
        "where plan.experiment_id = old.experiment_id and (plan.is_rebuild or old.as_of_date >= plan.from_date))"
    )
    connection.execute(
        f"delete from {name} as old where exists (select 1 from new_rows as new "
        "where new.experiment_id = old.experiment_id and new.as_of_date = old.as_of_date)"
    )
    if "segment_name" in known or table in LATEST_ONLY:
        passing = "true" if table in LATEST_ONLY else is_segment_row(known)
        connection.execute(
            f"delete from {name} as old where {passing} and exists ("
            "select 1 from runs.plan as plan inner join inputs.experiments using (experiment_id) "
            "where plan.experiment_id = old.experiment_id and old.as_of_date < plan.latest_date "
            "and old.as_of_date <> analysis_end_date)"
        )
    connection.execute(f"insert into {name} by name from new_rows")
    connection.execute("commit")
    connection.unregister("new_rows")


def load_request(connection: duckdb.DuckDBPyConnection, requested: tuple[date, date]) -> None:
    """Remember the log dates that the run was asked for."""
    connection.execute("create or replace table runs.request (first_date date, last_date date)")
    _insert(connection, "runs.request", ["first_date", "last_date"], [list(requested)])


def requested_days(connection: duckdb.DuckDBPyConnection) -> tuple[date, date]:
    """The log dates that the prepared run was asked for. Raises LookupError when none was prepared."""
    if not has_table(connection, "runs", "request"):
        raise LookupError("no run was prepared; materialize the inputs assets first")
    row = connection.execute("select first_date, last_date from runs.request").fetchone()
    if row is None:
        raise LookupError("no run was prepared; materialize the inputs assets first")
    return row[0], row[1]
