"""The published files of a run, each with a digest: what a destination lacks is what it has no such digest of."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Part:
    """A Parquet file of a table; `partition` is its folder, such as as_of_date=2026-10-01, or empty."""

    table: str
    partition: str
    path: Path
    bytes: int
    digest: str


@dataclass(frozen=True)
class Sent:
    """What went to a destination, in parts of tables; none when it had them all."""

    parts: int
    bytes: int
    removed: int


def published_parts(run: Path) -> list[Part]:
    """Every part of a run, in order of table and partition. Reads each file once."""
    found = []
    for path in sorted(run.glob("*/**/*.parquet")):
        table, *partition, _ = path.relative_to(run).parts
        content = path.read_bytes()
        found.append(Part(table, "/".join(partition), path, len(content), hashlib.sha256(content).hexdigest()[:32]))
    return found


def sent(new: Iterable[Part], removed: int) -> Sent:
    """The sum of what was sent."""
    parts = list(new)
    return Sent(len(parts), sum(part.bytes for part in parts), removed)
