"""The sentences of a decision, for people who do not read intervals."""

import math
from collections.abc import Sequence
from datetime import date

from analysis.decisions.evidence import Comparison, FailedCheck
from analysis.decisions.reasons import Reason


def change(row: Comparison) -> str:
    """The observed change, relative where the baseline allows it."""
    if math.isfinite(row.effect_relative):
        return f"{row.effect_relative:+.1%}"
    return f"{row.effect:+.4g}"


def interval(row: Comparison) -> str:
    """The adjusted interval, in shares of the observed baseline where it is not 0."""
    low, high = row.ci_low_adjusted, row.ci_high_adjusted
    if row.baseline_mean:
        return f"between {low / abs(row.baseline_mean):+.1%} and {high / abs(row.baseline_mean):+.1%}"
    return f"between {low:+.4g} and {high:+.4g}"


def invalid(checks: Sequence[FailedCheck]) -> str:
    """A failed quality check."""
    if not checks:
        return "Do not use these results: no health check was computed, so nothing vouches for the data."
    more = f" ({len(checks)} checks fail in all)" if len(checks) > 1 else ""
    return f"Do not use these results: the check {checks[0].name} fails{more}: {checks[0].message}."


def planned_end(end: date, due: date) -> str:
    """A running experiment."""
    complete = "" if due == end else f", when every metric is complete for the units of its last day, {end:%Y-%m-%d}"
    return f"Keep it running: it is decided once, on {due:%Y-%m-%d}{complete}."


def rollback(worst: Comparison, harmed: Sequence[Comparison], shippable: str | None) -> str:
    """A treatment that does harm; `shippable` is another one that meets every condition by itself."""
    own = [row for row in harmed if row.variant_id == worst.variant_id]
    others = sorted({row.variant_id for row in harmed} - {worst.variant_id})
    found = _listed([f"{row.label} is worse ({change(row)})" for row in own])
    also = f" {_listed(others)} does harm too." if others else ""
    apart = f" {shippable} meets every condition to ship by itself." if shippable else ""
    return f"Roll back {worst.variant_id}: {found}, beyond what chance explains.{also}{apart}"


def ship(wins: Sequence[Comparison], guardrails: Sequence[Comparison]) -> str:
    """A treatment that meets every condition."""
    return f"Ship {wins[0].variant_id}: {_better(wins)}{_proven(guardrails)}."


def review_win(
    wins: Sequence[Comparison],
    unproven: Sequence[Comparison],
    lacking: Sequence[Comparison],
    gates: Sequence[Reason],
) -> str:
    """A win that the plan does not let pass by itself."""
    doubts = []
    if unproven:
        verb = "is" if len(unproven) == 1 else "are each"
        doubts.append(f"{_listed([row.label for row in unproven])} {verb} not proven to be within its margin")
    doubts += _doubts(lacking, gates)
    return f"Review {wins[0].variant_id}: {_better(wins)}, but {'; '.join(doubts)}."


def review_underpowered(lacking: Sequence[Comparison], gates: Sequence[Reason]) -> str:
    """An end that could not tell; `lacking` are the primaries without a result."""
    return f"Review: the experiment ended before it could tell. {'; '.join(_doubts(lacking, gates))}."


def stop(primaries: Sequence[Comparison]) -> str:
    """No win, and the plan was carried out."""
    several = len({row.variant_id for row in primaries}) > 1
    found = [
        f"{row.label}{f' in {row.variant_id}' if several else ''} {change(row)}, {interval(row)}" for row in primaries
    ]
    return f"Stop: no primary metric is proven better ({'; '.join(found)})."


def _doubts(lacking: Sequence[Comparison], gates: Sequence[Reason]) -> list[str]:
    """Each primary without a result, once for all treatments that share its reason; then every other gate."""
    without_result = {(row.metric_id, row.variant_id) for row in lacking}
    doubts = [f"{row.label} has no result: {row.plain_reason}" for row in lacking]
    doubts += [gate.message for gate in gates if (gate.metric_id, gate.variant_id) not in without_result]
    return list(dict.fromkeys(doubts))


def _better(wins: Sequence[Comparison]) -> str:
    described = [f"{row.label} is better ({change(row)}, {interval(row)})" for row in wins]
    return _listed(described)


def _proven(guardrails: Sequence[Comparison]) -> str:
    if not guardrails:
        return ""
    verb = "is" if len(guardrails) == 1 else "are each"
    return f", and {_listed([row.label for row in guardrails])} {verb} proven to be within its margin"


def _listed(items: Sequence[str]) -> str:
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} and {items[-1]}"
