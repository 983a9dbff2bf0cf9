"""Log files in an S3-compatible object store: listed by prefix, copied whole under the version that was listed."""

import re
from collections.abc import Iterator, Sequence
from datetime import date
from fnmatch import fnmatchcase
from functools import cached_property
from pathlib import Path

from orchestration.ingest.errors import BadFileError
from orchestration.ingest.origins.origin import DayLogs, Origin, OriginContext
from orchestration.lake import LogFile
from orchestration.remote.object_store import ChangedObjectError, ObjectStore, StoredObject, split_url

_MAGIC = re.compile(r"[*?\[]")


class StoredObjects(Origin):
    """Objects whose keys match the source's path, with the globs of local paths."""

    def __init__(self, context: OriginContext) -> None:
        super().__init__(context)
        self._bucket, self._pattern = split_url(context.source.path)

    @cached_property
    def _store(self) -> ObjectStore:
        return ObjectStore(self._bucket)

    def describe(self, log_date: date) -> str:
        """Which objects are not there."""
        return f"no object matches s3://{self._bucket}/{self._of(log_date)}"

    def _versions(self, log_date: date) -> Sequence[LogFile]:
        return [self._log_file(found) for found in self._matching(log_date)]

    def _copy(self, log_date: date, folder: Path) -> DayLogs:
        objects = list(self._matching(log_date))
        paths = [folder / f"{index}-{Path(found.key).name}" for index, found in enumerate(objects)]
        try:
            self._store.download(objects, paths)
        except ChangedObjectError as error:  # the store is well: the day is read when its log is complete
            raise BadFileError(f"{error}; run the day again when it is complete") from error
        return DayLogs([self._log_file(found) for found in objects], paths)

    def _matching(self, log_date: date) -> Iterator[StoredObject]:
        pattern = self._of(log_date)
        literal = _MAGIC.split(pattern, maxsplit=1)[0]
        for found in self._store.listing(literal):
            if not found.key.endswith("/") and key_matches(found.key.split("/"), pattern.split("/")):
                yield found

    def _log_file(self, found: StoredObject) -> LogFile:
        return LogFile(path=f"s3://{self._bucket}/{found.key}", bytes=found.bytes, version=found.etag)

    def _of(self, log_date: date) -> str:
        return self._pattern.replace("{date}", log_date.isoformat())


def key_matches(key: Sequence[str], pattern: Sequence[str]) -> bool:
    """Whether the parts of a key match those of a pattern; `**` stands for any folders, none of them hidden."""
    if not pattern:
        return not key
    if pattern[0] == "**":
        deeper = bool(key) and not key[0].startswith(".") and key_matches(key[1:], pattern)
        return key_matches(key, pattern[1:]) or deeper
    if not key or (key[0].startswith(".") and not pattern[0].startswith(".")):
        return False
    return fnmatchcase(key[0], pattern[0]) and key_matches(key[1:], pattern[1:])
