"""Tells whether a day was already read for the request that is being worked on."""

from pathlib import Path

import duckdb

from orchestration.ingest.errors import BadFileError, SourceUnavailableError
from orchestration.ingest.fields import LogSource
from orchestration.ingest.session import IngestSession
from orchestration.ingest.templates import glob_escaped
from orchestration.lake import DayManifest


def is_read(session: IngestSession, source: LogSource, manifest: DayManifest) -> bool:
    """Whether the day was committed for this very request, from the files as they are now, and its files are there."""
    if not session.request or manifest.request != session.request:
        return False
    if manifest.is_due or not _are_the_files_read(session, source, manifest):
        return False
    folder = session.lake.folder(manifest.source_id, manifest.log_date)
    files = ((manifest.rows_file, manifest.rows_accepted), (manifest.quarantine_file, manifest.rows_quarantined))
    return all(name is None or _rows(session, folder / name) == rows for name, rows in files)


def _are_the_files_read(session: IngestSession, source: LogSource, manifest: DayManifest) -> bool:
    try:
        found = session.origin(source).versions(manifest.log_date)
    except (BadFileError, SourceUnavailableError):
        return False  # reading the day says what is wrong
    return [file.identity for file in found] == [file.identity for file in manifest.files]


def _rows(session: IngestSession, path: Path) -> int | None:
    """Rows that the file declares in its footer, which a torn one lacks; None of a file that cannot be read."""
    query = "SELECT num_rows FROM parquet_file_metadata($path)"
    try:
        return int(session.connection.execute(query, {"path": glob_escaped(str(path))}).fetchall()[0][0])
    except duckdb.Error:
        return None
