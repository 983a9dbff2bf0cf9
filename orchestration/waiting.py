"""Runs that wait for the writer lock, each with a lock of its own: the kernel's word on who died while it waited."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def announced(folder: Path, run_id: str) -> Iterator[None]:
    """Hold `<folder>/<run_id>` locked until the end of the block, and remove it then.

    The file is locked before it gets its name: whoever finds it unlocked knows that its process is dead.
    """
    folder.mkdir(parents=True, exist_ok=True)
    temporary, path = folder / f".{run_id}.{os.getpid()}", folder / run_id
    with temporary.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        temporary.replace(path)
        try:
            yield
        finally:
            path.unlink(missing_ok=True)


def died_waiting(folder: Path) -> list[str]:
    """The ids of the runs whose process died while it waited; their files are removed."""
    return [path.name for path in sorted(folder.glob("[!.]*")) if _is_abandoned(path)]


def _is_abandoned(path: Path) -> bool:
    try:
        with path.open() as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # One that has just ended removed its file before it let go of the lock.
            if not path.exists() or path.stat().st_ino != os.fstat(file.fileno()).st_ino:
                return False
            path.unlink()
            return True
    except (BlockingIOError, FileNotFoundError):
        return False
