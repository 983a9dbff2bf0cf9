"""Brings a suite up to date with what its source's history suggests, and leaves alone what people wrote.

The file notes a digest of each entry that a refresh wrote. An entry whose digest is another one by now, or has none, is
somebody's; one that was taken out of the file stays out. Of entries as written, ends that moved by less than a fifth
stay, too: else each refresh would change every line.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from analysis.expected_ranges import differs
from configs.suite_schema import Entry, Refreshed, Suite
from orchestration.suites.history import SourceHistory
from orchestration.suites.learn import learn_suite

Section = Literal["day", "rows"]
Kind = Literal["added", "changed", "removed", "kept", "left out"]
_NOT_DIGESTED = {"observed", "note"}
_LETTERS = str.maketrans("0123456789", "ghijklmnop")  # YAML would take some digests for numbers


@dataclass(frozen=True)
class Change:
    """What a refresh does to the entries of one label, or would do were they not somebody's (`kept`, `left out`)."""

    source_id: str
    section: Section
    label: str
    kind: Kind
    now: tuple[Entry, ...]
    suggested: tuple[Entry, ...]

    @property
    def is_written(self) -> bool:
        """Whether the refresh changes the file."""
        return self.kind in ("added", "changed", "removed")


@dataclass(frozen=True)
class Refresh:
    """A refresh of one source's suite: what changes, and the note of it for the next one."""

    source_id: str
    suite: Suite | None
    changes: tuple[Change, ...]
    refreshed: Refreshed

    @property
    def is_needed(self) -> bool:
        """Whether the file changes."""
        return any(change.is_written for change in self.changes)


def refresh_suite(current: Suite | None, history: SourceHistory) -> Refresh:
    """Compare the suite as it is, None without a file, with what the history suggests. Nothing is written."""
    source_id, learnt, suite = history.source.id, learn_suite(history), current or Suite()
    noted = suite.refreshed.entries if suite.refreshed is not None else {}
    changes, digests = [], {}
    for section in ("day", "rows"):
        mine, suggested = _groups(getattr(suite, section)), _groups(getattr(learnt, section))
        for label in dict.fromkeys([*suggested, *mine]):
            now, new = mine.get(label, ()), suggested.get(label, ())
            kind = _kind(label, now, new, noted, forgets=history.is_enough)
            if kind is not None:
                changes.append(Change(source_id, section, label, kind, now, new))
            if kind in ("added", "changed"):
                digests[label] = digest(new)
            elif kind != "removed" and label in noted:
                digests[label] = noted[label]
    days = history.days
    refreshed = Refreshed(
        first=days[0].log_date.isoformat() if days else "",
        last=days[-1].log_date.isoformat() if days else "",
        days=len(days),
        entries=digests,
    )
    return Refresh(source_id, current, tuple(changes), refreshed)


def digest(entries: Iterable[Entry]) -> str:
    """Of what the entries check; not of what they say to people."""
    content = [entry.model_dump(exclude=_NOT_DIGESTED, exclude_defaults=True) for entry in entries]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:8].translate(_LETTERS)


def _groups(entries: Iterable[Entry]) -> dict[str, tuple[Entry, ...]]:
    """Entries by label: those of one figure, of several severities, are one."""
    groups: dict[str, tuple[Entry, ...]] = {}
    for entry in entries:
        groups[entry.label] = (*groups.get(entry.label, ()), entry)
    return groups


def _kind(
    label: str, now: Sequence[Entry], new: Sequence[Entry], noted: Mapping[str, str], *, forgets: bool
) -> Kind | None:
    """What to do; None: nothing. `forgets` says that what is no longer suggested can go."""
    if not now:
        return "left out" if label in noted else "added"
    is_as_written = noted.get(label) == digest(now)
    if not new:
        return "removed" if is_as_written and forgets else None
    if not _differ(now, new):
        return None
    return "changed" if is_as_written else "kept"


def _differ(now: Sequence[Entry], new: Sequence[Entry]) -> bool:
    return len(now) != len(new) or any(_differs(old, entry) for old, entry in zip(now, new, strict=True))


def _differs(old: Entry, new: Entry) -> bool:
    bounds = {"min_value", "max_value"}
    if old.model_dump(exclude=bounds | _NOT_DIGESTED) != new.model_dump(exclude=bounds | _NOT_DIGESTED):
        return True
    return differs(old.min_value, new.min_value) or differs(old.max_value, new.max_value)
