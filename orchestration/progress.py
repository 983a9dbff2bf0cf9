"""Progress bars on standard error, where somebody is looking at it."""

from collections.abc import Iterator, Sequence
from typing import TypeVar

from rich.console import Console
from rich.progress import track

Item = TypeVar("Item")


def with_progress(items: Sequence[Item], description: str) -> Iterator[Item]:
    """Yield the items behind a bar when standard error is a terminal, plainly otherwise."""
    console = Console(stderr=True)
    yield from track(items, description, console=console, transient=True, disable=not console.is_terminal)
