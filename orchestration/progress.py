"""Progress bars on standard error, where somebody is looking at it."""

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeVar

from rich.console import Console
from rich.progress import track

Item = TypeVar("Item")

_TERMINAL: ContextVar[Console | None] = ContextVar("terminal", default=None)


@contextmanager
def shown_on_terminal() -> Iterator[None]:
    """Let bars reach the terminal that standard error is now; Dagster redirects it while a step runs."""
    if not sys.stderr.isatty():
        yield
        return
    with os.fdopen(os.dup(sys.stderr.fileno()), "w", encoding="utf-8") as terminal:
        token = _TERMINAL.set(Console(file=terminal))
        try:
            yield
        finally:
            _TERMINAL.reset(token)


def with_progress(items: Sequence[Item], description: str) -> Iterator[Item]:
    """Yield the items, behind a bar within `shown_on_terminal`."""
    console = _TERMINAL.get()
    if console is None:
        yield from items
    else:
        yield from track(items, description, console=console, transient=True)
