"""What differs between two pinned configurations of an experiment, in words."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

_IDS = ("id", "metric")
_SHOWN = 5


def definition_changes(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """The fields that differ, as `path: value before, now value`; thresholds of health checks are no definition."""
    ours, theirs = dict(_flat(before)), dict(_flat(now))
    return [
        f"{path}: {ours.get(path, 'absent')}, now {theirs.get(path, 'absent')}"
        for path in sorted({*ours, *theirs})
        if ours.get(path) != theirs.get(path)
    ]


def listed_changes(changes: list[str]) -> str:
    """The first of them, and how many more."""
    more = f"; and {len(changes) - _SHOWN} more" if len(changes) > _SHOWN else ""
    return "; ".join(changes[:_SHOWN]) + more


def _flat(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Fields by their path; entries of a list that have an id are found by it, whatever their order."""
    if isinstance(value, list) and value and all(_id_of(entry) for entry in value):
        value = {_id_of(entry): entry for entry in value}
    if not isinstance(value, Mapping):
        yield path, json.dumps(value, ensure_ascii=False)
        return
    for key, item in value.items():
        if key != "health" or path not in ("project", "experiment"):
            yield from _flat(item, f"{path}.{key}" if path else str(key))


def _id_of(entry: Any) -> str:
    return next((str(entry[key]) for key in _IDS if key in entry), "") if isinstance(entry, Mapping) else ""
