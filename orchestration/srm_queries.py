"""The SQL that shows a cause of a sample ratio mismatch: over the lake, run in the state folder."""

from typing import Any

from configs.catalog import coverage_windows
from configs.schema import Config, Experiment
from orchestration.old_decisions import quoted
from orchestration.planning import exposure_source_of


def logged(column: str) -> str:
    """A column of the log that a row in quarantine is from, as an SQL expression over its JSON."""
    path = '$."' + column.replace('"', '\\"') + '"'
    return f"json_extract_string(row, {quoted(path)})"


def cause_query(config: Config, experiment: Experiment, cause: Any) -> str:
    """SQL that counts the units of every arm within a cause's cell, as known at its as-of date.

    `cause` is a row of `srm_causes`. Of refused units it reads the published table `quarantine`, of all others the
    lake, by paths relative to the state folder.
    """
    if cause.stage == "refused":
        return _refused(config, experiment, cause)
    days = f"exposed_date between {_day(cause.from_date)} and {_day(cause.to_date)}"
    segments = [f"coalesce(a_{name}, 'unknown') = {quoted(value)}" for name, value in _segments(cause)]
    units = _first_exposures(config, experiment, cause)
    conditions = ["nth = 1", days, *segments]
    return f"select {_counts(config, experiment, cause)} from ({units}) as units where {' and '.join(conditions)} " + (
        "group by all order by all"
    )


def _first_exposures(config: Config, experiment: Experiment, cause: Any) -> str:
    source = exposure_source_of(config, experiment)
    return (
        "select *, row_number() over (partition by unit_id order by exposed_at, variant_id) as nth, "
        "min(variant_id) over (partition by unit_id) <> max(variant_id) over (partition by unit_id) as is_mixed "
        f"from {_lake(source)} where experiment_id = {quoted(experiment.id)} and exposed_date between "
        f"{_day(experiment.start)} and {_day(experiment.end)} and known_from <= {_day(cause.as_of_date)}"
    )


def _counts(config: Config, experiment: Experiment, cause: Any) -> str:
    if cause.stage == "assigned" and experiment.hashing is not None:
        hashing = experiment.hashing
        digest = f"substr({hashing.algorithm}({quoted(hashing.salt)} || unit_id), 1, 8)"
        return f"variant_id, {_by_bucket(experiment, digest)} as hashed_variant_id, count(*) as n_units"
    if cause.stage == "mixed":
        return "variant_id, count(*) as n_units, count_if(not is_mixed) as n_kept"
    if cause.stage == "joined":
        days = coverage_windows(experiment, config.metrics)[cause.source_id]
        window = "" if days is None else f" and occurred_at < exposed_at + interval {days * 24} hour"
        joined = (
            f"exists (select 1 from {_lake(cause.source_id)} as events where events.unit_id = units.unit_id "
            f"and occurred_at >= exposed_at{window} and events.known_from <= {_day(cause.as_of_date)})"
        )
        return f"variant_id, count_if(not is_mixed) as n_units, count_if(not is_mixed and {joined}) as n_with_event"
    return "variant_id, count(*) as n_units"


def _by_bucket(experiment: Experiment, digest: str) -> str:
    assert experiment.hashing is not None
    cases, share = [], 0.0
    for variant in experiment.variants:
        share += variant.weight
        cases.append(f"when bucket < {round(share * experiment.hashing.buckets)} then {quoted(variant.id)}")
    bucket = f"cast('0x' || {digest} as bigint) % {experiment.hashing.buckets}"
    return f"case {' '.join(cases)} end".replace("bucket", bucket)


def _refused(config: Config, experiment: Experiment, cause: Any) -> str:
    source = next(one for one in config.sources.exposures if one.id == exposure_source_of(config, experiment))
    conditions = [
        f"source_id = {quoted(source.id)}",
        f"{logged(source.columns.experiment_id)} = {quoted(experiment.id)}",
        f"log_date between {_day(cause.from_date)} and {_day(cause.to_date)}",
        *(f"coalesce({logged(name)}, 'unknown') = {quoted(value)}" for name, value in _segments(cause)),
    ]
    unit, variant = logged(source.columns.unit_id), logged(source.columns.variant_id)
    return (
        f"select {variant} as variant_id, reason, count(*) as n_rows, count(distinct {unit}) as n_units "
        f"from quarantine where {' and '.join(conditions)} group by all order by all"
    )


def _segments(cause: Any) -> list[tuple[str, str]]:
    named = [(cause.first_segment, cause.first_value), (cause.second_segment, cause.second_value)]
    return [(name, value) for name, value in named if name]


def _lake(source_id: str) -> str:
    return f"read_parquet({quoted(f'lake/{source_id}/log_date=*/rows-*.parquet')}, union_by_name = true)"


def _day(day: Any) -> str:
    return f"date '{day:%Y-%m-%d}'"
