"""`equipoise verify`: what runs built piece by piece is what one rebuild of everything from the lake gives."""

import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import duckdb

from analysis.periods import analysis_end
from configs.pinned_files import PinnedConfig, agreeing, read_pinned, write_configuration
from orchestration.calibration import copy_calibrations
from orchestration.lock import writer_lock
from orchestration.old_decisions import quoted
from orchestration.planning import BuiltExperiment
from orchestration.progress import with_progress
from orchestration.provenance import PROVENANCE, code_version
from orchestration.publish import current_run, link_or_copy
from orchestration.published import NoResultsError
from orchestration.published_tables import AS_OF_TABLES
from orchestration.recompute import Recomputation, link_lake, recomputable, scratch_folder, scratch_workspace
from orchestration.row_differences import Compared, TableComparison, TableRows
from orchestration.warehouse import built_experiments, has_table
from orchestration.workspace import Workspace

MARTS = {
    "fct_exposure_counts": ("as_of_date", "experiment_id", "variant_id", "segment_name", "segment_value"),
    "fct_epoch_counts": ("as_of_date", "experiment_id", "variant_id", "segment_name", "segment_value", "epoch"),
    "fct_assignments": ("known_from", "experiment_id", "variant_id", "hashed_variant_id"),
    "fct_group_days": ("known_from", "experiment_id", "group_value", "period_date", "metric_id"),
    "fct_metric_probes": ("as_of_date", "experiment_id", "metric_id", "variant_id", "probe"),
    "fct_event_coverage": ("as_of_date", "experiment_id", "variant_id", "source_id"),
    "fct_metric_moments": ("as_of_date", "experiment_id", "metric_id", "variant_id", "segment_name", "segment_value"),
    "fct_covariate_moments": (
        *("as_of_date", "experiment_id", "metric_id", "variant_id", "segment_name", "segment_value"),
        *("covariate", "other"),
    ),
    "fct_cluster_sums": ("as_of_date", "experiment_id", "metric_id", "variant_id", "cluster"),
    "fct_logged_propensities": ("known_from", "experiment_id", "batch_date", "variant_id", "propensity"),
    "fct_switchback_sums": ("known_from", "experiment_id", "metric_id", "market", "period", "variant_id"),
    "fct_batch_moments": ("as_of_date", "experiment_id", "metric_id", "variant_id", "batch_date"),
    "fct_stratum_moments": ("as_of_date", "experiment_id", "metric_id", "variant_id", "stratum"),
    "fct_value_counts": (
        *("as_of_date", "experiment_id", "metric_id", "variant_id", "segment_name", "segment_value"),
        "value",
    ),
    "fct_bucket_sums": ("as_of_date", "experiment_id", "metric_id", "variant_id", "bucket"),
    "fct_cap_tails": ("as_of_date", "experiment_id", "metric_id", "variant_id", "part", "bucket", "value"),
    "fct_category_counts": (
        *("as_of_date", "experiment_id", "metric_id", "variant_id", "segment_name", "segment_value"),
        "category",
    ),
    "fct_day_moments": ("as_of_date", "experiment_id", "metric_id", "variant_id", "day", "other_day"),
    "fct_event_clusters": ("as_of_date", "experiment_id", "metric_id", "variant_id", "segment_name", "segment_value"),
    "fct_event_value_counts": (
        *("as_of_date", "experiment_id", "metric_id", "variant_id", "segment_name", "segment_value"),
        "value",
    ),
}
"""dbt's tables of the live warehouse that are compared, with their keys."""


@dataclass(frozen=True)
class Verification(Compared):
    """Every table compared, over all verified experiments; `skipped` says which were not, and why."""

    experiment_ids: tuple[str, ...]
    n_as_of_dates: int
    tables: tuple[TableComparison, ...]
    skipped: Mapping[str, str]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class _LiveState:
    """The live tables at one moment, as files that no later run touches."""

    built: Mapping[str, BuiltExperiment]
    marts: Path
    published: Path


def verify(workspace: Workspace, experiment_id: str | None = None, wait_seconds: float = 0.0) -> Verification:
    """Rebuild every as-of date of every experiment from the lake and compare it with what there is.

    Compared are dbt's marts in the warehouse and the published tables, but for the columns of provenance. Holds the
    writer lock only while it copies the marts and links the rest; the rebuild then takes its time beside other runs.
    Raises NoResultsError when nothing was built, LockHeldError when a run is writing, PinnedConfigError when the
    configuration of what was built is lost.
    """
    with scratch_folder(workspace) as folder:
        with writer_lock(workspace.lock, wait_seconds=wait_seconds):
            live = _captured(workspace, folder / "live")
            chosen, skipped = _chosen(live.built, experiment_id)
            pinned = [read_pinned(workspace.pinned_configs, live.built[id_].config_hash) for id_ in chosen]
            groups = rebuild_groups(pinned, live.built, folder / "configurations")
            recomputations = [
                Recomputation(scratch_workspace(workspace, folder / str(number)), tuple(group), through)
                for number, (through, group) in enumerate(groups)
            ]
            for recomputed in recomputations:
                link_lake(workspace, recomputed.workspace.lake, recomputed.source_ids, recomputed.through)
                copy_calibrations(workspace, recomputed.workspace)
        shown = with_progress(recomputations, "verify") if len(recomputations) > 1 else recomputations
        compared = [_compared(live, recomputed) for recomputed in shown]
        return Verification(
            experiment_ids=tuple(chosen),
            n_as_of_dates=_count_as_of_dates(live.published, chosen),
            tables=tuple(_merged(tables) for tables in zip(*compared, strict=True)),
            skipped=skipped,
            notes=tuple(_notes(live, chosen)),
        )


def _captured(workspace: Workspace, folder: Path) -> _LiveState:
    run = current_run(workspace.state)
    if run is None or not workspace.warehouse.exists():
        raise NoResultsError(f"{workspace.state}: no results yet; start with `equipoise run --date YYYY-MM-DD`")
    marts = folder / "marts"
    marts.mkdir(parents=True)
    with duckdb.connect(str(workspace.warehouse), read_only=True) as connection:
        built = built_experiments(connection) if has_table(connection, "runs", "experiment_builds") else {}
        for name in MARTS:
            if has_table(connection, "marts", name):
                target = quoted(marts / f"{name}.parquet")
                connection.execute(f"copy marts.{name} to {target} (format parquet)")
    for name in (name for name in AS_OF_TABLES if (run / name).is_dir()):  # a run from before a table has none
        shutil.copytree(run / name, folder / "published" / name, copy_function=_linked)
    return _LiveState(built, marts, folder / "published")


def _linked(source: str, target: str) -> None:
    link_or_copy(Path(source), Path(target))


def _chosen(built: Mapping[str, BuiltExperiment], experiment_id: str | None) -> tuple[list[str], dict[str, str]]:
    """The experiments to verify; the others with the reason."""
    if experiment_id is not None and experiment_id not in built:
        raise NoResultsError(f"experiment {experiment_id!r} was never built; there are: {', '.join(built) or 'none'}")
    wanted = sorted(built) if experiment_id is None else [experiment_id]
    absent = "its configuration was missing, broken or a draft in the last run; its results are as they were before"
    skipped = {id_: absent for id_ in wanted if not built[id_].config_hash}
    chosen = [id_ for id_ in wanted if id_ not in skipped]
    if not chosen:
        reasons = "; ".join(f"{id_}: {reason}" for id_, reason in skipped.items())
        raise NoResultsError(f"nothing to verify: {reasons or 'no experiment was built'}")
    return chosen, skipped


def rebuild_groups(
    pinned: Sequence[PinnedConfig], built: Mapping[str, BuiltExperiment], folder: Path
) -> Iterator[tuple[date, list[PinnedConfig]]]:
    """Experiments that one rebuild covers, and its last date: their configurations agree, and they were built so far.

    One that has ended stands at its last date however far a rebuild goes, so it joins the one that goes furthest.
    `folder` is for the configurations, which are loaded to know when the experiments end.
    """
    for number, group in enumerate(agreeing(pinned)):
        config = write_configuration(folder / str(number), group)
        through = {one.experiment_id: built[one.experiment_id].built_through for one in group}
        has_ended = {id_: day >= analysis_end(config.experiments[id_], config.metrics) for id_, day in through.items()}
        latest = max(through.values())
        open_days = {day for id_, day in through.items() if not has_ended[id_]} - {latest}
        for day in sorted({*open_days, latest}):
            members = [
                one for one in group if (latest if has_ended[one.experiment_id] else through[one.experiment_id]) == day
            ]
            if members:
                yield day, members


def _compared(live: _LiveState, recomputed: Recomputation) -> list[TableComparison]:
    recomputed.build()
    return recomputed.compare(list(_table_rows(live, recomputed)))


def _table_rows(live: _LiveState, recomputed: Recomputation) -> Iterator[TableRows]:
    own = f"where experiment_id in ({', '.join(quoted(id_) for id_ in recomputed.experiment_ids)})"
    for name, keys in MARTS.items():
        now = f"select * from marts.{name} {own}"
        path = live.marts / f"{name}.parquet"
        then = f"select * from read_parquet({quoted(path)}) {own}"
        yield TableRows(name, then if path.exists() else f"select * from ({now}) where false", now, keys)
    for name, query in recomputed.table_queries().items():
        files = f"read_parquet({quoted(live.published / name / '**' / '*.parquet')}, hive_partitioning = false"
        now = f"select * from ({query}) {own}"
        is_there = (live.published / name).is_dir()
        then = (
            f"select * from {files}, union_by_name = true) {own}" if is_there else f"select * from ({now}) where false"
        )
        keys = ("as_of_date", *AS_OF_TABLES[name][1].split(", "))
        yield TableRows(name, recomputable(name, then), recomputable(name, now), keys, PROVENANCE)


def _merged(tables: Sequence[TableComparison]) -> TableComparison:
    """One table over all groups of experiments."""
    return TableComparison(
        table=tables[0].table,
        n_rows=sum(table.n_rows for table in tables),
        differences=tuple(difference for table in tables for difference in table.differences),
        new_columns=tuple(sorted({name for table in tables for name in table.new_columns})),
        lost_columns=tuple(sorted({name for table in tables for name in table.lost_columns})),
    )


def _count_as_of_dates(published: Path, chosen: Sequence[str]) -> int:
    rows = _published_origins(published, chosen)
    return len({(experiment_id, as_of) for experiment_id, as_of, _, _ in rows})


def _notes(live: _LiveState, chosen: Sequence[str]) -> Iterator[str]:
    """What the published rows say of their origin that would explain a difference."""
    rows = _published_origins(live.published, chosen)
    if others := sorted({code for *_, code in rows if code and code != code_version()}):
        yield f"code: some rows were computed by {', '.join(others)}; this is {code_version()}"
    for experiment_id in chosen:
        hashes = {hash_ for id_, _, hash_, _ in rows if id_ == experiment_id} - {live.built[experiment_id].config_hash}
        if hashes or all(id_ != experiment_id for id_, *_ in rows):
            yield f"{experiment_id}: the last run built it but did not publish; run that day again"


def _published_origins(published: Path, chosen: Sequence[str]) -> list[tuple[str, date, str, str]]:
    files = quoted(published / "decisions" / "**" / "*.parquet")
    with duckdb.connect() as connection:
        return connection.execute(
            "select experiment_id, as_of_date, config_hash, code_version "
            f"from read_parquet({files}, hive_partitioning = false, union_by_name = true) "
            "where list_contains(?, experiment_id)",
            [list(chosen)],
        ).fetchall()
