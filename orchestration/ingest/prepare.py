"""Prepares one partition: a source's log files of a log date, judged, de-duplicated, profiled, written aside."""

import shutil
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

import duckdb

from configs.schema import EventSource, ExposureSource
from orchestration.audit import DayContract, DayEvidence, DaySuite
from orchestration.ingest.contract import source_contract, source_fields
from orchestration.ingest.day_bounds import DayBounds, day_bounds
from orchestration.ingest.deduplicate import mark_duplicates
from orchestration.ingest.earlier_days import EarlierDay, earlier_days
from orchestration.ingest.errors import BadFileError, IngestError, SourceUnavailableError, first_line
from orchestration.ingest.fields import LogSource, fields_of, identity, instant_column, lake_columns
from orchestration.ingest.origins import DayLogs
from orchestration.ingest.profile import StagedDay, profile_day
from orchestration.ingest.sample import sample_columns, sample_rows
from orchestration.ingest.session import IngestSession
from orchestration.ingest.stage import Stager
from orchestration.ingest.templates import render
from orchestration.lake import DayManifest

_RECENT_WEEKS = 4
_LATER = "the next run reads it, once that is mended"
_KEPT = "kept as it was read before: "


@dataclass(frozen=True)
class DayRequest:
    """A day to be read. `keeps_rows`: if it cannot be read any more, its partition keeps the rows it has.

    `uncommitted` are earlier days that are prepared, None for one without rows: they come before what the lake holds.
    """

    session: IngestSession
    source: LogSource
    log_date: date
    keeps_rows: bool
    uncommitted: Mapping[date, EarlierDay | None]

    @cached_property
    def earlier_days(self) -> Mapping[date, EarlierDay]:
        """The days that its rows are compared with."""
        return earlier_days(self.session, self.source.id, self.log_date, self.uncommitted)

    @property
    def unjudged_experiments(self) -> list[str]:
        """Experiments of an exposure log that any variant is accepted of."""
        if not isinstance(self.source, ExposureSource):
            return []
        return sorted(id_ for id_, variants in self.session.known_variants.items() if variants is None)

    def manifest(self, **values: Any) -> DayManifest:
        """A manifest of this source and day."""
        project = self.session.project
        return DayManifest(
            source_id=self.source.id,
            log_date=self.log_date,
            contract=source_contract(self.source),
            fields=source_fields(self.source),
            timezone=project.timezone,
            late_arrival_days=project.late_arrival_days,
            earlier_days={day: earlier.content_hash for day, earlier in self.earlier_days.items()},
            request=self.session.request,
            **values,
        )

    def failed(self, **values: Any) -> DayManifest:
        """The manifest of a day that failed, or that keeps its rows because it was only read again for a definition."""
        before = self.session.lake.partition(self.source.id, self.log_date)
        if self.keeps_rows and before is not None and before.rows_file is not None:
            return before.model_copy(update={"refused_fields": source_fields(self.source), "is_due": False})
        return self.manifest(status="failed", **values)

    def postponed(self, reason: str) -> DayManifest:
        """The manifest of a day whose source cannot be reached: as it was, if it was ever read, and due."""
        before = self.session.lake.partition(self.source.id, self.log_date)
        if before is None or (before.is_due and before.rows_file is None):
            return self.manifest(status="failed", reason=f"{reason}; {_LATER}", is_due=True)
        return before.model_copy(
            update={"reason": f"{before.reason.partition(_KEPT)[0]}{_KEPT}{reason}", "is_due": True}
        )


@dataclass(frozen=True)
class PreparedDay:
    """A day that can be committed: as it is when nothing is to be audited, else if `evidence` passes.

    `rows` and `quarantine` are files in the session's scratch folder.
    """

    request: DayRequest
    manifest: DayManifest
    rows: Path | None = None
    quarantine: Path | None = None
    evidence: DayEvidence | None = None

    def as_earlier_day(self) -> EarlierDay | None:
        """What later days are compared with: its rows, or those that its partition keeps."""
        rows, manifest = self.rows, self.manifest
        if rows is None and manifest.rows_file is not None:
            rows = self.request.session.lake.folder(manifest.source_id, manifest.log_date) / manifest.rows_file
        return EarlierDay(rows, manifest.content_hash) if rows is not None else None

    def discard(self) -> None:
        """Remove its files."""
        for path in (self.rows, self.quarantine):
            if path is not None:
                path.unlink(missing_ok=True)


def prepare_day(request: DayRequest) -> PreparedDay:
    """Read the day's log files; the lake is not touched.

    Bad data never raises: rows go to quarantine, a bad file gives status `failed`. Raises IngestError for a
    fault of the machine or the set-up.
    """
    source, log_date = request.source, request.log_date
    try:
        with _folder(request.session) as folder:
            logs = request.session.origin(source).fetch(log_date, folder)
            return _prepare(request, logs) if logs.files else PreparedDay(request, _without_file(request))
    except BadFileError as error:
        return PreparedDay(request, request.failed(reason=str(error)))
    except SourceUnavailableError as error:
        return PreparedDay(request, request.postponed(str(error)))
    except (duckdb.Error, OSError) as error:
        raise IngestError(
            f"{source.id}, {log_date}: {first_line(error)}; the partition is unchanged,"
            " run it again when this is mended"
        ) from error


def _without_file(request: DayRequest) -> DayManifest:
    if request.source.allow_empty_days:
        return request.manifest(status="empty")
    where = request.session.origin(request.source).describe(request.log_date)
    return request.manifest(status="missing", reason=where)


@contextmanager
def _folder(session: IngestSession) -> Iterator[Path]:
    """A folder for copies of a day's logs, which go once they are staged."""
    folder = session.scratch / f"logs-{uuid.uuid4().hex}"
    folder.mkdir()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _prepare(request: DayRequest, logs: DayLogs) -> PreparedDay:
    session, source, project = request.session, request.source, request.session.project
    connection, files = session.connection, logs.files
    bounds = day_bounds(request.log_date, project.timezone, project.late_arrival_days)
    stager = Stager(connection, source, bounds, session.scratch)
    try:
        rows_read = stager.load(files, logs.paths)
    except BadFileError as error:
        return PreparedDay(request, request.failed(reason=str(error), files=files))
    mark_duplicates(connection, source, [earlier.rows for earlier in request.earlier_days.values()])
    day = profile_day(connection, source, bounds, _recent_days(request))
    _require_balance(request, rows_read, day)
    token = uuid.uuid4().hex
    rows = session.scratch / f"rows-{token}.parquet"
    connection.execute(render("write_rows", lake_columns=lake_columns(source), path=str(rows)))
    quarantine = None
    if day.rows_quarantined:
        quarantine = session.scratch / f"quarantine-{token}.parquet"
        paths = [file.path for file in files]
        connection.execute(render("write_quarantine", files=paths, path=str(quarantine)))
    manifest = request.manifest(
        status="ok",
        rows_read=rows_read,
        rows_accepted=day.rows_accepted,
        rows_duplicate=day.rows_duplicate,
        rows_quarantined=day.rows_quarantined,
        content_hash=day.content_hash,
        unjudged_experiments=request.unjudged_experiments,
        unknown_experiments=_refused_experiments(connection, source, day, "unknown_experiment"),
        refused_variants={
            id_: tuple(session.known_variants[id_] or ())
            for id_ in _refused_experiments(connection, source, day, "unknown_variant")
        },
        files=files,
        profile=day.profile,
    )
    contract = _contract(request, bounds)
    suite = session.suites.get(source.id, DaySuite())
    # Rows as written, read back: what is audited is what will be committed.
    sample = sample_rows(connection, rows, sample_columns(contract, suite), identity(source), day.rows_accepted)
    connection.execute("DROP TABLE staged")
    return PreparedDay(request, manifest, rows, quarantine, DayEvidence(day.profile, sample, contract, suite))


def _refused_experiments(
    connection: duckdb.DuckDBPyConnection, source: LogSource, day: StagedDay, reason: str
) -> list[str]:
    """Experiments in quarantine for want of a configuration; the day is read again once one of them has it."""
    if isinstance(source, EventSource) or reason not in day.profile["reasons"]:
        return []
    return [id_ for (id_,) in connection.execute(render("refused_experiments", reason=reason)).fetchall()]


def _recent_days(request: DayRequest) -> list[DayManifest]:
    """The same weekday in the weeks before: a day is unlike its neighbours, but like its namesakes."""
    days = [request.log_date - timedelta(weeks=weeks) for weeks in range(1, _RECENT_WEEKS + 1)]
    found = (request.session.lake.partition(request.source.id, day) for day in days)
    return [manifest for manifest in found if manifest is not None and manifest.status == "ok"]


def _require_balance(request: DayRequest, rows_read: int, day: StagedDay) -> None:
    accounted = day.rows_accepted + day.rows_duplicate + day.rows_quarantined
    if rows_read != accounted:
        raise IngestError(
            f"{request.source.id}, {request.log_date}: the files hold {rows_read} rows but {accounted} were"
            f" staged ({day.rows_accepted} accepted, {day.rows_duplicate} duplicate,"
            f" {day.rows_quarantined} quarantined);"
            " were the files being written? Run it again when they are complete"
        )


def _contract(request: DayRequest, bounds: DayBounds) -> DayContract:
    source, known_variants = request.source, request.session.known_variants
    value_sets = {}
    if isinstance(source, ExposureSource):
        value_sets["experiment_id"] = sorted(known_variants)
        of_experiments = [ids for ids in known_variants.values() if ids is not None]
        if len(of_experiments) == len(known_variants):
            value_sets["variant_id"] = sorted({variant for ids in of_experiments for variant in ids})
    return DayContract(
        required=tuple(field.name for field in fields_of(source) if field.required),
        identity=identity(source),
        value_sets=value_sets,
        instant=instant_column(source),
        earliest=bounds.late_before,
        latest=bounds.future_after,
        has_steady_volume=isinstance(source, EventSource),
        ended=frozenset(id_ for id_, end in request.session.ends.items() if end < request.log_date),
    )
