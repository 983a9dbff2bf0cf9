"""What a day is judged by: what is known of its rows, and what they should be."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import pandas as pd

from configs.suite_schema import Entry, Suite


@dataclass(frozen=True)
class DayContract:
    """What every accepted row of a day keeps.

    Columns never missing, columns that together occur once, value sets by column, and the range of instants (UTC).
    `has_steady_volume` says that days can be compared: exposures come and go with experiments, events do not; those of
    experiments that have `ended` only trickle in late.
    """

    required: tuple[str, ...]
    identity: tuple[str, ...]
    value_sets: Mapping[str, Sequence[str]]
    instant: str
    earliest: datetime
    latest: datetime
    has_steady_volume: bool
    ended: frozenset[str] = frozenset()

    @property
    def is_over(self) -> bool:
        """Whether every experiment has ended: what a log of exposures still brings is late, and much of it twice."""
        return not self.has_steady_volume and set(self.value_sets.get("experiment_id", ())) <= self.ended

    def is_comparable(self, slice_: str, rows: int) -> bool:
        """Whether a slice should be as large as ever: any event is; of exposures, those of a running experiment."""
        return self.has_steady_volume or (rows > 0 and slice_.partition("/")[0] not in self.ended)


@dataclass(frozen=True)
class NamedColumn:
    """A column as `sources.yaml` and suites name it: its name in the lake; of a measure, its decimals there."""

    lake_name: str
    decimals: int | None = None


@dataclass(frozen=True)
class DaySuite:
    """The source's suite, and its columns by the names used there.

    `problem` says why its file cannot be used: then `suite` is empty, and the built-in expectations hold.
    """

    suite: Suite = field(default_factory=Suite)
    columns: Mapping[str, NamedColumn] = field(default_factory=dict)
    problem: str = ""

    @property
    def sampled(self) -> list[str]:
        """Names of the columns whose values it looks at, in the order of the source's."""
        used = {entry.column for entry in self.suite.rows} | {
            entry.of for entry in self.suite.day if entry.figure == "median"
        }
        entries: tuple[Entry, ...] = (*self.suite.day, *self.suite.rows)
        if any(entry.event for entry in entries):
            used.add("event_name")
        return [name for name in self.columns if name in used]


@dataclass(frozen=True)
class DayEvidence:
    """A day's profile (as `ingest.profile` makes it), a sample of its accepted rows, and what they should be.

    The sample has the lake's columns: those of the contract; with a suite of its own, what that looks at, too.
    """

    profile: Mapping[str, Any]
    sample: pd.DataFrame
    contract: DayContract
    suite: DaySuite = field(default_factory=DaySuite)

    def named_rows(self) -> pd.DataFrame:
        """The sample as the suite names its columns, measures in their own units, with what finds a row again."""
        rows = pd.DataFrame(index=self.sample.index)
        for name in self.locators:
            rows[name] = self.sample[name]
        for name in self.suite.sampled:
            column = self.suite.columns[name]
            values = self.sample[column.lake_name]
            rows[name] = values if column.decimals is None else values / 10**column.decimals
        return rows

    @property
    def locators(self) -> list[str]:
        """Columns of the sample that find a row again."""
        identity = self.contract.identity if len(self.contract.identity) == 1 else ()
        names = dict.fromkeys([*identity, "unit_id", self.contract.instant])
        return [name for name in names if name in self.sample.columns]
