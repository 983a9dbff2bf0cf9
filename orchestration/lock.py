"""The writer lock: one pipeline run at a time on a state folder."""

import fcntl
import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path


class LockHeldError(RuntimeError):
    """Another process is writing to the state folder."""


@contextmanager
def writer_lock(path: Path, *, wait_seconds: float = 0.0) -> Iterator[None]:
    """Hold the exclusive lock on `path`; the kernel frees it when the process ends, however it ends.

    Raises LockHeldError, naming the holder, when it is still held after `wait_seconds`.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+", encoding="utf-8") as file:
        deadline = time.monotonic() + wait_seconds
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    file.seek(0)
                    raise LockHeldError(
                        f"{path}: another run is writing ({file.read() or 'owner unknown'}); "
                        "wait for it to end, or stop that process"
                    ) from None
                time.sleep(0.1)
        file.seek(0)
        file.truncate()
        json.dump(
            {
                "pid": os.getpid(),
                "host": socket.gethostname(),
                "since": datetime.now(UTC).isoformat(timespec="seconds"),
            },
            file,
        )
        file.flush()
        try:
            yield
        finally:
            file.seek(0)
            file.truncate()
