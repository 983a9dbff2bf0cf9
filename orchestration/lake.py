"""The lake: accepted rows of every source and log date, each day replaced whole or not at all.

A partition is a folder; its manifest `day.json` says which of the folder's files count. Files are written
under fresh names first, so replacing the manifest is the one step that commits a day.
"""

import os
import shutil
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

_MANIFEST = "day.json"
_SCRATCH = ".scratch"
_REMEMBERED = 4_000


class LakeError(Exception):
    """The lake on disk is not what it should be; says which file and what to do."""


class LogFile(BaseModel):
    """A log file that a partition was read from; `path` is relative to the data root.

    `changed_ns` is when its content, name or rights last changed, which copying with old dates does not hide. What
    lies elsewhere has a `version` instead: an object's ETag, a table's version, a digest of a day's rows.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    path: str
    bytes: int
    changed_ns: int = 0
    version: str = ""

    @property
    def identity(self) -> tuple[str, str] | tuple[str, int, int]:
        """What another content would have otherwise."""
        return (self.path, self.version) if self.version else (self.path, self.bytes, self.changed_ns)


class DayManifest(BaseModel):
    """What one source delivered for one log date. Row counts are zero when nothing entered the lake.

    `contract` and `fields` say what definition of the source the rows were stored under; `refused_fields`, under which
    newer one its files could not be read again. `timezone` and `late_arrival_days` are the project's that the rows were
    judged by, `earlier_days` the contents of the days that they were compared with; each is unknown of a day that an
    earlier release read. Rows of `unjudged_experiments`, whose configuration was broken, were accepted with any
    variant; those of `unknown_experiments` are in quarantine, and so are rows of variants that an experiment did not
    have: `refused_variants` has those experiments, with the variants they had. `request` is the token of what the run
    that read the day was asked for. `is_due`: its source could not be reached when it was last to be read, so that the
    next run reads it; its rows, if any, are those of an earlier reading.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    source_id: str
    log_date: date
    status: Literal["ok", "empty", "missing", "failed"]
    reason: str = ""
    rows_read: int = 0
    rows_accepted: int = 0
    rows_duplicate: int = 0
    rows_quarantined: int = 0
    rows_file: str | None = None
    quarantine_file: str | None = None
    content_hash: str = ""
    contract: str = ""
    fields: dict[str, str] = {}
    refused_fields: dict[str, str] = {}
    unjudged_experiments: tuple[str, ...] = ()
    unknown_experiments: tuple[str, ...] = ()
    refused_variants: dict[str, tuple[str, ...]] = {}
    timezone: str = ""
    late_arrival_days: int | None = None
    earlier_days: dict[date, str] | None = None
    files: tuple[LogFile, ...] = ()
    request: str = ""
    is_due: bool = False
    profile: dict[str, Any] = {}
    audit: tuple[dict[str, Any], ...] = ()


class Lake:
    """The partitions under one folder. One writer at a time; readers need no lock."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def folder(self, source_id: str, log_date: date) -> Path:
        """Where the partition's manifest and files lie."""
        return self.root / source_id / f"log_date={log_date.isoformat()}"

    def partition(self, source_id: str, log_date: date) -> DayManifest | None:
        """The committed day, or None when it was never ingested.

        Raises LakeError when the manifest cannot be read.
        """
        path = self.folder(source_id, log_date) / _MANIFEST
        try:
            status = path.stat()
            return _parsed(path, (status.st_ino, status.st_mtime_ns, status.st_size))
        except FileNotFoundError:
            return None
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"])
            raise LakeError(
                f"{path}: not a valid manifest ({where + ': ' if where else ''}{first['msg']}); "
                f"read the day again from its log files: `rm {path} && equipoise run --date {log_date}`; "
                "if they are gone, restore the file from a backup"
            ) from error

    def manifests(self, source_id: str, first: date, last: date) -> list[DayManifest]:
        """The committed days with first <= log_date <= last, in order of log date."""
        dates = sorted(day for day in self._dates(source_id) if first <= day <= last)
        found = (self.partition(source_id, day) for day in dates)
        return [manifest for manifest in found if manifest is not None]

    def rows_files(self, source_id: str, dates: Iterable[date]) -> list[Path]:
        """Files with the accepted rows of these log dates, in order of log date."""
        files = []
        for day in sorted(set(dates)):
            manifest = self.partition(source_id, day)
            if manifest is not None and manifest.rows_file is not None:
                files.append(self.folder(source_id, day) / manifest.rows_file)
        return files

    def commit(self, manifest: DayManifest, rows: Path | None = None, quarantine: Path | None = None) -> DayManifest:
        """Make this the partition, in one step, durably: the manifest, naming the two files, which move in.

        Both must lie on the lake's file system. Returns the manifest as committed. Whatever stops this leaves
        the previous partition as it was.
        """
        folder = self.folder(manifest.source_id, manifest.log_date)
        folder.mkdir(parents=True, exist_ok=True)
        token = uuid.uuid4().hex[:12]
        names = {
            "rows_file": _move_in(rows, folder / f"rows-{token}.parquet") or manifest.rows_file,
            "quarantine_file": _move_in(quarantine, folder / f"quarantine-{token}.parquet") or manifest.quarantine_file,
        }
        committed = manifest.model_copy(update=names)
        temporary = folder / f"{_MANIFEST}.{token}"
        temporary.write_text(committed.model_dump_json(indent=1) + "\n")
        _sync(temporary)
        _sync(folder)  # the new names must be on disk before the manifest that counts on them
        temporary.replace(folder / _MANIFEST)
        _sync(folder)
        with suppress(OSError):  # the day is committed; what cannot be removed now, clean() removes
            self._remove_leftovers(folder, committed)
        return committed

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        """A folder for temporary files, on the lake's disk, gone at the end."""
        folder = self.root / _SCRATCH / uuid.uuid4().hex
        folder.mkdir(parents=True)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def clean(self) -> list[Path]:
        """Remove what a dead run left and return it. Only for the holder of the writer lock."""
        removed = sorted((self.root / _SCRATCH).glob("*"))
        for scratch in removed:
            shutil.rmtree(scratch)
        for folder in sorted(self.root.glob("*/log_date=*")):
            day = _log_date(folder)
            if day is None:
                continue
            try:
                manifest = self.partition(folder.parent.name, day)
            except LakeError:
                continue  # what it counted on is not known; who reads the partition says what to do
            removed += self._remove_leftovers(folder, manifest)
        return removed

    def _dates(self, source_id: str) -> list[date]:
        days = (_log_date(folder) for folder in (self.root / source_id).glob("log_date=*"))
        return [day for day in days if day is not None]

    @staticmethod
    def _remove_leftovers(folder: Path, manifest: DayManifest | None) -> list[Path]:
        kept = {_MANIFEST} | ({manifest.rows_file, manifest.quarantine_file} if manifest else set())
        leftovers = [path for path in sorted(folder.iterdir()) if path.name not in kept]
        for path in leftovers:
            path.unlink()
        return leftovers


@lru_cache(maxsize=_REMEMBERED)
def _parsed(path: Path, _version: tuple[int, int, int]) -> DayManifest:
    """Read once a process what each step reads; a manifest that is replaced is another file."""
    return DayManifest.model_validate_json(path.read_bytes())


def _log_date(folder: Path) -> date | None:
    try:
        return date.fromisoformat(folder.name.removeprefix("log_date="))
    except ValueError:
        return None


def _move_in(source: Path | None, target: Path) -> str | None:
    if source is None:
        return None
    _sync(source)
    source.replace(target)
    return target.name


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
