"""The writer lock: one pipeline run at a time on a state folder.

The lock is the kernel's (`flock`), so the end of a process frees it, however the process ended. The text in the file
only says whose it is: a writer that ends takes its text away, so text that a new writer finds is a dead one's.
"""

import fcntl
import json
import os
import shlex
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

_SHOWN_COMMAND = 160
_POLL_SECONDS = 0.1

_held: dict[Path, "Owner | None"] = {}
"""The locks of this process, each with the dead writer it was taken over from: a step may ask for what its run has."""


class LockHeldError(RuntimeError):
    """Another process is writing to the state folder."""


@dataclass(frozen=True)
class Owner:
    """Who holds the lock, or held it when it died."""

    pid: int
    host: str
    command: str
    since: str

    def __str__(self) -> str:
        return f"pid {self.pid} on {self.host}, `{self.command}`, since {self.since}"

    @property
    def age(self) -> str:
        """How long it has held the lock, for people; empty when the file does not say."""
        try:
            seconds = int((datetime.now(UTC) - datetime.fromisoformat(self.since)).total_seconds())
        except (ValueError, TypeError):
            return ""
        minutes, seconds = divmod(max(seconds, 0), 60)
        hours, minutes = divmod(minutes, 60)
        return f"{hours} h {minutes} min" if hours else f"{minutes} min {seconds} s" if minutes else f"{seconds} s"


@contextmanager
def writer_lock(path: Path, *, wait_seconds: float = 0.0) -> Iterator[Owner | None]:
    """Hold the exclusive lock on `path` until the end of the block; this process may hold it already.

    Yields the writer that died holding it, if the last one did: what it left is to be cleaned.
    Raises LockHeldError, naming the holder and the age of its lock, when it is still held after `wait_seconds`.
    """
    path = path.resolve()
    if path in _held:
        yield _held[path]
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+", encoding="utf-8", errors="replace") as file:
        _wait_for(file, path, wait_seconds)
        dead = _owner(file)
        _write(file, json.dumps(asdict(_this_process())))
        _held[path] = dead
        try:
            yield dead
        finally:
            del _held[path]
            _write(file, "")


@contextmanager
def kept_out(path: Path) -> Iterator[bool]:
    """Keep writers out without being one, for a moment: the text of one that died stays for the next.

    Yields False where a writer is at work, which is not disturbed.
    """
    try:
        file = path.open("rb")
    except FileNotFoundError:
        yield True
        return
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True


def is_locked(path: Path) -> bool:
    """Whether a living process holds the lock on a file."""
    with kept_out(path) as is_free:
        return not is_free


def holder(path: Path) -> Owner | None:
    """Whom the file names: who holds the lock, or died with it."""
    if not path.exists():
        return None
    with path.open(encoding="utf-8", errors="replace") as file:
        return _owner(file)


def _wait_for(file: TextIO, path: Path, wait_seconds: float) -> None:
    deadline = time.monotonic() + wait_seconds
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                raise LockHeldError(_refusal(path, _owner(file), wait_seconds)) from None
            time.sleep(_POLL_SECONDS)
        else:
            return


def _refusal(path: Path, owner: Owner | None, waited: float) -> str:
    holder = f"{owner}" + (f" ({owner.age})" if owner.age else "") if owner else "its owner is not known yet"
    still = f"after {waited:g} s another run is still writing" if waited else "another run is writing"
    return f"{path}: {still}: {holder}; wait for it to end (`equipoise run --wait SECONDS`), or stop that process"


def _owner(file: TextIO) -> Owner | None:
    """The owner that the file names; text that names none (cut short by a crash) still stands for somebody."""
    file.seek(0)
    text = file.read()
    if not text.strip("\0 \n"):
        return None
    try:
        return Owner(**json.loads(text))
    except (ValueError, TypeError):
        return Owner(pid=0, host="unknown", command="unknown", since="unknown")


def _this_process() -> Owner:
    command = shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]])
    return Owner(
        pid=os.getpid(),
        host=socket.gethostname(),
        command=command if len(command) <= _SHOWN_COMMAND else command[: _SHOWN_COMMAND - 1] + "…",
        since=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def _write(file: TextIO, text: str) -> None:
    """Replace the text, on disk too: after a power cut it still tells that a writer died."""
    file.seek(0)
    file.truncate()
    file.write(text)
    file.flush()
    os.fsync(file.fileno())
