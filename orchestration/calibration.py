"""Calibration and rehearsal of the project's experiments, on the units that the warehouse holds."""

import zlib
from collections.abc import Iterator, Mapping
from datetime import date

import duckdb
import pandas as pd

from analysis.calibration import CALIBRATION_COLUMNS, calibration
from analysis.calibration.marks import marked
from analysis.calibration.rehearsal import REHEARSAL_COLUMNS, rehearse, scenarios
from configs.catalog import metric_catalog
from configs.load import load_config
from configs.schema import Config, Experiment
from orchestration.bucket_sums import BUCKETS, bucket_sums, latest_snapshots
from orchestration.history import NoHistoryError, require_arms
from orchestration.lock import writer_lock
from orchestration.planning import exposure_source_of
from orchestration.progress import with_progress
from orchestration.publish import current_run, is_whole
from orchestration.published import open_results
from orchestration.warehouse import has_table, open_warehouse
from orchestration.workspace import Workspace

TABLE = "results.calibration"


def calibrate_project(workspace: Workspace, config: Config) -> pd.DataFrame:
    """Calibrate every analysed experiment whose latest units have not been yet; returns the new rows.

    The caller holds the writer lock. The salt of the buckets and the seed follow from the experiment and the date of
    its units, so that a repetition gives the same rows.
    """
    with open_warehouse(workspace.warehouse) as connection:
        known = _calibrated(connection)
        hashes = {metric["metric_id"]: metric["metric_hash"] for metric in metric_catalog(config)["metrics"]}
        due = [
            (experiment, as_of)
            for id_, (as_of, _) in sorted(latest_snapshots(connection).items())
            for experiment in [config.experiments.get(id_)]
            if experiment is not None and experiment.is_analysed and experiment.compares_units
            if not {(id_, as_of, hashes.get(metric_id)) for metric_id in experiment.metrics.roles} <= known
        ]
        frames = [_calibrated_rows(connection, config, hashes, *one) for one in with_progress(due, "calibrate")]
        frame = pd.concat(frames, ignore_index=True) if frames else _no_rows()
        connection.register("calibrated_rows", frame)
        connection.execute("create schema if not exists results")
        connection.execute(f"create table if not exists {TABLE} as from calibrated_rows limit 0")
        connection.execute(
            f"delete from {TABLE} as old where exists (select 1 from calibrated_rows as new "
            "where new.experiment_id = old.experiment_id and new.as_of_date = old.as_of_date)"
        )
        connection.execute(f"insert into {TABLE} by name from calibrated_rows")
        connection.unregister("calibrated_rows")
    return frame


def with_calibrations(connection: duckdb.DuckDBPyConnection, scorecard: pd.DataFrame) -> pd.DataFrame:
    """The scorecard with the rows of metrics saying so that were miscalibrated at the time."""
    if not has_table(connection, *TABLE.split(".")):
        return scorecard
    return marked(scorecard, connection.execute(f"from {TABLE}").df())


def copy_calibrations(source: Workspace, target: Workspace) -> None:
    """Give a folder, in which results are computed again, the published calibrations that they were computed with."""
    run = current_run(source.state)
    if run is None:
        return
    with open_results(run) as connection:
        if not has_table(connection, "main", "calibration"):
            return
        frame = connection.execute("from calibration").df()
    with open_warehouse(target.warehouse) as connection:
        connection.register("calibrated_rows", frame)
        connection.execute("create schema if not exists results")
        connection.execute(f"create or replace table {TABLE} as from calibrated_rows")
        connection.unregister("calibrated_rows")


def restore_calibrations(workspace: Workspace) -> None:
    """Take the published calibrations into a warehouse that lacks them: it is built anew, they were of their time."""
    run = current_run(workspace.state)
    part = run / "calibration" / "part.parquet" if run is not None else None
    if part is None or not part.exists() or not is_whole(part):
        return
    with open_warehouse(workspace.warehouse) as connection:
        if has_table(connection, *TABLE.split(".")):
            return
        rows = connection.from_parquet(str(part)).project("* replace (as_of_date::timestamp as as_of_date)")
        if rows.fetchone() is None:
            return
        connection.execute("create schema if not exists results")
        rows.create(TABLE)


def calibration_query(connection: duckdb.DuckDBPyConnection) -> str:
    """The published table: every calibration so far, none before the first."""
    if has_table(connection, *TABLE.split(".")):
        return f"select * replace (cast(as_of_date as date) as as_of_date) from {TABLE}"
    kinds = {"str": "varchar", "float64": "double", "Int64": "bigint", "datetime64[us]": "date"}
    columns = ", ".join(f"cast(null as {kinds[kind]}) as {name}" for name, kind in CALIBRATION_COLUMNS.items())
    return f"select {columns} where false"


def rehearse_experiment(
    workspace: Workspace, experiment_id: str, *, effect: float | None, replicates: int, seed: int, wait_seconds: float
) -> pd.DataFrame:
    """Rehearse an experiment's decision on the latest units of its own, else of the largest one on its exposure source.

    `effect` is relative; None takes `minimum_detectable_effect`. Raises ConfigError for a broken configuration,
    NoHistoryError when the warehouse has no units with every metric, LockHeldError while a run is writing.
    """
    config = load_config(workspace.configs)
    if experiment_id not in config.experiments:
        known = ", ".join(sorted(config.experiments)) or "none"
        raise NoHistoryError(f"no experiment {experiment_id!r}; there are: {known}")
    experiment = config.experiments[experiment_id]
    require_arms(experiment)
    if not workspace.warehouse.exists():
        raise NoHistoryError(f"{workspace.state}: no units yet; start with `equipoise run --date YYYY-MM-DD`")
    with writer_lock(workspace.lock, wait_seconds=wait_seconds), open_warehouse(workspace.warehouse) as connection:
        units_of, as_of = _history(connection, config, experiment)
        units = bucket_sums(
            connection, config, experiment, units_of=units_of, as_of=as_of, salt=f"rehearsal {experiment_id} {seed}"
        )
    missing = sorted(experiment.metrics.roles.keys() - units.metrics.keys())
    if missing:
        raise NoHistoryError(
            f"the units of {units_of.id} as of {as_of} have no usable value of {', '.join(missing)}: rerun from its "
            "start if the metric is new; quantiles and categories cannot be rehearsed"
        )
    planned = effect if effect is not None else experiment.analysis.minimum_detectable_effect
    count = len(scenarios(experiment, config.metrics, planned))
    rows = rehearse(units, experiment, config.metrics, effect=planned, replicates=replicates, seed=seed)
    frame = pd.DataFrame(_shown(rows, count), columns=list(REHEARSAL_COLUMNS)).astype(REHEARSAL_COLUMNS)
    return frame.assign(units_of=units_of.id, units_as_of=pd.Timestamp(as_of))


def _shown(rows: Iterator[dict[str, object]], count: int) -> list[dict[str, object]]:
    return [next(rows) for _ in with_progress(list(range(count)), "rehearse")]


def _history(connection: duckdb.DuckDBPyConnection, config: Config, experiment: Experiment) -> tuple[Experiment, date]:
    source = exposure_source_of(config, experiment)
    found = [
        (id_ == experiment.id, n_units, id_, as_of)
        for id_, (as_of, n_units) in latest_snapshots(connection).items()
        if id_ in config.experiments and exposure_source_of(config, config.experiments[id_]) == source
    ]
    if not found:
        raise NoHistoryError(f"no experiment on exposure source {source!r} has units yet; run one first")
    *_, id_, as_of = max(found)
    return config.experiments[id_], as_of


def _calibrated(connection: duckdb.DuckDBPyConnection) -> set[tuple[str, date, str]]:
    """Experiment, date of the units, and definition of each metric that is calibrated."""
    if not has_table(connection, *TABLE.split(".")):
        return set()
    rows = connection.execute(
        f"select distinct experiment_id, cast(as_of_date as date), metric_hash from {TABLE}"
    ).fetchall()
    return set(rows)


def _calibrated_rows(
    connection: duckdb.DuckDBPyConnection,
    config: Config,
    hashes: Mapping[str, str],
    experiment: Experiment,
    as_of: date,
) -> pd.DataFrame:
    units = bucket_sums(
        connection, config, experiment, units_of=experiment, as_of=as_of, salt=f"calibration {experiment.id} {as_of}"
    )
    if not units.metrics:
        return _no_rows()
    return calibration(
        units,
        experiment,
        config.metrics,
        as_of=pd.Timestamp(as_of),
        metric_hashes=hashes,
        n_buckets=BUCKETS,
        seed=zlib.crc32(experiment.id.encode()),
    )


def _no_rows() -> pd.DataFrame:
    return pd.DataFrame(columns=list(CALIBRATION_COLUMNS)).astype(CALIBRATION_COLUMNS)
