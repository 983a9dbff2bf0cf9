"""Brings a day's log files into the table `staged`, every row judged by the contract."""

from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import duckdb

from configs.schema import ExposureSource
from configs.source_schema import TABLE_FORMATS
from orchestration.ingest.day_bounds import DayBounds
from orchestration.ingest.errors import BadFileError, IngestError, first_line
from orchestration.ingest.fields import (
    BoundField,
    LogSource,
    date_column,
    fields_of,
    identity,
    instant_column,
    lake_columns,
)
from orchestration.ingest.parquet_files import bind_parquet, count_parquet_rows
from orchestration.ingest.templates import glob_escaped, render
from orchestration.ingest.text_files import load_text
from orchestration.lake import LogFile

MEASURE_LIMIT = 100_000_000_000_000
# A date alone is no instant, and a number of seconds or milliseconds does not say which.
_ISO_8601 = r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}:\d{2}([.]\d+)?(Z| UTC| ?[+-]\d{2}(:?\d{2})?)?"


class Stager:
    """Fills `staged` from log files; `file_index` is a file's place in the day's sorted list."""

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        source: LogSource,
        bounds: DayBounds,
        scratch: Path,
    ) -> None:
        file_format = "parquet" if source.format in TABLE_FORMATS else source.format
        self._connection = connection
        self._format = file_format
        self._fields = fields_of(source)
        self._scratch = scratch
        self._columns = lake_columns(source)
        self._contract: dict[str, Any] = {
            "format": file_format,
            "lake_columns": self._columns,
            "field_names": {field.name for field in self._fields},
            "instant": instant_column(source),
            "date_column": date_column(source),
            "bounds": bounds,
            "limit": MEASURE_LIMIT,
            "iso_8601": _ISO_8601,
            "identity": identity(source),
            "units": [(field.name, f"m_{field.label}", field.expected) for field in self._fields if field.expected],
            "has_experiments": isinstance(source, ExposureSource),
        }

    def load(self, files: Sequence[LogFile], paths: Sequence[Path]) -> int:
        """Stage all rows of `files`, which lie at `paths`, and return how many they hold.

        Raises BadFileError, the file's path in front, for the first file that cannot be read.
        """
        self._connection.execute(render("create_staged", lake_columns=self._columns))
        for file, path in zip(files, paths, strict=True):
            if path.is_dir():
                raise BadFileError(f"{file.path}: is a folder; the source's path must match files")
        if self._format == "parquet":
            return self._load_parquet(files, paths)
        return sum(
            self._load_text(index, file, path) for index, (file, path) in enumerate(zip(files, paths, strict=True))
        )

    def _load_parquet(self, files: Sequence[LogFile], paths: Sequence[Path]) -> int:
        bound = [self._bind(file, path) for file, path in zip(files, paths, strict=True)]
        for fields, group in groupby(range(len(files)), key=lambda index: bound[index]):
            self._stage_parquet(fields, files, paths, list(group))
        return count_parquet_rows(self._connection, paths)

    def _bind(self, file: LogFile, path: Path) -> tuple[BoundField, ...]:
        try:
            return bind_parquet(self._connection, path, self._fields)
        except BadFileError as error:
            raise BadFileError(f"{file.path}: {error}") from error

    def _stage_parquet(
        self,
        fields: tuple[BoundField, ...],
        files: Sequence[LogFile],
        paths: Sequence[Path],
        indices: list[int],
    ) -> None:
        names = {index: glob_escaped(str(paths[index])) for index in indices}
        try:
            self._stage(fields, indices[0], files=list(names.values()))
        except duckdb.Error as error:
            for index, name in names.items():
                self._blame(files[index], render("read_all", fields=fields, files=[name]))
            raise IngestError(f"{files[indices[0]].path}: cannot be ingested: {first_line(error)}") from error

    def _blame(self, file: LogFile, query: str) -> None:
        try:
            self._connection.execute(query).fetchall()
        except duckdb.Error as error:
            raise BadFileError(f"{file.path}: cannot be read as Parquet: {first_line(error)}") from error

    def _load_text(self, index: int, file: LogFile, path: Path) -> int:
        try:
            text = load_text(self._connection, path, self._format, self._fields, self._scratch)
        except BadFileError as error:
            raise BadFileError(f"{file.path}: {error}") from error
        self._stage(text.fields, index, has_rejected=text.n_rejected > 0)
        if text.n_rejected:
            self._connection.execute(render("stage_rejected", file_index=index))
        self._connection.execute("DROP TABLE text_rows")
        return text.n_rows + text.n_rejected

    def _stage(self, fields: tuple[BoundField, ...], index: int, **origin: Any) -> None:
        positions: dict[str, int] = {}
        for position, bound in enumerate(fields):
            positions.setdefault(bound.field.column, position)
        self._connection.execute(
            render(
                "stage",
                fields=fields,
                file_index=index,
                row_columns=[(position, column) for column, position in positions.items()],
                **self._contract,
                **origin,
            )
        )
