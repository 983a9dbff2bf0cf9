"""An Iceberg or Delta table as a log: the day's rows of one version of the table, the same for all days of a run."""

import re
from collections.abc import Sequence
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Any

import duckdb

from orchestration.ingest.errors import BadFileError, first_line
from orchestration.ingest.origins.origin import DayLogs, Origin, OriginContext
from orchestration.ingest.origins.table_folder import LocalFolder, StoredFolder, TableFolder, UnreadableTableError
from orchestration.ingest.origins.table_rows import day_condition, needed_columns, rows_file
from orchestration.ingest.templates import literal, render
from orchestration.lake import LogFile
from orchestration.remote.extensions import load_extensions
from orchestration.remote.object_store import ObjectStore, split_url

_EXTENSIONS = {"iceberg": ("avro", "iceberg"), "delta": ("delta",)}
_METADATA = re.compile(r"^v?(\d+)(?:-[^/]*)?(?:\.gz)?\.metadata\.json(?:\.gz)?$")
_COMMIT = re.compile(r"^(\d{20})\.(?:json|checkpoint\..*parquet)$")


def _is_meant(hint: str, name: str, number: int) -> bool:
    """Whether a hint names a metadata file: by its number, or with or without what all of them end with."""
    return hint in (name, name.partition(".")[0]) or (hint.isdigit() and int(hint) == number)


class LakeTable(Origin):
    """Rows of a table in a folder or below an S3 prefix. A day's version is the table's, which any commit changes."""

    def __init__(self, context: OriginContext) -> None:
        super().__init__(context)
        self._path = context.source.path.rstrip("/")
        self._log_date = context.source.log_date or ""

    def describe(self, log_date: date) -> str:
        """Which rows are not there."""
        return f"table {self._path} has no row with {self._log_date} on {log_date} in version {self._version}"

    def _exists(self, log_date: date) -> bool:
        try:
            rows = self._rows(log_date)
        except BadFileError:
            return True  # reading the day tells what is wrong
        return bool(self._fetched(f"SELECT EXISTS ({rows})")[0][0])

    def _versions(self, log_date: date) -> Sequence[LogFile]:
        return [self._log_file(log_date, 0)]

    def _copy(self, log_date: date, folder: Path) -> DayLogs:
        path, rows = rows_file(folder), self._rows(log_date)
        columns = needed_columns(self.context.fields, self._log_date, list(self._types))
        self._fetched(render("copy_table", rows=rows, columns=columns, path=str(path)))
        counted = self.context.connection.execute(
            "SELECT num_rows FROM parquet_file_metadata($path)", {"path": str(path)}
        )
        if not counted.fetchall()[0][0]:
            return DayLogs([], [])
        return DayLogs([self._log_file(log_date, path.stat().st_size)], [path])

    @cached_property
    def _folder(self) -> TableFolder:
        if not self._path.startswith("s3://"):
            return LocalFolder(self.context.session.data_root / self._path)
        bucket, key = split_url(self._path)
        return StoredFolder(ObjectStore(bucket), key)

    @cached_property
    def _version(self) -> str:
        """The version that is current when the run first asks: of Delta its number, of Iceberg its metadata file."""
        if self.context.source.format == "iceberg":
            return self._current_metadata()
        commits = [match[1] for name in self._folder.names("_delta_log") if (match := _COMMIT.match(name))]
        if not commits:
            raise UnreadableTableError(f"{self._path} is no Delta table: it has no commit in _delta_log")
        return str(int(max(commits)))

    def _current_metadata(self) -> str:
        names = self._folder.names("metadata")
        versions = {name: int(match[1]) for name in names if (match := _METADATA.match(name))}
        if not versions:
            raise UnreadableTableError(f"{self._path} is no Iceberg table: it has no metadata/*.metadata.json")
        if "version-hint.text" in names:
            hint = self._folder.read("metadata/version-hint.text").strip()
            newest = [name for name, number in versions.items() if _is_meant(hint, name, number)]
        else:
            newest = [name for name, number in versions.items() if number == max(versions.values())]
        if len(newest) != 1:
            raise UnreadableTableError(
                f"{self._path}: which metadata file is current cannot be told ({', '.join(sorted(newest)) or 'none'}); "
                "have the catalog write metadata/version-hint.text"
            )
        return newest[0]

    @cached_property
    def _origin(self) -> str:
        """The table at its version, as SQL."""
        load_extensions(self.context.connection, *self._folder.extensions, *_EXTENSIONS[self.context.source.format])
        self._folder.give_access(self.context.connection, f"source_{self.context.source.id}", self._path)
        if self.context.source.format == "delta":
            return f"delta_scan({literal(self._folder.location(''))}, version => {self._version})"
        return f"iceberg_scan({literal(self._folder.location(f'metadata/{self._version}'))})"

    @cached_property
    def _types(self) -> dict[str, str]:
        described = self._fetched(f"SELECT column_name, column_type FROM (DESCRIBE FROM {self._origin})")
        return {str(name): str(type_) for name, type_ in described}

    def _rows(self, log_date: date) -> str:
        types = self._types
        try:
            columns = needed_columns(self.context.fields, self._log_date, list(types))
            timezone = self.context.session.project.timezone
            day = day_condition(types[self._log_date], log_date, timezone, self._log_date)
        except BadFileError as error:
            raise BadFileError(f"table {self._path}: {error}") from error
        return render("table_rows", columns=columns, origin=self._origin, log_date=self._log_date, day=day)

    def _fetched(self, query: str) -> list[tuple[Any, ...]]:
        try:
            return self.context.connection.execute(query).fetchall()
        except duckdb.OutOfMemoryException:
            raise
        except duckdb.Error as error:
            if re.search(r"no space left on device|disk quota", str(error), re.IGNORECASE):
                raise
            raise UnreadableTableError(f"table {self._path}: {self._folder.redacted(first_line(error))}") from None

    def _log_file(self, log_date: date, n_bytes: int) -> LogFile:
        return LogFile(path=f"{self._path}/{log_date}", bytes=n_bytes, version=self._version)
