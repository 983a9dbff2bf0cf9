"""Log files below the data root, read where they lie."""

from collections.abc import Sequence
from datetime import date
from pathlib import Path

from orchestration.ingest.log_files import log_files
from orchestration.ingest.origins.origin import DayLogs, Origin
from orchestration.lake import LogFile


class LocalFiles(Origin):
    """Files that match the source's path."""

    def describe(self, log_date: date) -> str:
        """Which files are not there."""
        return f"no file matches {self.context.source.path.replace('{date}', log_date.isoformat())}"

    def _versions(self, log_date: date) -> Sequence[LogFile]:
        return log_files(self.context.source.path, log_date, self.context.session.data_root)

    def _copy(self, log_date: date, folder: Path) -> DayLogs:
        files = self._versions(log_date)
        return DayLogs(files, [self.context.session.data_root / file.path for file in files])
