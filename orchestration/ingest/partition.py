"""Ingests one partition: a source's log files of a log date, judged, de-duplicated, audited, committed."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd

from configs.schema import EventSource, ExposureSource, Project
from orchestration.audit import DayContract, audit_day, describe_failures
from orchestration.ingest.contract import source_contract, source_fields
from orchestration.ingest.day_bounds import DayBounds, day_bounds
from orchestration.ingest.deduplicate import mark_duplicates
from orchestration.ingest.errors import BadFileError, IngestError, first_line
from orchestration.ingest.fields import LogSource, fields_of, identity, instant_column, lake_columns
from orchestration.ingest.log_files import log_files
from orchestration.ingest.profile import StagedDay, profile_day
from orchestration.ingest.stage import Stager
from orchestration.ingest.templates import glob_escaped, render
from orchestration.lake import DayManifest, Lake, LogFile

_SAMPLE_ROWS = 10_000
_RECENT_WEEKS = 4
_EXAMPLE_CHARACTERS = 300


@dataclass(frozen=True)
class _Request:
    """What is ingested, and into what."""

    source: LogSource
    log_date: date
    project: Project
    data_root: Path
    lake: Lake
    known_variants: Mapping[str, Collection[str] | None]
    keeps_rows: bool

    @property
    def unjudged_experiments(self) -> list[str]:
        """Experiments of an exposure log that any variant is accepted of."""
        if not isinstance(self.source, ExposureSource):
            return []
        return sorted(id_ for id_, variants in self.known_variants.items() if variants is None)

    def manifest(self, **values: Any) -> DayManifest:
        return DayManifest(
            source_id=self.source.id,
            log_date=self.log_date,
            contract=source_contract(self.source),
            fields=source_fields(self.source),
            **values,
        )


def ingest_partition(
    source: LogSource,
    log_date: date,
    *,
    project: Project,
    data_root: Path,
    lake: Lake,
    known_variants: Mapping[str, Collection[str] | None],
    keeps_rows: bool = False,
    memory_limit: str = "1GB",
) -> DayManifest:
    """Read the source's files of `log_date` into the lake and return the committed manifest.

    Bad data never raises: rows go to quarantine, a bad file or a failed audit gives status `failed`. The
    result depends on the files, the configuration and earlier log dates only, so a rerun gives the same
    rows. `known_variants` maps each experiment to its variants, or to None where a broken configuration
    leaves them unknown: any is accepted. With `keeps_rows` a day that cannot be read again keeps what it has.
    Raises IngestError for a fault of the machine or the set-up; the
    partition is then as it was before.
    """
    request = _Request(source, log_date, project, data_root, lake, known_variants, keeps_rows)
    files = log_files(source.path, log_date, data_root)
    try:
        if not files:
            return lake.commit(_without_file(request))
        with lake.scratch() as scratch, _connect(scratch, memory_limit) as connection:
            return _ingest(connection, request, files, scratch)
    except (duckdb.Error, OSError) as error:
        raise IngestError(
            f"{source.id}, {log_date}: {first_line(error)}; the partition is unchanged,"
            " run it again when this is mended"
        ) from error


def _without_file(request: _Request) -> DayManifest:
    if request.source.allow_empty_days:
        return request.manifest(status="empty")
    pattern = request.source.path.replace("{date}", request.log_date.isoformat())
    return request.manifest(status="missing", reason=f"no file matches {pattern}")


def _connect(scratch: Path, memory_limit: str) -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect(config={"memory_limit": memory_limit, "temp_directory": str(scratch)})
    connection.execute("SET TimeZone = 'UTC'")  # instants without zone are UTC
    # A text row's number is its place in the file, so rows must stay in order.
    connection.execute("SET preserve_insertion_order = true")
    return connection


def _ingest(
    connection: duckdb.DuckDBPyConnection, request: _Request, files: list[LogFile], scratch: Path
) -> DayManifest:
    source, project = request.source, request.project
    bounds = day_bounds(request.log_date, project.timezone, project.late_arrival_days)
    stager = Stager(connection, source, bounds, request.known_variants, scratch)
    try:
        rows_read = stager.load(files, request.data_root)
    except BadFileError as error:
        return _fail(request, reason=str(error), files=files)
    mark_duplicates(connection, source, _earlier_files(request))
    day = profile_day(connection, source, _recent_days(request))
    _require_balance(request, rows_read, day)
    rows = scratch / "rows.parquet"
    connection.execute(render("write_rows", lake_columns=lake_columns(source), path=str(rows)))
    findings = audit_day(day.profile, _sample(connection, source, rows, day.rows_accepted), _contract(request, bounds))
    audit = [finding.as_dict() for finding in findings]
    if failures := describe_failures(findings):
        reason = f"audit: {failures}{_worst_reason(connection, files, day)}"
        return _fail(request, reason=reason, files=files, profile=day.profile, audit=audit)
    quarantine = _write_quarantine(connection, files, scratch) if day.rows_quarantined else None
    manifest = request.manifest(
        status="ok",
        rows_read=rows_read,
        rows_accepted=day.rows_accepted,
        rows_duplicate=day.rows_duplicate,
        rows_quarantined=day.rows_quarantined,
        content_hash=day.content_hash,
        unjudged_experiments=request.unjudged_experiments,
        unknown_experiments=_unknown_experiments(connection, source),
        files=files,
        profile=day.profile,
        audit=audit,
    )
    return request.lake.commit(manifest, rows, quarantine)


def _fail(request: _Request, **values: Any) -> DayManifest:
    """Commit a failed day, or, when the day is only read again for a new definition, keep the rows that there are."""
    before = request.lake.partition(request.source.id, request.log_date)
    if request.keeps_rows and before is not None and before.rows_file is not None:
        return request.lake.commit(before.model_copy(update={"refused_fields": source_fields(request.source)}))
    return request.lake.commit(request.manifest(status="failed", **values))


def _unknown_experiments(connection: duckdb.DuckDBPyConnection, source: LogSource) -> list[str]:
    """Ids in quarantine for want of a configuration; the day is read again once one of them has it."""
    if isinstance(source, EventSource):
        return []
    return [id_ for (id_,) in connection.execute(render("unknown_experiments")).fetchall()]


def _earlier_files(request: _Request) -> list[Path]:
    allowed = range(1, request.project.late_arrival_days + 1)
    return request.lake.rows_files(request.source.id, [request.log_date - timedelta(days=age) for age in allowed])


def _recent_days(request: _Request) -> list[DayManifest]:
    """The same weekday in the weeks before: a day is unlike its neighbours, but like its namesakes."""
    days = [request.log_date - timedelta(weeks=weeks) for weeks in range(1, _RECENT_WEEKS + 1)]
    found = (request.lake.partition(request.source.id, day) for day in days)
    return [manifest for manifest in found if manifest is not None and manifest.status == "ok"]


def _require_balance(request: _Request, rows_read: int, day: StagedDay) -> None:
    accounted = day.rows_accepted + day.rows_duplicate + day.rows_quarantined
    if rows_read != accounted:
        raise IngestError(
            f"{request.source.id}, {request.log_date}: the files hold {rows_read} rows but {accounted} were"
            f" staged ({day.rows_accepted} accepted, {day.rows_duplicate} duplicate,"
            f" {day.rows_quarantined} quarantined);"
            " were the files being written? Run it again when they are complete"
        )


def _sample(connection: duckdb.DuckDBPyConnection, source: LogSource, rows: Path, n_rows: int) -> pd.DataFrame:
    """Rows as written, read back: what is audited is what will be committed."""
    query = render(
        "sample_rows",
        path=glob_escaped(str(rows)),
        identity=identity(source),
        every=-(-n_rows // _SAMPLE_ROWS),
        size=_SAMPLE_ROWS,
    )
    return connection.execute(query).df()


def _contract(request: _Request, bounds: DayBounds) -> DayContract:
    source = request.source
    value_sets = {}
    if isinstance(source, ExposureSource):
        value_sets["experiment_id"] = sorted(request.known_variants)
        of_experiments = [ids for ids in request.known_variants.values() if ids is not None]
        if len(of_experiments) == len(request.known_variants):
            value_sets["variant_id"] = sorted({variant for ids in of_experiments for variant in ids})
    return DayContract(
        required=tuple(field.name for field in fields_of(source) if field.required),
        identity=identity(source),
        value_sets=value_sets,
        instant=instant_column(source),
        earliest=bounds.late_before,
        latest=bounds.future_after,
        has_steady_volume=isinstance(source, EventSource),
    )


def _worst_reason(connection: duckdb.DuckDBPyConnection, files: list[LogFile], day: StagedDay) -> str:
    """The commonest reasons, and one row to look at: a failed day has no quarantine to look into."""
    reasons = day.profile["reasons"]
    if not reasons:
        return ""
    worst = next(iter(reasons))
    file_index, row_number, row = connection.execute(
        "SELECT file_index, row_number, row FROM staged WHERE reason = $reason ORDER BY 1, 2 LIMIT 1",
        {"reason": worst},
    ).fetchall()[0]
    counts = ", ".join(f"{reason} {count}" for reason, count in list(reasons.items())[:5])
    example = f"{files[file_index].path} row {row_number}: {row[:_EXAMPLE_CHARACTERS]}"
    return f"; rows refused: {counts}; the first {worst} is {example}"


def _write_quarantine(connection: duckdb.DuckDBPyConnection, files: list[LogFile], scratch: Path) -> Path:
    path = scratch / "quarantine.parquet"
    connection.execute(render("write_quarantine", files=[file.path for file in files], path=str(path)))
    return path
