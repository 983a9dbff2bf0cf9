"""What every published row says of its origin: the configuration, the code, the input."""

import hashlib
from collections.abc import Iterable, Mapping
from datetime import date
from functools import cache
from importlib.metadata import version
from pathlib import Path

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
