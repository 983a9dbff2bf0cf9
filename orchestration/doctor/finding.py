"""What an examination says: one line for each thing looked at."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from orchestration.workspace import Workspace


class Status(StrEnum):
    """`warn`: works today, and may not tomorrow; `fail`: a run would not do what it should."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True)
class Finding:
    """What was found of one thing; `advice` says what to do, and is empty where nothing is."""

    status: Status
    message: str
    advice: str = ""


Examination = Callable[[Workspace], Finding]
"""Looks at one thing."""


def fine(message: str) -> Finding:
    """Nothing to do."""
    return Finding(Status.OK, message)


def warn(message: str, advice: str) -> Finding:
    """Something to do soon."""
    return Finding(Status.WARN, message, advice)


def fail(message: str, advice: str) -> Finding:
    """Something to do first."""
    return Finding(Status.FAIL, message, advice)


def megabytes(size: float) -> str:
    """A size for people."""
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.0f} MB"
