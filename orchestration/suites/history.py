"""What a source's recent days in the lake looked like: their profiles, and a sample of their rows."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta

import duckdb
import pandas as pd

from orchestration.audit import NamedColumn
from orchestration.ingest.fields import LogSource, identity, suite_columns
from orchestration.ingest.sample import sample_rows
from orchestration.lake import DayManifest, Lake

MINIMUM_DAYS = 14


@dataclass(frozen=True)
class HistoryDay:
    """A day of the history; `rows` is a sample of its rows, columns as suites name them, measures in their units."""

    manifest: DayManifest
    rows: pd.DataFrame

    @property
    def log_date(self) -> date:
        """The day."""
        return self.manifest.log_date


@dataclass(frozen=True)
class SourceHistory:
    """The days of a source with rows, oldest first."""

    source: LogSource
    days: tuple[HistoryDay, ...]

    @property
    def is_enough(self) -> bool:
        """Whether anything can be learnt from so few days."""
        return len(self.days) >= MINIMUM_DAYS


def read_history(lake: Lake, source: LogSource, weeks: int) -> SourceHistory:
    """The last weeks up to the newest day with rows. Only reads, so that it needs no lock.

    Raises LakeError for a manifest, duckdb.Error for a rows file, that cannot be read.
    """
    usable = [
        manifest
        for manifest in lake.manifests(source.id, date.min, date.max)
        if manifest.status == "ok" and manifest.rows_accepted and manifest.rows_file is not None
    ]
    if usable:
        after = usable[-1].log_date - timedelta(weeks=weeks)
        usable = [manifest for manifest in usable if manifest.log_date > after]
    return SourceHistory(source, tuple(_with_rows(lake, source, usable)))


def _with_rows(lake: Lake, source: LogSource, manifests: list[DayManifest]) -> Iterator[HistoryDay]:
    with duckdb.connect() as connection:
        for manifest in manifests:
            # A day that was read before a column was added has no values of it.
            columns = {
                name: column for name, column in suite_columns(source).items() if column.lake_name in _stored(manifest)
            }
            path = lake.folder(source.id, manifest.log_date) / str(manifest.rows_file)
            lake_names = [column.lake_name for column in columns.values()]
            kept = [name for name in identity(source) if name in _stored(manifest)]
            rows = sample_rows(connection, path, lake_names, kept, manifest.rows_accepted)
            yield HistoryDay(manifest, _named(rows, columns))


def _stored(manifest: DayManifest) -> frozenset[str]:
    return frozenset(manifest.profile["columns"])


def _named(rows: pd.DataFrame, columns: dict[str, NamedColumn]) -> pd.DataFrame:
    named = {}
    for name, column in columns.items():
        values = rows[column.lake_name]
        named[name] = values if column.decimals is None else values / 10**column.decimals
    return pd.DataFrame(named)
