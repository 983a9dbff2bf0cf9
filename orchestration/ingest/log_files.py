"""Which files hold the log of a day."""

import os
import re
from collections.abc import Iterator
from datetime import date
from fnmatch import fnmatchcase
from pathlib import Path

from orchestration.ingest.errors import IngestError
from orchestration.lake import LogFile

_REMOTE = re.compile(r"^[a-z][a-z0-9+.-]*://")
_MAGIC = re.compile(r"[*?\[]")


def log_files(pattern: str, log_date: date, data_root: Path) -> list[LogFile]:
    """Files that match `pattern` on `log_date`, sorted by path.

    `{date}` is YYYY-MM-DD; `*`, `?`, `[…]` match within a path segment, `**` any folders; names that start
    with a dot need a pattern that does. Unlike glob, a folder that may not be read raises IngestError:
    a day must not look missing because a permission is.
    """
    if _REMOTE.match(pattern):
        raise IngestError(
            f"{pattern}: object stores are read as s3://bucket/key; give that, or a path below the data root"
        )
    if not data_root.is_dir():
        raise IngestError(f"{data_root}: no such data folder; set --data or EQUIPOISE_DATA")
    segments = Path(pattern.replace("{date}", log_date.isoformat())).parts
    try:
        paths = sorted(set(_matches(data_root, segments)), key=lambda path: path.as_posix())
        return [_log_file(path, data_root) for path in paths]
    except OSError as error:
        raise IngestError(f"{error.filename}: cannot list the log files: {error.strerror}") from error


def _matches(folder: Path, segments: tuple[str, ...]) -> Iterator[Path]:
    if not segments:
        yield folder
        return
    segment, rest = segments[0], segments[1:]
    if segment == "**":
        yield from _matches(folder, rest)
        for entry in _entries(folder):
            if entry.is_dir(follow_symlinks=False) and not entry.name.startswith("."):
                yield from _matches(folder / entry.name, segments)
    elif not _MAGIC.search(segment):
        if _exists(folder / segment):
            yield from _matches(folder / segment, rest)
    else:
        for entry in _entries(folder):
            hidden = entry.name.startswith(".") and not segment.startswith(".")
            if not hidden and fnmatchcase(entry.name, segment):
                yield from _matches(folder / entry.name, rest)


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except (FileNotFoundError, NotADirectoryError):
        return []


def _exists(path: Path) -> bool:
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True


def _log_file(path: Path, data_root: Path) -> LogFile:
    name = os.path.relpath(path, data_root)
    if not path.exists():
        return LogFile(path=name, bytes=0)  # a dangling link, which fails when it is read
    status = path.stat()
    return LogFile(path=name, bytes=status.st_size, changed_ns=status.st_ctime_ns)
