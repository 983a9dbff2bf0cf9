"""Why a decision is what it is: one reason for every rule or gate that fired."""

import json
import math
from dataclasses import dataclass
from typing import Literal

Recommendation = Literal["ship", "continue", "stop", "rollback", "invalid", "review"]
Outcome = Recommendation | Literal["note"]


@dataclass(frozen=True)
class Reason:
    """A rule or gate that fired, and the recommendation it speaks for (`note`: for none).

    `value` was compared with `threshold`; `message` says both in words.
    """

    rule: str
    outcome: Outcome
    message: str
    metric_id: str | None = None
    variant_id: str | None = None
    value: float | None = None
    threshold: float | None = None


@dataclass(frozen=True)
class Verdict:
    """A recommendation, the variant it is about if any, every reason, and a sentence for people."""

    recommendation: Recommendation
    variant_id: str | None
    reasons: tuple[Reason, ...]
    summary: str


def reasons_json(reasons: tuple[Reason, ...]) -> str:
    """A JSON list with an object for every reason; what is not a finite number is null."""
    return json.dumps([{key: _plain(value) for key, value in vars(reason).items()} for reason in reasons])


def _plain(value: str | float | None) -> str | float | None:
    return None if isinstance(value, float) and not math.isfinite(value) else value
