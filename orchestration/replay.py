"""`equipoise replay`: an old decision computed again from the lake, with the configuration that it pinned."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import duckdb

from analysis.periods import analysis_end
from configs.load import ConfigError, load_config_tolerant
from configs.pinned_files import PinnedConfig, agreeing, read_pinned
from configs.pinning import config_hash
from orchestration.calibration import copy_calibrations
from orchestration.inputs import RunInputs
from orchestration.old_decisions import OldDecision, old_decisions, quoted
from orchestration.planning import first_log_date
from orchestration.provenance import PROVENANCE, code_version
from orchestration.published import NoResultsError
from orchestration.published_tables import AS_OF_TABLES
from orchestration.recompute import Recomputation, link_lake, recomputable, scratch_folder, scratch_workspace
from orchestration.row_differences import Compared, TableComparison, TableRows
from orchestration.warehouse import LATEST_ONLY, is_segment_row
from orchestration.workspace import Workspace

SHOWN_PARTITIONS = 10


@dataclass(frozen=True)
class Replay(Compared):
    """An old decision beside what the same configuration gives today.

    `changes`: what else of its origin is another today, code or input; the causes, if anything differs.
    `notes`: what is worth knowing and caused nothing.
    """

    decision: OldDecision
    tables: tuple[TableComparison, ...]
    changes: tuple[str, ...]
    notes: tuple[str, ...]


def replay(
    workspace: Workspace, as_of: date, experiment_id: str | None = None, config_hash: str | None = None
) -> list[Replay]:
    """Compute the decisions of an as-of date again, and compare every row about them with what was published.

    Takes no lock and writes nothing of the live state. With a `config_hash`, the rows that this configuration made,
    also if another one has replaced it since. Raises NoResultsError when nothing of the kind was published,
    PinnedConfigError when its configuration is lost.
    """
    found = old_decisions(workspace, as_of, experiment_id, config_hash)
    computed = [decision for decision in found if decision.config_hash]
    if not computed:
        names = ", ".join(decision.experiment_id for decision in found)
        raise NoResultsError(f"{names} as of {as_of}: the configuration was broken, so nothing was computed")
    pinned = [read_pinned(workspace.pinned_configs, decision.config_hash) for decision in computed]
    replays = []
    with scratch_folder(workspace) as folder:
        for number, group in enumerate(agreeing(pinned)):
            recomputed = _recomputed(workspace, folder / str(number), group, as_of)
            own = [decision for decision in computed if decision.experiment_id in recomputed.experiment_ids]
            replays += [_compared(workspace, recomputed, decision) for decision in own]
    return sorted(replays, key=lambda one: one.decision.experiment_id)


def _recomputed(workspace: Workspace, folder: Path, group: Sequence[PinnedConfig], as_of: date) -> Recomputation:
    recomputed = Recomputation(scratch_workspace(workspace, folder), tuple(group), as_of)
    link_lake(workspace, recomputed.workspace.lake, recomputed.source_ids, as_of)
    copy_calibrations(workspace, recomputed.workspace)
    recomputed.build()
    return recomputed


def _compared(workspace: Workspace, recomputed: Recomputation, decision: OldDecision) -> Replay:
    inputs = recomputed.inputs()
    tables = recomputed.compare(list(_table_rows(recomputed.table_queries(), inputs, decision)))
    now = recomputed.provenance(decision.experiment_id, decision.as_of)
    changes = [*_changed_code(decision), *_changed_input(inputs, decision, now)]
    notes = list(_changed_configuration(workspace, decision))
    for table in tables:
        if table.lost_columns:
            changes.append(f"{table.table} has no longer the columns {', '.join(table.lost_columns)}")
        if table.new_columns:
            notes.append(f"{table.table} has new columns, not compared: {', '.join(table.new_columns)}")
    return Replay(decision, tuple(tables), tuple(changes), tuple(notes))


def _table_rows(queries: Mapping[str, str], inputs: RunInputs, decision: OldDecision) -> Iterator[TableRows]:
    experiment = inputs.config.experiments[decision.experiment_id]
    keeps_segments = decision.is_last or decision.as_of == analysis_end(experiment, inputs.config.metrics)
    for table, (_, keys) in AS_OF_TABLES.items():
        names = keys.split(", ")
        now = (
            f"select * from ({queries[table]}) "
            f"where experiment_id = {quoted(decision.experiment_id)} and as_of_date = date '{decision.as_of}'"
        )
        if "segment_name" in names and not keeps_segments:
            now += f" and not ({is_segment_row(names)})"
        elif table in LATEST_ONLY and not keeps_segments:
            now += " and false"
        then = decision.rows(table) or f"select * from ({now}) where false"
        yield TableRows(table, recomputable(table, then), recomputable(table, now), names, PROVENANCE)


def _changed_code(decision: OldDecision) -> Iterator[str]:
    then, now = decision.provenance["code_version"], code_version()
    if then != now:
        yield f"code: {then} then, {now} now"


def _changed_input(inputs: RunInputs, decision: OldDecision, now: Mapping[str, str]) -> Iterator[str]:
    then = decision.provenance["input_digest"]
    if then == now["input_digest"]:
        return
    if not then:
        yield "input: perhaps; the rows are from before the digest of their input was published"
    elif decision.is_superseded:
        yield "input: the lake holds other contents than then; for replaced rows it is not recorded which log dates"
    else:
        changed = _changed_partitions(inputs, decision)
        listed = ", ".join(changed[:SHOWN_PARTITIONS])
        more = f" and {len(changed) - SHOWN_PARTITIONS} more" if len(changed) > SHOWN_PARTITIONS else ""
        yield (
            f"input: the lake has changed since: {listed}{more}"
            if changed
            else ("input: the rows were computed from other contents than were published with them")
        )


def _changed_partitions(inputs: RunInputs, decision: OldDecision) -> list[str]:
    """The days in the decision's reach whose contents are not those published in `source_days`."""
    files = decision.folder / "source_days" / "**" / "*.parquet"
    with duckdb.connect() as connection:
        rows = connection.execute(
            "select source_id, log_date, status, content_hash "
            f"from read_parquet({quoted(files)}, hive_partitioning = false, union_by_name = true)"
        ).fetchall()
    then = {(source, log_date): (status, content or "") for source, log_date, status, content in rows}
    now = {key: (manifest.status, manifest.content_hash) for key, manifest in inputs.days.items()}
    first = first_log_date(inputs.config, inputs.config.experiments[decision.experiment_id])
    sources = inputs.sources_of(decision.experiment_id)
    reach = sorted(
        (log_date, source)
        for source, log_date in {*then, *now}
        if source in sources and first <= log_date <= decision.as_of
    )
    return [
        f"{source} {log_date} ({_went(then.get((source, log_date)), now.get((source, log_date)))})"
        for log_date, source in reach
        if then.get((source, log_date)) != now.get((source, log_date))
    ]


def _went(then: tuple[str, str] | None, now: tuple[str, str] | None) -> str:
    """How a day changed, in a few words."""
    if then is None or now is None:
        return "new" if then is None else "gone from the lake"
    return "other rows" if then[0] == now[0] else f"{then[0]} then, {now[0]} now"


def _changed_configuration(workspace: Workspace, decision: OldDecision) -> Iterator[str]:
    pinned = f"replayed with {decision.config_hash}, which the rows name"
    try:
        config, _, broken = load_config_tolerant(workspace.configs)
    except ConfigError:
        yield f"configuration: today's cannot be read; {pinned}"
        return
    experiment = config.experiments.get(decision.experiment_id)
    if experiment is None:
        is_broken = decision.experiment_id in broken
        yield f"configuration: today's {'is broken' if is_broken else 'has no such experiment'}; {pinned}"
    elif (today := config_hash(config, experiment)) != decision.config_hash:
        yield f"configuration: changed since, today {today}; {pinned}"
