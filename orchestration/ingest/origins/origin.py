"""What ingest asks of the place where a source's logs lie."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb

from orchestration.ingest.errors import SourceUnavailableError
from orchestration.ingest.fields import Field, LogSource, fields_of
from orchestration.lake import LogFile
from orchestration.remote.errors import RemoteError

if TYPE_CHECKING:
    from orchestration.ingest.session import IngestSession


@dataclass(frozen=True)
class OriginContext:
    """A source, and the session that reads it."""

    session: "IngestSession"
    source: LogSource

    @property
    def connection(self) -> duckdb.DuckDBPyConnection:
        """The session's database."""
        return self.session.connection

    @cached_property
    def fields(self) -> tuple[Field, ...]:
        """The fields of the contract."""
        return fields_of(self.source)


@dataclass(frozen=True)
class DayLogs:
    """A day's files as manifests name them, and where their content lies; none when the day has no log."""

    files: Sequence[LogFile]
    paths: Sequence[Path]


class Origin(ABC):
    """Where a source's logs lie.

    Whatever cannot be reached raises SourceUnavailableError, and from then on every question does at once: a server
    that is down is not waited for once a day of a backfill.
    """

    def __init__(self, context: OriginContext) -> None:
        self.context = context
        self._unavailable: SourceUnavailableError | None = None

    @abstractmethod
    def describe(self, log_date: date) -> str:
        """Said of a day without a log: which place has none."""

    @abstractmethod
    def _versions(self, log_date: date) -> Sequence[LogFile]: ...

    @abstractmethod
    def _copy(self, log_date: date, folder: Path) -> DayLogs: ...

    def _exists(self, log_date: date) -> bool:
        return bool(self._versions(log_date))

    def exists(self, log_date: date) -> bool:
        """Whether the day has a log."""
        with self._reached():
            return self._exists(log_date)

    def versions(self, log_date: date) -> tuple[LogFile, ...]:
        """What tells whether the day's log is the one that was read."""
        with self._reached():
            return tuple(self._versions(log_date))

    def fetch(self, log_date: date, folder: Path) -> DayLogs:
        """The day's log as files, copied to `folder` unless they lie on this machine.

        Raises BadFileError when it cannot be what its source says, SourceUnavailableError when it cannot be reached.
        """
        with self._reached():
            return self._copy(log_date, folder)

    @contextmanager
    def _reached(self) -> Iterator[None]:
        if self._unavailable is not None:
            raise self._unavailable
        try:
            yield
        except RemoteError as error:
            self._unavailable = SourceUnavailableError(f"{self.context.source.id} cannot be read: {error}")
            raise self._unavailable from error
