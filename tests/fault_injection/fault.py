"""What a fault is here: how it gets into a project, and all that must come of it. One fault is one test id."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Literal

import pandas as pd

from configs.schema import Format
from orchestration.alerts.incidents import Kind

HISTORY_START = date(2026, 9, 1)
QUIET = 14
"""Days of the month up to this one are history: they are run at once, and nothing is wrong in them."""

FIRST_FAULTY = 12
"""First log with something wrong in it: what happens before an experiment's start is nobody's fault until then."""

LAST = 17
"""The days after the quiet ones are run one by one, up to this one; then everything is mended and they run again."""

NEW, OLD = 15, 6
"""First day of experiments that begin with their fault, and of those that have a past."""

ANYBODY = "anybody"
"""The recipient of what no route fits."""

MENDED = "mended"
Round = int | Literal["mended"]
"""A run: of the day of the month that it ends with, or the last one, over the mended logs and configuration."""

ROUNDS: tuple[Round, ...] = (QUIET, *range(QUIET + 1, LAST + 1), MENDED)
Severity = Literal["warning", "error", "critical"]
Gate = Literal["invalid", "rollback", "incomplete", "nothing"]


def day(number: int) -> date:
    """A day of the month."""
    return HISTORY_START + timedelta(days=number - 1)


@dataclass(frozen=True)
class Incident:
    """One incident that a fault must bring: found by `check` in the round of `day`, over in the round `gone`.

    `since` is the first as-of date that its check fails of, where that was published before it did. `says` is a
    regular expression of its message. `subject` is the fault's name where it is not given. From `unseen_from` on
    nothing can be looked for, so that it is not over. `recipient`, where it is not the fault's own, is that of a log
    which others share.
    """

    check: str
    day: int
    severity: Severity = "error"
    says: str = ""
    segment: str = "all"
    kind: Kind = "health"
    subject: str = ""
    gone: Round = MENDED
    gate: Gate | None = None
    unseen_from: int = LAST + 1
    recipient: str = ""
    since: int = 0

    @property
    def gates(self) -> Gate:
        """What it holds back: errors make an experiment invalid, warnings hold back nothing, unless it says so."""
        if self.gate is not None:
            return self.gate
        return "invalid" if self.severity == "error" else "nothing"

    @property
    def days(self) -> range:
        """The days of the month on which its check fails."""
        return range(self.day, min(self.unseen_from, self.gone if isinstance(self.gone, int) else LAST + 1))


@dataclass(frozen=True)
class Logs:
    """The rows of one fault's own units, over all log dates: `log_date` and the columns of the log."""

    exposures: pd.DataFrame
    orders: pd.DataFrame


@dataclass(frozen=True)
class Fault:
    """What is done to an experiment or a source of its own, and what must come of it.

    `prepares` gives its units rows that they have in any case, `breaks` changes them, `damages` the files of a log date
    (by the data root and the fault's name), `edits` its configuration (by the folder) before the round `edited_on`.
    `earlier` is the YAML of an experiment that its units were in before, `measure` more of the amounts in a log of its
    own. `decision` is that of the day after the end, `after_mending` the same once all is mended: `ship`, because every
    experiment has a large true effect.
    """

    injects: str
    incidents: tuple[Incident, ...]
    units: int = 400
    start: int = NEW
    prepares: Callable[[Logs], Logs] = lambda logs: logs
    breaks: Callable[[Logs], Logs] = lambda logs: logs
    damages: tuple[tuple[int, Callable[[Path], None]], ...] = ()
    edits: Callable[[Path], None] | None = None
    edited_on: int = NEW
    mends: Callable[[Path], None] | None = None
    experiment: str = ""
    weights: tuple[tuple[str, float], ...] = (("a", 0.5), ("b", 0.5))
    is_hashed: bool = True
    metrics: str = ""
    secondary: tuple[str, ...] = ()
    is_guarded: bool = False
    earlier: str = ""
    measure: str = ""
    source: str = ""
    format: Format = "parquet"
    decision: str = "ship"
    after_mending: str = "ship"
