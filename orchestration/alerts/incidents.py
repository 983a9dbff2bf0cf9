"""An incident: one thing that is wrong, whichever run finds it, and the evidence of a run."""

import hashlib
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date
from typing import Any, Literal

from configs.alert_schema import SEVERITIES, Severity

Kind = Literal["health", "rollback", "source", "check", "run"]

UNJUDGED_BY = ("configuration", "computation")
"""Checks that fail where an experiment's other checks, or its decision, could not be computed."""


@dataclass(frozen=True)
class Incident:
    """What is wrong (kind, subject, check and segment make its fingerprint), how gravely, and how it shows.

    `subject` is an experiment, a source, an asset or a job. `figure_class` grows when the figure becomes much worse.
    `experiment_id`, `source_id`, `owner` and `team` are what it is routed by.
    """

    kind: Kind
    subject: str
    check: str
    severity: Severity
    message: str
    gated: str
    runbook: str
    segment: str = "all"
    figure: float | None = None
    threshold: float | None = None
    figure_class: int = 0
    as_of: date | None = None
    since: date | None = None
    query: str = ""
    experiment_id: str = ""
    source_id: str = ""
    owner: str = ""
    team: str = ""

    @property
    def fingerprint(self) -> str:
        """Twelve digits that are the same in every run which finds the same thing wrong."""
        identity = "\0".join((self.kind, self.subject, self.check, self.segment))
        return hashlib.sha256(identity.encode()).hexdigest()[:12]

    @property
    def gravity(self) -> tuple[int, int]:
        """Rank of the severity, and the class of the figure: whoever was told is told again when one grows."""
        return SEVERITIES.index(self.severity), self.figure_class

    def since_at_latest(self, day: date | None) -> "Incident":
        """The same incident, known to have begun by `day`."""
        days = [known for known in (self.since, day) if known is not None]
        return replace(self, since=min(days, default=None))

    def as_json(self) -> dict[str, Any]:
        """Plain values; `from_json` reads them."""
        return asdict(self) | {
            name: day.isoformat() if (day := getattr(self, name)) is not None else None for name in ("as_of", "since")
        }

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> "Incident":
        """The incident that `as_json` wrote."""
        days = {name: date.fromisoformat(values[name]) if values[name] else None for name in ("as_of", "since")}
        return cls(**(values | days))


@dataclass(frozen=True)
class Evidence:
    """What a run found wrong, and what it looked at: an incident that it looked for and did not find is over.

    A run judges kinds as a whole (`kinds`), the checks it evaluated (`checks`: asset and check) and, by succeeding,
    the failures of its job (`jobs`). Of `unjudged` experiments nothing could be computed: what was wrong with them may
    still be.
    """

    incidents: Sequence[Incident]
    kinds: frozenset[Kind] = frozenset()
    checks: frozenset[tuple[str, str]] = frozenset()
    jobs: frozenset[str] = frozenset()
    unjudged: frozenset[str] = frozenset()

    def judges(self, incident: Incident) -> bool:
        """Whether this evidence would show the incident if it were still there."""
        if incident.kind == "check":
            return (incident.subject, incident.check) in self.checks
        if incident.kind == "run":
            return incident.subject in self.jobs
        if incident.experiment_id in self.unjudged and incident.check not in UNJUDGED_BY:
            return False
        return incident.kind in self.kinds


def figure_class(figure: float | None, threshold: float | None, *, is_p_value: bool = False) -> int:
    """Orders of magnitude of a figure above its threshold, 0 below ten times; of a threshold of 0, of the figure.

    P-values have one class: they fall from day to day by themselves.
    """
    if is_p_value or figure is None or not math.isfinite(figure) or figure == 0:
        return 0
    scale = abs(threshold) if threshold and math.isfinite(threshold) else 1.0
    return max(0, math.floor(math.log10(abs(figure) / scale) + 1e-9))
