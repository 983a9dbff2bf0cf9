"""Ingests the days of a source in order, a few at a time: which of them are due, and when they are committed."""

from collections.abc import Collection
from datetime import date, timedelta

from orchestration.ingest.earlier_days import EarlierDay, earlier_days
from orchestration.ingest.errors import SourceUnavailableError
from orchestration.ingest.fields import LogSource
from orchestration.ingest.prepare import DayRequest, PreparedDay, prepare_day
from orchestration.ingest.resume import is_read
from orchestration.ingest.session import IngestSession
from orchestration.ingest.settle import settle_days
from orchestration.lake import DayManifest

# An audit costs the same for a week of small days as for one. Within seven days no day is compared with another's
# profile, and large days are committed one by one, for a killed run loses what is not.
_BATCH_DAYS = 7
_BATCH_BYTES = 256_000_000


class SourceIngest:
    """Takes log dates in order and reads those that are due: requested, outdated, or reached by a change before them.

    A row is compared with the `late_arrival_days` log dates before its own, so a day that changes makes the next ones
    due: those that were compared with other rows, also where a run that was killed changed them. An outdated day, read
    again because its source is defined otherwise by now, keeps its rows if it cannot be; so does every day that nobody
    asked for and whose log files are gone. A day that was read for the same request before the run was killed is
    skipped; days that it may have changed are due if they do not say what they were compared with.
    """

    def __init__(
        self, session: IngestSession, source: LogSource, *, requested: Collection[date], outdated: Collection[date] = ()
    ) -> None:
        self._session = session
        self._source = source
        self._requested = frozenset(requested)
        self._outdated = frozenset(outdated)
        self._changed_until = date.min  # by what is prepared
        self._settled_until = date.min  # by what is committed
        self._skipped_until = date.min  # perhaps, by what was read before this run
        self._before: dict[date, DayManifest | None] = {}
        self._considered: list[date] = []
        self._prepared: list[PreparedDay] = []
        self._done: list[DayManifest] = []

    @property
    def manifests(self) -> list[DayManifest]:
        """What was committed, or skipped as read before, in order of log date."""
        return sorted(self._done, key=lambda manifest: manifest.log_date)

    def consider(self, log_date: date) -> None:
        """Prepare the day if it is due, and commit the days before it when there are enough.

        Raises IngestError for a fault of the machine or the set-up; `settle` can still be called.
        """
        if self._prepared and log_date - self._prepared[0].manifest.log_date >= timedelta(days=_BATCH_DAYS):
            self.settle()
        self._considered.append(log_date)
        before = self._session.lake.partition(self._source.id, log_date)
        is_reached = log_date <= self._changed_until or self._meets_other_rows(log_date, before)
        is_changed = log_date in self._outdated or is_reached
        if not (log_date in self._requested or is_changed or self._may_be_reached(log_date, before)):
            return
        if before is not None and not is_changed and is_read(self._session, self._source, before):
            self._done.append(before)
            self._skipped_until = self._reach_of(log_date)
            return
        if log_date not in self._requested and self._keeps(log_date, before):
            return
        request = DayRequest(
            session=self._session,
            source=self._source,
            log_date=log_date,
            keeps_rows=log_date not in self._requested and log_date in self._outdated and not is_reached,
            uncommitted=self._uncommitted(),
        )
        self._before[log_date] = before
        day = prepare_day(request)
        self._prepared.append(day)
        self._changed_until = max(self._changed_until, self._reach(day.manifest))
        if sum(file.bytes for day in self._prepared for file in day.manifest.files) >= _BATCH_BYTES:
            self.settle()

    def settle(self) -> None:
        """Audit and commit what is prepared. What follows a day that fails its audit is considered once more."""
        while self._prepared:
            prepared, considered = self._prepared, self._considered
            self._prepared, self._considered = [], []
            committed = settle_days(prepared)
            self._done += committed
            self._settled_until = max(self._settled_until, *map(self._reach, committed))
            self._changed_until = self._settled_until
            for day in prepared[len(committed) :]:
                day.discard()
            for log_date in considered:
                if log_date > committed[-1].log_date:
                    self.consider(log_date)

    def _meets_other_rows(self, log_date: date, before: DayManifest | None) -> bool:
        """Whether the days before it have other rows by now than those that it was compared with."""
        if before is None or before.earlier_days is None:
            return False
        earlier = earlier_days(self._session, self._source.id, log_date, self._uncommitted())
        return before.earlier_days != {day: one.content_hash for day, one in earlier.items()}

    def _may_be_reached(self, log_date: date, before: DayManifest | None) -> bool:
        """Whether a skipped day may have changed it, of a day that does not say what it was compared with."""
        return log_date <= self._skipped_until and (before is None or before.earlier_days is None)

    def _keeps(self, log_date: date, before: DayManifest | None) -> bool:
        """Whether a day that nobody asked for stays as it is, for its logs are gone or cannot be reached."""
        is_without_rows = before is not None and before.is_due and before.rows_file is None
        return before is not None and not is_without_rows and not self._has_logs(log_date)

    def _has_logs(self, log_date: date) -> bool:
        try:
            return self._session.origin(self._source).exists(log_date)
        except SourceUnavailableError:
            return False

    def _uncommitted(self) -> dict[date, EarlierDay | None]:
        return {day.manifest.log_date: day.as_earlier_day() for day in self._prepared}

    def _reach(self, manifest: DayManifest) -> date:
        """The last day that is compared with this one, if it changed."""
        before = self._before[manifest.log_date]
        if before is not None and (before.status, before.content_hash) == (manifest.status, manifest.content_hash):
            return date.min
        return self._reach_of(manifest.log_date)

    def _reach_of(self, log_date: date) -> date:
        return log_date + timedelta(days=self._session.project.late_arrival_days)
