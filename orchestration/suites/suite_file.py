"""Writes a refresh into `expectations/<source>.yaml`: comments, order and layout of everything else stay."""

import io
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.scalarstring import DoubleQuotedScalarString

from configs.suite_load import suite_file
from configs.suite_schema import Entry, Suite
from orchestration.suites.refresh import Change, Refresh, Section

HEADER = """\
What a day of {source_id} looks like when nothing is wrong; docs/expectations.md explains every key.
`equipoise suites refresh` keeps the entries up to date that are as it wrote them. Change one, and it is yours;
take one out, and it stays out. `severity` is blocking (the day stays out of the lake), warning or off."""

_KEYS = ("figure", "expect", "column", "of", "event", "min_value", "max_value", "value_set", "regex", "mostly")
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_ .-]*")
_REWRITTEN = ("min_value", "max_value", "value_set", "regex", "mostly", "severity", "observed")


def write_refresh(configs: Path, refresh: Refresh) -> Path:
    """Write the changes; the file is replaced in one step."""
    path = configs / suite_file(refresh.source_id)
    data = _yaml().load(path.read_bytes()) if path.exists() else None
    if data is None:
        data = CommentedMap()
        data.yaml_set_start_comment(HEADER.format(source_id=refresh.source_id) + "\n")
    suite = refresh.suite or Suite()
    for section in ("day", "rows"):
        changes = [change for change in refresh.changes if change.section == section and change.is_written]
        _change_section(data, section, getattr(suite, section), changes)
    data["refreshed"] = _as_map(refresh.refreshed.model_dump())
    text = io.StringIO()
    _yaml().dump(data, text)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.write_text(text.getvalue(), encoding="utf-8")
    temporary.replace(path)
    return path


def entry_map(entry: Entry) -> dict[str, Any]:
    """An entry's keys as a file holds them: whole numbers as such, the severity always, no other default."""
    given = entry.model_dump(exclude_defaults=True) | {"severity": entry.severity}
    ordered = {key: given[key] for key in (*_KEYS, "severity", "observed", "note") if key in given}
    return {
        key: int(value) if isinstance(value, float) and value.is_integer() else value for key, value in ordered.items()
    }


def _plain_number(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _yaml() -> YAML:
    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = 120
    yaml.indent(mapping=2, sequence=4, offset=2)
    return yaml


def _change_section(data: CommentedMap, section: Section, entries: tuple[Entry, ...], changes: list[Change]) -> None:
    if not changes:
        return
    if data.get(section) is None:
        data.pop(section, None)
        data.insert(0 if section == "day" else int("day" in data), section, CommentedSeq())
    items, labels = data[section], [entry.label for entry in entries]
    for change in changes:
        places = [index for index, label in enumerate(labels) if label == change.label]
        if change.kind == "changed" and len(places) == len(change.suggested):
            for place, entry in zip(places, change.suggested, strict=True):
                _rewrite(items[place], entry_map(entry))
            continue
        for place in reversed(places):
            _remove(items, place)
            del labels[place]
        for entry in change.suggested:
            _append(items, _as_map(entry_map(entry)))
            labels.append(change.label)


def _rewrite(item: CommentedMap, new: Mapping[str, Any]) -> None:
    for key in _REWRITTEN:
        if key in new:
            item[key] = _as_node(new[key])
        else:
            item.pop(key, None)


def _append(items: CommentedSeq, item: CommentedMap) -> None:
    """Append the item; what stands between the last one and the next section stays there."""
    after = _take_comment_after(items[-1]) if items else None
    items.append(item)
    if after is not None:
        item.ca.items[list(item)[-1]] = [None, None, after, None]


def _remove(items: CommentedSeq, place: int) -> None:
    after = _take_comment_after(items[place])
    del items[place]
    if after is not None and place:
        before = items[place - 1]
        before.ca.items.setdefault(list(before)[-1], [None, None, after, None])


def _take_comment_after(item: CommentedMap) -> Any:
    """The comment lines below an item, which ruamel.yaml hangs on its last key."""
    hung = item.ca.items.get(list(item)[-1])
    if not hung or hung[2] is None or not hung[2].value.startswith("\n"):
        return None  # nothing, or a comment that belongs to the line
    return item.ca.items.pop(list(item)[-1])[2]


def _as_map(values: Mapping[str, Any]) -> CommentedMap:
    return CommentedMap({key: _as_node(value) for key, value in values.items()})


def _as_node(value: Any) -> Any:
    if isinstance(value, tuple | list):
        sequence = CommentedSeq(text if _PLAIN.fullmatch(text) else DoubleQuotedScalarString(text) for text in value)
        sequence.fa.set_flow_style()
        return sequence
    return _as_map(value) if isinstance(value, Mapping) else value
