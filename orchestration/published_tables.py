"""What is published: each table as SQL over the warehouse, and which of its partitions a run changed."""

from collections.abc import Collection, Iterable
from datetime import date
from pathlib import Path

import duckdb
import pandas as pd

from configs.schema import Config
from orchestration.alerts.journal import journal_query
from orchestration.calibration import calibration_query
from orchestration.faults import StateError
from orchestration.inputs import RunInputs
from orchestration.lake import DayManifest, Lake
from orchestration.partitions import days_between
from orchestration.planning import PlannedBuild
from orchestration.provenance import PROVENANCE
from orchestration.publish import PublishedTable, is_whole, sync_to_disk
from orchestration.warehouse import LATEST_ONLY, has_table

ROW_COUNTS = ("rows_read", "rows_accepted", "rows_duplicate", "rows_quarantined")
DATES = ("as_of_date", "last_cohort_date", "projected_date", "from_date", "to_date", "day")
AS_OF_TABLES = {
    "exposure_counts": (
        "marts.fct_exposure_counts",
        "experiment_id, variant_id, segment_name, segment_value",
    ),
    "metric_moments": (
        "marts.fct_metric_moments",
        "experiment_id, metric_id, variant_id, segment_name, segment_value",
    ),
    "category_counts": (
        "marts.fct_category_counts",
        "experiment_id, metric_id, variant_id, segment_name, segment_value, position",
    ),
    "covariate_moments": (
        "marts.fct_covariate_moments",
        "experiment_id, metric_id, variant_id, segment_name, segment_value, covariate, other",
    ),
    "stratum_moments": ("marts.fct_stratum_moments", "experiment_id, metric_id, variant_id, stratum"),
    "scorecard": ("results.scorecard", "experiment_id, metric_id, variant_id, segment_name, segment_value"),
    "diluted_effects": ("results.diluted_effects", "experiment_id, metric_id, variant_id"),
    "segment_interactions": (
        "results.segment_interactions",
        "experiment_id, metric_id, variant_id, segment_name, term",
    ),
    "segment_effects": ("results.segment_effects", "experiment_id, metric_id, variant_id, segment_name, segment_value"),
    "segment_mixes": ("results.segment_mixes", "experiment_id, metric_id, variant_id, segment_name"),
    "effect_trends": ("results.effect_trends", "experiment_id, metric_id, variant_id, term"),
    "factorial_effects": ("results.factorial_effects", "experiment_id, metric_id, term, levels"),
    "factorial_terms": ("results.factorial_terms", "experiment_id, metric_id, term"),
    "bandit_allocations": ("results.bandit_allocations", "experiment_id, variant_id"),
    "policy_values": ("results.policy_values", "experiment_id, policy_id, estimator"),
    "bandit_gains": ("results.bandit_gains", "experiment_id"),
    "cluster_sums": ("marts.fct_cluster_sums", "experiment_id, metric_id, cluster, variant_id"),
    "switchback_estimates": (
        "results.switchback_estimates",
        "experiment_id, metric_id, estimator, washed_out_periods",
    ),
    "switchback_blocks": ("results.switchback_blocks", "experiment_id, metric_id, market, block"),
    "batch_moments": ("marts.fct_batch_moments", "experiment_id, metric_id, variant_id, batch_date"),
    "health_checks": ("results.health_checks", "experiment_id, check_name, segment_name, segment_value"),
    "srm_causes": ("results.srm_causes", "experiment_id, rank"),
    "quasi_estimates": ("results.quasi_estimates", "experiment_id, metric_id, estimate, days"),
    "quasi_checks": ("results.quasi_checks", "experiment_id, metric_id, check_name"),
    "decisions": ("results.decisions", "experiment_id"),
}


def published_tables(
    connection: duckdb.DuckDBPyConnection,
    inputs: RunInputs,
    lake: Lake,
    state: Path,
    previous: Path | None = None,
    waiting: Collection[str] = (),
) -> list[PublishedTable]:
    """Every published table.

    Experiments `waiting` were begun by a run that died, and their files are gone or broken since: how much of the
    warehouse is theirs nothing tells, so that their rows stay those of the run `previous`.
    """
    _keep_experiments(connection, inputs)
    _load_days(connection, inputs.days.values())
    days = f"select log_date, source_id, {', '.join(ROW_COUNTS)} from runs.days"
    return [
        PublishedTable(
            "experiments",
            "select * replace (cast(start_date as date) as start_date, cast(end_date as date) as end_date) "
            "from results.experiments",
            order="experiment_id",
        ),
        *(
            PublishedTable(
                name,
                _but_as_before(
                    connection, _with_provenance(connection, relation), previous and previous / name, waiting
                ),
                "as_of_date",
                f"as_of_date, {keys}",
            )
            for name, (relation, keys) in AS_OF_TABLES.items()
        ),
        PublishedTable(
            "rollback_monitor",
            _with_provenance(connection, "results.rollback_monitor"),
            order="as_of_date, experiment_id, metric_id, variant_id",
        ),
        PublishedTable(
            "experiment_overlaps",
            _with_provenance(connection, "results.experiment_overlaps"),
            order="as_of_date, experiment_id, other_experiment_id, metric_id",
        ),
        PublishedTable(
            "lifecycle_events",
            _with_provenance(connection, "results.lifecycle_events"),
            order="as_of_date, experiment_id, event",
        ),
        PublishedTable(
            "calibration", calibration_query(connection), order="as_of_date, experiment_id, metric_id, variant_id"
        ),
        PublishedTable("alerts", journal_query(connection, state), order="event_id, destination"),
        PublishedTable("row_ledger", days, "log_date", "log_date, source_id"),
        PublishedTable(
            "source_days",
            "select log_date, source_id, status, reason, content_hash from runs.days",
            "log_date",
            "log_date, source_id",
        ),
        PublishedTable(
            "quarantine", _quarantine_query(inputs, lake), "log_date", "log_date, source_id, file, row_number"
        ),
    ]


def changed_partitions(
    connection: duckdb.DuckDBPyConnection, inputs: RunInputs, plans: list[PlannedBuild], previous: Path | None
) -> dict[str, set[date] | None]:
    """Which partitions of each table to write anew; None: all."""
    as_of: set[date] | None = {day for plan in plans for day in days_between(plan.from_date, plan.to_date)}
    rebuilt = {plan.experiment_id for plan in plans if plan.is_rebuild}
    if previous is None or (rebuilt and _shows_any(previous, rebuilt)):
        as_of = None
    elif as_of is not None:
        segmented = _passing_dates(previous, sorted(plan.experiment_id for plan in plans))
        as_of = None if segmented is None else as_of | segmented | {inputs.requested[1]}
    log_dates = _changed_days(connection, previous)
    changed: dict[str, set[date] | None] = dict.fromkeys(AS_OF_TABLES, as_of)
    return changed | dict.fromkeys(("row_ledger", "source_days", "quarantine"), log_dates)


def record_publication(connection: duckdb.DuckDBPyConnection, run: Path) -> None:
    """Remember that all that was planned is published, as which run, and which version of each log date it shows.

    What was built and is not analysed today, for its file is broken, is published when it comes back.
    """
    connection.execute("begin")
    connection.execute("create or replace table runs.published_days as from runs.days")
    connection.execute("create or replace table runs.publication as select $run as run", {"run": run.name})
    connection.execute(
        "delete from runs.unpublished_builds where experiment_id in (select experiment_id from runs.plan)"
    )
    connection.execute("commit")


def keep_superseded(
    connection: duckdb.DuckDBPyConnection, plans: list[PlannedBuild], previous: Path | None, folder: Path
) -> None:
    """Copy published rows whose configuration is replaced to `<folder>/<experiment>/<config_hash>/<table>.parquet`.

    Raises StateError when these rows cannot be read, neither in the run's files nor in its database.
    """
    rebuilt = [plan.experiment_id for plan in plans if plan.is_rebuild]
    if previous is None or not rebuilt:
        return
    for name in (name for name in AS_OF_TABLES if (previous / name).is_dir()):  # a run from before a table has none
        published = _published_rows(connection, previous, name)
        for experiment_id in rebuilt:
            hashes = connection.execute(
                f"select distinct config_hash from {published} where experiment_id = $id and config_hash <> '' "
                # A run that died after publishing left the new rows as the published ones.
                "and config_hash not in (select config_hash from runs.experiment_builds where experiment_id = $id)",
                {"id": experiment_id},
            ).fetchall()
            for (config_hash,) in hashes:
                _copy_superseded(
                    connection,
                    published,
                    experiment_id,
                    config_hash,
                    folder / experiment_id / config_hash,
                    name,
                )


def _published_rows(connection: duckdb.DuckDBPyConnection, run: Path, table: str) -> str:
    """A run's table as SQL: its files, or, where one was cut short or lost, the same rows in the run's database."""
    files = f"{run}/{table}/**/*.parquet".replace("'", "''")
    if is_whole(run / table) and any((run / table).rglob("*.parquet")):
        return f"read_parquet('{files}', hive_partitioning = false, union_by_name = true)"
    database = str(run / "results.duckdb").replace("'", "''")
    try:
        connection.execute(f"attach if not exists '{database}' as published_run (read_only)")
        connection.execute(f"create or replace temp table published_{table} as from published_run.{table}")
        connection.execute("detach published_run")
    except duckdb.Error as error:
        link = run.parent.parent / "results"
        raise StateError(
            f"{run}: {table} is damaged, and the database beside it too: the rows that a changed configuration "
            f"replaces cannot be kept. Restore that folder from a backup, or go on without: `mv {link} {link}.damaged`"
        ) from error
    return f"published_{table}"


def _copy_superseded(
    connection: duckdb.DuckDBPyConnection,
    published: str,
    experiment_id: str,
    config_hash: str,
    folder: Path,
    name: str,
) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    temporary = folder / f".{name}.parquet"
    rows = connection.sql(
        f"select * from {published} where experiment_id = $experiment and config_hash = $hash order by all",
        params={"experiment": experiment_id, "hash": config_hash},
    )
    rows.write_parquet(str(temporary), compression="zstd")
    sync_to_disk([temporary])  # the only copy, once the runs that show these rows are gone
    temporary.replace(folder / f"{name}.parquet")
    sync_to_disk([folder])


def _but_as_before(
    connection: duckdb.DuckDBPyConnection, rows: str, before: Path | None, experiments: Collection[str]
) -> str:
    """The rows, with those of some experiments as they are in the run before."""
    if not experiments:
        return rows
    listed = ", ".join("'" + experiment_id.replace("'", "''") + "'" for experiment_id in experiments)
    others = f"select * from ({rows}) where experiment_id not in ({listed})"
    if before is None or not before.is_dir():
        return others
    published = _published_rows(connection, before.parent, before.name)
    return f"{others} union all by name select * from {published} where experiment_id in ({listed})"


def _with_provenance(connection: duckdb.DuckDBPyConnection, relation: str) -> str:
    names = {row[0] for row in connection.execute(f"describe {relation}").fetchall()}
    dates = ", ".join(f"cast(rows.{name} as date) as {name}" for name in DATES if name in names)
    columns = ", ".join(f"coalesce(provenance.{name}, '') as {name}" for name in PROVENANCE)
    return (
        f"select rows.* replace ({dates}), {columns} from {relation} as rows "
        "left join results.provenance as provenance on rows.experiment_id = provenance.experiment_id "
        "and cast(rows.as_of_date as date) = cast(provenance.as_of_date as date)"
        # Rows of everyone behind a trigger are there to be read by `diluted_effects`.
        + (
            " where rows.experiment_id not in (select everyone_id from inputs.experiment_triggers)"
            if relation.startswith("marts.")
            else ""
        )
    )


def _keep_experiments(connection: duckdb.DuckDBPyConnection, inputs: RunInputs) -> None:
    """Refresh `results.experiments`; one that left the configuration keeps its last row."""
    connection.register("configured", _experiments_frame(inputs.config, inputs.config_hashes))
    if has_table(connection, "results", "experiments"):
        connection.execute(
            "delete from results.experiments where experiment_id in (select experiment_id from configured)"
        )
        connection.execute("insert into results.experiments by name from configured")
    else:
        connection.execute("create table results.experiments as from configured")
    connection.unregister("configured")


def _experiments_frame(config: Config, config_hashes: dict[str, str]) -> pd.DataFrame:
    columns = {
        "experiment_id": "str",
        "name": "str",
        "owner": "str",
        "team": "str",
        "status": "str",
        "type": "str",
        "start_date": "datetime64[s]",
        "end_date": "datetime64[s]",
        "method": "str",
        "rule": "str",
        "config_hash": "str",
    }
    rows = [
        {
            "experiment_id": experiment.id,
            "name": experiment.name,
            "owner": experiment.owner,
            "team": experiment.team,
            "status": experiment.status,
            "type": experiment.type,
            "start_date": pd.Timestamp(experiment.start),
            "end_date": pd.Timestamp(experiment.end),
            "method": experiment.analysis.method,
            "rule": experiment.decision.rule,
            "config_hash": config_hashes[experiment.id],
        }
        for experiment in config.experiments.values()
    ]
    return pd.DataFrame(rows, columns=list(columns)).astype(columns)


def _load_days(connection: duckdb.DuckDBPyConnection, manifests: Iterable[DayManifest]) -> None:
    names = ["log_date", "source_id", "status", "reason", "content_hash", *ROW_COUNTS, "rows_file", "quarantine_file"]
    frame = pd.DataFrame([[getattr(m, name) for name in names] for m in manifests], columns=names)
    connection.register("days_frame", frame)
    kinds = {"log_date": "date"} | dict.fromkeys(ROW_COUNTS, "bigint")
    selected = ", ".join(f"cast({name} as {kinds.get(name, 'varchar')}) as {name}" for name in names)
    connection.execute(f"create or replace table runs.days as select {selected} from days_frame")
    connection.unregister("days_frame")


def _changed_days(connection: duckdb.DuckDBPyConnection, previous: Path | None) -> set[date] | None:
    """Log dates that the previous run shows otherwise; None when it is not the one that was recorded."""
    if previous is None or not has_table(connection, "runs", "publication"):
        return None
    if connection.execute("from runs.publication").fetchall() != [(previous.name,)]:
        return None  # a run that died between publishing and recording it
    version = "log_date, source_id, status, reason, rows_file, quarantine_file"
    rows = connection.execute(
        f"select log_date from (select {version} from runs.days except select {version} from runs.published_days) "
        f"union select log_date from (select {version} from runs.published_days except select {version} from runs.days)"
    ).fetchall()
    return {log_date for (log_date,) in rows}


def _shows_any(previous: Path, experiments: Collection[str]) -> bool:
    """Whether one of these has published rows: each has a decision on every as-of date. So too if nothing tells."""
    if not any((previous / "decisions").rglob("*.parquet")):
        return True
    with duckdb.connect() as reader:
        rows = "read_parquet($files, hive_partitioning = false, union_by_name = true)"
        files = {"files": f"{previous}/decisions/**/*.parquet"}
        found = reader.execute(f"select distinct experiment_id from {rows}", files).fetchall()
    return any(experiment_id in experiments for (experiment_id,) in found)


def _passing_dates(previous: Path, planned: list[str]) -> set[date] | None:
    """As-of dates published with segment rows or trends of planned experiments, which go when a later date is built.

    Those of other experiments stay: of one that ended, its last date's. None if nothing tells.
    """
    if not any((previous / "exposure_counts").rglob("*.parquet")):
        return None
    dates = _published_dates(previous, "exposure_counts", planned, "segment_name <> 'all'")
    for table in LATEST_ONLY:
        if any((previous / table).rglob("*.parquet")):
            dates |= _published_dates(previous, table, planned, "true")
    return dates


def _published_dates(run: Path, table: str, experiments: list[str], condition: str) -> set[date]:
    with duckdb.connect() as reader:
        rows = reader.execute(
            "select distinct as_of_date from read_parquet($files, hive_partitioning = false, union_by_name = true) "
            f"where list_contains($experiments, experiment_id) and {condition}",
            {"files": f"{run}/{table}/**/*.parquet", "experiments": experiments},
        ).fetchall()
    return {as_of_date for (as_of_date,) in rows}


def _quarantine_query(inputs: RunInputs, lake: Lake) -> str:
    files = [
        lake.folder(manifest.source_id, manifest.log_date) / manifest.quarantine_file
        for manifest in inputs.days.values()
        if manifest.quarantine_file is not None
    ]
    columns = "log_date, source_id, reason, row, file, row_number"
    if not files:
        return (
            "select null::date as log_date, null::varchar as source_id, null::varchar as reason, "
            "null::varchar as row, null::varchar as file, null::bigint as row_number where false"
        )
    listed = ", ".join("'" + str(path).replace("'", "''") + "'" for path in files)
    return (
        f"select {columns} from (select cast(log_date as date) as log_date, "
        "regexp_extract(filename, '([^/]+)/log_date=[^/]+/[^/]+$', 1) as source_id, reason, row, file, row_number "
        f"from read_parquet([{listed}], filename = true, hive_partitioning = true, hive_types_autocast = false))"
    )
