"""What every published row says of its origin: the configuration, the code, the input."""

import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date
from functools import cache
from importlib.metadata import version
from pathlib import Path

PROVENANCE = ("config_hash", "code_version", "input_watermark", "input_digest")
"""The columns of it, in the order in which published rows end."""

PACKAGES = ("analysis", "configs", "dbt_project", "orchestration")


@cache
def code_version() -> str:
    """The release, and a digest of the code and SQL that computed the numbers."""
    root = Path(__file__).resolve().parent.parent
    digest = hashlib.sha256()
    for package in PACKAGES:
        for path in sorted((root / package).rglob("*")):
            if path.suffix in (".py", ".sql") and path.is_file():
                digest.update(str(path.relative_to(root)).encode() + b"\0" + path.read_bytes())
    return f"{version('equipoise')}+{digest.hexdigest()[:8]}"


def input_watermark(days: Mapping[tuple[str, date], str], sources: Iterable[str], as_of: date) -> date | None:
    """The latest log date that every one of the sources had reached by `as_of`; there may be gaps before it.

    Args:
        days: status of each (source, log date): `ok` and `empty` count as ingested.
        sources: ids of the sources an experiment reads.
        as_of: the as-of date.

    """
    latest = []
    for source in sources:
        ingested = [
            log_date
            for (source_id, log_date), status in days.items()
            if source_id == source and log_date <= as_of and status in ("ok", "empty")
        ]
        if not ingested:
            return None
        latest.append(max(ingested))
    return min(latest, default=None)


def input_digests(
    partitions: Mapping[tuple[str, date], str], sources: Collection[str], first: date, as_of_dates: Sequence[date]
) -> list[str]:
    """For each as-of date 16 digits that change when one of the lake partitions it is computed from does.

    Args:
        partitions: content of each (source, log date).
        sources: ids of the sources an experiment reads.
        first: the first log date that can change one of its numbers.
        as_of_dates: ascending; an as-of date reads the log dates up to it.

    """
    reach = sorted((log_date, source) for source, log_date in partitions if source in sources and log_date >= first)
    digest, position, found = hashlib.sha256(), 0, []
    for as_of in as_of_dates:
        while position < len(reach) and reach[position][0] <= as_of:
            log_date, source = reach[position]
            digest.update(f"{log_date} {source} {partitions[source, log_date]}\n".encode())
            position += 1
        found.append(digest.hexdigest()[:16])
    return found
