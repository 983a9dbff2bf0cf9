"""The causes of failed sample ratio checks: units of the experiments that fail, counted in the warehouse."""

from collections.abc import Iterator, Sequence
from datetime import date

import duckdb
import pandas as pd

from analysis.health.srm_causes import EXPLAINED_CHECKS, FailedLook, causes_frame, leading_causes, srm_causes
from analysis.health.unit_stages import JoinedSource, UnitStates
from configs.catalog import coverage_windows, metric_catalog
from configs.schema import Config, Experiment
from orchestration.inputs import RunInputs
from orchestration.isolation import failure
from orchestration.planning import exposure_source_of
from orchestration.srm_queries import cause_query, logged
from orchestration.warehouse import has_table, replace_planned

TABLE = "srm_causes"
STATES = ("intermediate", "int_unit_states")


def with_causes(connection: duckdb.DuckDBPyConnection, inputs: RunInputs, health: pd.DataFrame) -> pd.DataFrame:
    """The health checks of the planned as-of dates, with the leading cause in the message of what failed.

    All causes go to `results.srm_causes`. Where nothing failed no unit is read. A search that fails says so in the
    message, and stops nothing else.
    """
    frames, failures = [causes_frame([]).assign(query=pd.Series(dtype="str"))], {}
    for experiment_id, looks in _failed_looks(health).items():
        experiment = inputs.config.experiments.get(experiment_id)
        if experiment is None or not has_table(connection, *STATES):
            continue
        try:
            frames.append(_causes(connection, inputs, experiment, looks))
        except Exception as error:  # noqa: BLE001 - the check has failed all the same, and every other one goes on
            failures[experiment_id] = f"its cause is unknown: {failure(error)}"
    causes = pd.concat(frames, ignore_index=True)
    replace_planned(connection, TABLE, causes)
    return _quoting(health, causes, failures)


def _failed_looks(health: pd.DataFrame) -> dict[str, list[FailedLook]]:
    looks: dict[str, list[FailedLook]] = {}
    for (experiment_id, as_of), rows in health[_has_failed(health)].groupby(["experiment_id", "as_of_date"]):
        looks.setdefault(experiment_id, []).append(FailedLook(as_of.date(), frozenset(rows["check_name"])))
    return looks


def _causes(
    connection: duckdb.DuckDBPyConnection, inputs: RunInputs, experiment: Experiment, looks: Sequence[FailedLook]
) -> pd.DataFrame:
    units = read_unit_states(connection, inputs, experiment, looks[0].as_of, looks[-1].as_of)
    causes = srm_causes(experiment, inputs.config.metrics, units, looks)
    return causes.assign(query=[cause_query(inputs.config, experiment, cause) for cause in causes.itertuples()])


def _quoting(health: pd.DataFrame, causes: pd.DataFrame, failures: dict[str, str]) -> pd.DataFrame:
    found = leading_causes(causes)
    messages = health["message"].copy()
    for row in health[_has_failed(health)].itertuples():
        said = found.get((row.experiment_id, row.as_of_date, row.check_name), failures.get(row.experiment_id))
        if said:
            messages[row.Index] = f"{row.message}; {said}"
    return health.assign(message=messages)


def _has_failed(health: pd.DataFrame) -> pd.Series:
    return ~health["passed"].astype(bool) & health["check_name"].isin(EXPLAINED_CHECKS)


def read_unit_states(
    connection: duckdb.DuckDBPyConnection, inputs: RunInputs, experiment: Experiment, first: date, last: date
) -> UnitStates:
    """What became of the experiment's units, as known at the as-of dates from `first` to `last`."""
    known = {row[0] for row in connection.execute(f"describe {'.'.join(STATES)}").fetchall()}
    segments = tuple(name for name in experiment.segments if f"a_{name}" in known)
    joined = {source_id: source for source_id, source in _joined(inputs.config, experiment) if source.column in known}
    attributes = "".join(f", a_{name} as {name}" for name in segments)
    events = "".join(
        f", case when {one.column} <= $last then greatest({one.column}, $first) end as {one.column}"
        for one in joined.values()
    )
    states = connection.execute(
        "select greatest(known_from, $first) as known_from, exposed_date, variant_id, hashed_variant_id, is_mixed, "
        f"case when known_until <= $last then known_until end as known_until{attributes}{events}, count(*) as n_units "
        f"from {'.'.join(STATES)} where experiment_id = $experiment and known_from <= $last "
        "and (known_until is null or known_until > $first) group by all",
        {"experiment": experiment.id, "first": first, "last": last},
    ).df()
    return UnitStates(states, _refused(connection, inputs, experiment, segments, (first, last)), segments, joined)


def _joined(config: Config, experiment: Experiment) -> Iterator[tuple[str, JoinedSource]]:
    columns = {
        (coverage["source_id"], coverage["end_days"]): f"joined_from_{coverage['metric_hash']}"
        for coverage in metric_catalog(config)["coverages"]
    }
    for source_id, days in coverage_windows(experiment, config.metrics).items():
        yield source_id, JoinedSource(columns[source_id, days], days)


def _refused(
    connection: duckdb.DuckDBPyConnection,
    inputs: RunInputs,
    experiment: Experiment,
    segments: Sequence[str],
    dates: tuple[date, date],
) -> pd.DataFrame:
    """Units of known variants with refused exposures, by log date, until an exposure of theirs is accepted."""
    source_id = exposure_source_of(inputs.config, experiment)
    source = next(one for one in inputs.config.sources.exposures if one.id == source_id)
    files = [
        inputs.lake.folder(source.id, manifest.log_date) / manifest.quarantine_file
        for manifest in inputs.days.values()
        if manifest.source_id == source.id
        and manifest.quarantine_file is not None
        and experiment.start <= manifest.log_date <= min(experiment.end, dates[1])
    ]
    if not files:
        return pd.DataFrame()
    names = source.columns
    attributes = "".join(f", {name}" for name in segments)
    read = "".join(f", {logged(name)} as {name}" for name in segments)
    return connection.execute(
        f"""
        with refused as (
            select cast(log_date as date) as log_date, {logged(names.variant_id)} as variant_id{read},
                coalesce({logged(names.unit_id)}, file || ' ' || row_number) as unit_id
            from read_parquet($files, hive_partitioning = true, hive_types_autocast = false)
            where {logged(names.experiment_id)} = $experiment
        ),
        units as (
            select * from refused where list_contains($variants, variant_id)
            qualify row_number() over (partition by unit_id order by log_date, variant_id{attributes}) = 1
        ),
        accepted as (
            select unit_id, min(known_from) as known_from from intermediate.int_first_exposures
            where experiment_id = $experiment group by unit_id
        )
        select greatest(units.log_date, $first) as known_from, accepted.known_from as known_until,
            units.log_date as exposed_date, variant_id, cast(null as varchar) as hashed_variant_id{attributes},
            count(*) as n_units
        from units left join accepted using (unit_id)
        where accepted.known_from is null or accepted.known_from > greatest(units.log_date, $first)
        group by all
        """,
        {
            "files": [str(path) for path in files],
            "experiment": experiment.id,
            "variants": [variant.id for variant in experiment.variants],
            "first": dates[0],
        },
    ).df()
