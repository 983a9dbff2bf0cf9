"""Decisions as they were published, of the current run's files or of those that a changed configuration replaced."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import duckdb

from orchestration.provenance import PROVENANCE
from orchestration.publish import current_run
from orchestration.published import NoResultsError
from orchestration.workspace import Workspace


@dataclass(frozen=True)
class OldDecision:
    """An experiment's published decision at an as-of date, what it says of its origin, and where all its rows lie.

    `is_last`: of the last as-of date that was computed, whose segment rows are kept.
    """

    experiment_id: str
    as_of: date
    recommendation: str
    provenance: Mapping[str, str]
    is_last: bool
    folder: Path
    is_superseded: bool

    @property
    def config_hash(self) -> str:
        """The configuration that made the rows; empty when it was broken, and nothing was computed."""
        return self.provenance["config_hash"]

    def rows(self, table: str) -> str | None:
        """The query of its rows of a published table; None when there is no such file."""
        name = f"{table}.parquet" if self.is_superseded else f"{table}/as_of_date={self.as_of}/part.parquet"
        path = self.folder / name
        if not path.exists():
            return None
        return (
            f"select * from read_parquet({quoted(path)}, hive_partitioning = false) "
            f"where experiment_id = {quoted(self.experiment_id)} and as_of_date = date '{self.as_of}'"
        )


def old_decisions(
    workspace: Workspace, as_of: date, experiment_id: str | None = None, config_hash: str | None = None
) -> list[OldDecision]:
    """The decisions published for an as-of date, by experiment.

    With a `config_hash`, those that this configuration made, also if another one has replaced it since.
    Raises NoResultsError, saying what there is, when nothing fits.
    """
    run = current_run(workspace.state)
    if run is None:
        raise NoResultsError(f"{workspace.state}: no results yet; start with `equipoise run --date YYYY-MM-DD`")
    found = _decisions_in(run, run / "decisions" / "**" / "*.parquet", is_superseded=False)
    if config_hash is not None:
        found = [decision for decision in found if decision.config_hash == config_hash]
        for folder in [] if found else sorted(workspace.superseded.glob(f"*/{config_hash}")):
            found += _decisions_in(folder, folder / "decisions.parquet", is_superseded=True)
    wanted = [
        decision for decision in found if decision.as_of == as_of and experiment_id in (None, decision.experiment_id)
    ]
    if not wanted:
        raise NoResultsError(_what_there_is(found, as_of, experiment_id, config_hash))
    return sorted(wanted, key=lambda decision: decision.experiment_id)


def quoted(text: object) -> str:
    """Text as a literal of SQL."""
    return "'" + str(text).replace("'", "''") + "'"


def _decisions_in(folder: Path, files: Path, *, is_superseded: bool) -> list[OldDecision]:
    rows = f"read_parquet({quoted(files)}, hive_partitioning = false, union_by_name = true)"
    with duckdb.connect() as connection:
        known = {row[0] for row in connection.execute(f"describe select * from {rows}").fetchall()}
        origin = [name if name in known else f"'' as {name}" for name in PROVENANCE]  # a newer column
        found = connection.execute(
            "select experiment_id, as_of_date, recommendation, as_of_date = max(as_of_date) "
            "filter (where config_hash <> '') over (partition by experiment_id) as is_last, "
            f"{', '.join(origin)} from {rows}"
        ).fetchall()
    return [
        OldDecision(
            experiment_id=id_,
            as_of=day,
            recommendation=recommendation,
            provenance={name: value or "" for name, value in zip(PROVENANCE, values, strict=True)},
            is_last=bool(is_last),
            folder=folder,
            is_superseded=is_superseded,
        )
        for id_, day, recommendation, is_last, *values in found
    ]


def _what_there_is(found: list[OldDecision], as_of: date, experiment_id: str | None, config_hash: str | None) -> str:
    asked = f"experiment {experiment_id!r}" if experiment_id else "any experiment"
    made = f" that configuration {config_hash} made" if config_hash else ""
    spans = []
    for id_ in sorted({decision.experiment_id for decision in found}):
        days = [decision.as_of for decision in found if decision.experiment_id == id_]
        spans.append(f"{id_} {min(days)} … {max(days)}")
    there = "; ".join(spans) or "none at all"
    return f"no decision of {asked} as of {as_of}{made} was published; there are: {there}"
