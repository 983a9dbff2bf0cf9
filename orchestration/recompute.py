"""Computing published rows again: pinned configurations over the lake as it is, in a state folder of their own."""

import os
import shutil
import tempfile
import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

from configs.pinned_files import PinnedConfig, write_configuration
from orchestration.assets.models import build_planned
from orchestration.assets.results import HETEROGENEITY, Computation, computing
from orchestration.dbt_models import DbtError
from orchestration.factorial import factorial_effect_rows, factorial_term_rows
from orchestration.inputs import RunInputs, prepare_run, read_inputs
from orchestration.lake import DayManifest, Lake, LakeError
from orchestration.lock import LockHeldError, writer_lock
from orchestration.publish import link_or_copy
from orchestration.published_tables import AS_OF_TABLES, published_tables
from orchestration.quasi import quasi_estimate_rows
from orchestration.result_tables import (
    BANDIT_TABLES,
    decision_rows,
    diluted_rows,
    event_rows,
    health_rows,
    monitor_rows,
    provenance_rows,
    scorecard_rows,
)
from orchestration.row_differences import TableComparison, TableRows, compare
from orchestration.switchbacks import SWITCHBACK_TABLES
from orchestration.warehouse import open_warehouse
from orchestration.workspace import Workspace

FOLDER = "recompute"
LINK_ATTEMPTS = 5
RESULTS: dict[str, Computation] = {
    "scorecard": scorecard_rows,
    "quasi_estimates": quasi_estimate_rows,
    "diluted_effects": diluted_rows,
    **HETEROGENEITY,
    "factorial_effects": factorial_effect_rows,
    "factorial_terms": factorial_term_rows,
    **BANDIT_TABLES,
    **SWITCHBACK_TABLES,
    "health_checks": health_rows,
    "rollback_monitor": monitor_rows,
    "decisions": decision_rows,
    "lifecycle_events": event_rows,
    "provenance": lambda _, inputs, plans: provenance_rows(inputs, plans),
}
"""What is computed from the marts, in order."""


NOT_RECOMPUTED = {"health_checks": ("carry_over", "definition_changed", "exclusion_group")}
"""Checks about other experiments and former runs, which pinned configurations alone do not know."""


@contextmanager
def scratch_folder(live: Workspace) -> Iterator[Path]:
    """A folder for what is computed again, gone at the end; those of processes that died are removed first.

    It lies in the state folder, whose disk has room for a warehouse and lets lake files be linked; in the system's
    folder for temporary files when the state may only be read.
    """
    writable = os.access(live.state, os.W_OK)
    parent = (live.state if writable else Path(tempfile.gettempdir())) / FOLDER
    parent.mkdir(parents=True, exist_ok=True)
    folder = parent / uuid.uuid4().hex[:12]
    with ExitStack() as stack:
        with writer_lock(parent / "lock", wait_seconds=60):
            _remove_dead(parent)
            folder.mkdir()
            stack.callback(shutil.rmtree, folder, ignore_errors=True)
            stack.enter_context(writer_lock(folder / "lock"))
        yield folder


def scratch_workspace(live: Workspace, folder: Path) -> Workspace:
    """A workspace whose configuration and state lie in a folder."""
    return replace(live, configs=folder / "configuration", state=folder, target="duckdb")


def recomputable(table: str, query: str) -> str:
    """The rows of a published table that can be compared with recomputed ones."""
    if table not in NOT_RECOMPUTED:
        return query
    names = ", ".join(f"'{name}'" for name in NOT_RECOMPUTED[table])
    return f"select * from ({query}) where check_name not in ({names})"


def _remove_dead(parent: Path) -> None:
    for folder in (path for path in parent.iterdir() if path.is_dir()):
        try:
            with writer_lock(folder / "lock"):
                shutil.rmtree(folder, ignore_errors=True)
        except LockHeldError:
            continue


def link_lake(live: Workspace, target: Path, source_ids: Iterable[str], through: date) -> None:
    """Show the lake's partitions up to a log date under another folder as they are now.

    Files are linked, not copied, and a run that replaces a partition meanwhile changes nothing of the linked one.
    Raises LakeError when the rows that a manifest names are not there.
    """
    lake = Lake(live.lake)
    for source_id in source_ids:
        for manifest in lake.manifests(source_id, date.min, through):
            _link_day(lake, manifest, Lake(target).folder(source_id, manifest.log_date))


def _link_day(lake: Lake, manifest: DayManifest, folder: Path) -> None:
    current: DayManifest | None = manifest
    for _ in range(LINK_ATTEMPTS):
        if current is None:
            return
        folder.mkdir(parents=True, exist_ok=True)
        try:
            for name in (current.rows_file, current.quarantine_file):
                if name is not None:
                    link_or_copy(lake.folder(current.source_id, current.log_date) / name, folder / name)
        except FileNotFoundError:  # replaced since the manifest was read
            current = lake.partition(current.source_id, current.log_date)
            continue
        (folder / "day.json").write_text(current.model_dump_json(), encoding="utf-8")
        return
    where = lake.folder(manifest.source_id, manifest.log_date)
    raise LakeError(
        f"{where}: the rows that its manifest names are not there; "
        f"read the day again with `equipoise run --date {manifest.log_date}`"
    )


@dataclass(frozen=True)
class Recomputation:
    """Experiments whose pinned configurations agree, computed again up to one as-of date in a folder of their own."""

    workspace: Workspace
    pinned: tuple[PinnedConfig, ...]
    through: date

    @property
    def experiment_ids(self) -> list[str]:
        """The experiments, in order."""
        return sorted(one.experiment_id for one in self.pinned)

    @property
    def source_ids(self) -> list[str]:
        """The log sources that they read."""
        kinds = (kind for one in self.pinned for kind in one.content["sources"].values())
        return sorted({source["id"] for kind in kinds for source in kind})

    def build(self) -> None:
        """Build every as-of date from the experiments' starts, as a run does that finds nothing built.

        Raises DbtError when a model cannot be built or fails a test, ConfigError or PinnedConfigError for a
        configuration that this release no longer understands.
        """
        write_configuration(self.workspace.configs, self.pinned)
        with _active(self.workspace):
            prepare_run(self.workspace, (self.through, self.through))
            failed = [result for span in build_planned(self.workspace) for result in span if result.is_failure]
            if failed:
                lines = "\n".join(f"  {result.unique_id}: {result.message}" for result in failed)
                raise DbtError(f"the tables computed again fail tests:\n{lines}")
            self._compute()

    def compare(self, tables: Sequence[TableRows]) -> list[TableComparison]:
        """Compare tables with what they were; what `now` queries must read is `table_query`'s and the marts'.

        Labels and the order of lists are no part of a configuration's hash, and rows keep the words they were
        published with: a row is as it was when it is so under one of the descriptions pinned with its hash.
        """
        found = self._compared(tables)
        for age in range(1, max(len(one.descriptions) for one in self.pinned)):
            if all(comparison.is_identical for comparison in found):
                break
            aged = [
                replace(one, descriptions=one.descriptions[: max(1, len(one.descriptions) - age)])
                for one in self.pinned
            ]
            write_configuration(self.workspace.configs, aged)
            with _active(self.workspace):
                self._compute()
            found = [_in_both(*pair) for pair in zip(found, self._compared(tables), strict=True)]
        return found

    def inputs(self) -> RunInputs:
        """The configuration, and the lake's manifests as they were when they were linked."""
        return read_inputs(self.workspace, (self.through, self.through))

    def table_queries(self) -> dict[str, str]:
        """The published tables about experiments, as queries over the warehouse that was built."""
        with open_warehouse(self.workspace.warehouse) as connection:
            tables = published_tables(connection, self.inputs(), Lake(self.workspace.lake), self.workspace.state)
        return {table.name: table.query for table in tables if table.name in AS_OF_TABLES}

    def provenance(self, experiment_id: str, as_of: date) -> dict[str, str]:
        """What a row computed now would say of its origin."""
        with open_warehouse(self.workspace.warehouse) as connection:
            found = connection.execute(
                "select * from results.provenance where experiment_id = ? and cast(as_of_date as date) = ?",
                [experiment_id, as_of],
            )
            names = [column[0] for column in found.description or []]
            return dict(zip(names, found.fetchall()[0], strict=True))

    def _compute(self) -> None:
        with computing(self.workspace) as compute:
            for table, rows in RESULTS.items():
                compute(table, rows)

    def _compared(self, tables: Sequence[TableRows]) -> list[TableComparison]:
        with open_warehouse(self.workspace.warehouse) as connection:
            return [compare(connection, rows) for rows in tables]


def _in_both(left: TableComparison, right: TableComparison) -> TableComparison:
    differing = {difference.row for difference in right.differences}
    return replace(left, differences=tuple(one for one in left.differences if one.row in differing))


@contextmanager
def _active(workspace: Workspace) -> Iterator[None]:
    """Point the environment that dbt reads at the workspace, and back at the end."""
    before = dict(os.environ)
    workspace.activate()
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
