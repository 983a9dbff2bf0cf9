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


def adjusted_interval(row: Comparison) -> str:
    """The change with its adjusted interval."""
    return f"{change(row)}, {_between(row, row.ci_low_adjusted, row.ci_high_adjusted)}"


def plain_interval(row: Comparison) -> str:
    """The change with its unadjusted interval."""
    return f"{change(row)}, {_between(row, row.ci_low, row.ci_high)}"


def margin_p_value(row: Comparison) -> str:
    """The change with the p-value of its margin."""
    return f"{change(row)}; one-sided p {row.p_value_non_inferiority:.2g}"


def _between(row: Comparison, low: float, high: float) -> str:
    """An interval, in shares of the observed baseline where it is not 0."""
    if row.baseline_mean:
        return f"between {low / abs(row.baseline_mean):+.1%} and {high / abs(row.baseline_mean):+.1%}"
    return f"between {low:+.4g} and {high:+.4g}"


def better(row: Comparison, found: str) -> str:
    """A goal that is better."""
    return f"{row.label} is better ({found})"


def within_margin(row: Comparison, found: str) -> str:
    """A goal that is non-inferior."""
    return f"{row.label} is proven to be within its margin ({found})"


def invalid(checks: Sequence[FailedCheck]) -> str:
    """A failed quality check."""
    if not checks:
        return "Do not use these results: no health check was computed, so nothing vouches for the data."
    more = f" ({len(checks)} checks fail in all)" if len(checks) > 1 else ""
    return f"Do not use these results: the check {checks[0].name} fails{more}: {checks[0].message}."


def planned_end(end: date, due: date) -> str:
    """A running experiment that is decided once."""
    complete = "" if due == end else f", when every metric is complete for the units of its last day, {end:%Y-%m-%d}"
    return f"Keep it running: it is decided once, on {due:%Y-%m-%d}{complete}."


def holdout_runs(due: date) -> str:
    """A holdout that is not complete yet."""
    return f"Keep it held out: a holdout is measured, and its cumulative effect is complete on {due:%Y-%m-%d}."


def holdout(found: Sequence[str], harmed: Sequence[Comparison]) -> str:
    """What everything together did; `harmed` is proven worse."""
    effect = f"Measured, not shipped: all that the held-out units were kept from changed {'; '.join(found)}"
    if not harmed:
        return f"{effect}. The holdout may end."
    worse = _listed([f"{row.label} is worse ({change(row)})" for row in harmed])
    return f"{effect}. Of all that together {worse}, beyond what chance explains: find which of it does that."


def undecided(due: date, wins: Sequence[str], doubts: Sequence[str]) -> str:
    """A running experiment that is asked at every as-of date; `wins` are held back by `doubts`."""
    found = f" {_listed(wins)}, but {'; '.join(doubts)}." if wins and doubts else ""
    return f"Keep it running: nothing is decided yet; it is asked each day, until {due:%Y-%m-%d} at the latest.{found}"


def rollback(worst: Comparison, harmed: Sequence[Comparison], shippable: str | None) -> str:
    """A treatment that does harm; `shippable` is another one that meets every condition by itself."""
    own = [row for row in harmed if row.variant_id == worst.variant_id]
    others = sorted({row.variant_id for row in harmed} - {worst.variant_id})
    found = _listed([f"{row.label} is worse ({change(row)})" for row in own])
    also = f" {_listed(others)} does harm too." if others else ""
    apart = f" {shippable} meets every condition to ship by itself." if shippable else ""
    return f"Roll back {worst.variant_id}: {found}, beyond what chance explains.{also}{apart}"


def ship(variant_id: str, wins: Sequence[str], guardrails: Sequence[Comparison]) -> str:
    """A treatment that meets every condition."""
    return f"Ship {variant_id}: {_listed(wins)}{_proven(guardrails)}."


def review_win(variant_id: str, wins: Sequence[str], doubts: Sequence[str]) -> str:
    """A win that the plan does not let pass by itself."""
    return f"Review {variant_id}: {_listed(wins)}, but {'; '.join(doubts)}."


def review_underpowered(doubts: Sequence[str]) -> str:
    """An end that could not tell."""
    return f"Review: the experiment ended before it could tell. {'; '.join(doubts)}."


def stop(failure: str, primaries: Sequence[Comparison], found: Sequence[str]) -> str:
    """No win, and the plan was carried out."""
    several = len({row.variant_id for row in primaries}) > 1
    listed = [
        f"{row.label}{f' in {row.variant_id}' if several else ''} {text}"
        for row, text in zip(primaries, found, strict=True)
    ]
    return f"Stop: {failure} ({'; '.join(listed)})."


def futile(failure: str) -> str:
    """A sequential test that has crossed its futility bound."""
    return f"Stop: {failure}, and that is unlikely to change by the planned end."


def doubts(unproven: Sequence[Comparison], lacking: Sequence[Comparison], gates: Sequence[Reason]) -> list[str]:
    """What holds a decision back: unproven guardrails, primaries without a result, then every other gate.

    A primary without a result is named once for all treatments that share its reason.
    """
    without_result = {(row.metric_id, row.variant_id) for row in lacking}
    found = []
    if unproven:
        verb = "is" if len(unproven) == 1 else "are each"
        found.append(f"{_listed([row.label for row in unproven])} {verb} not proven to be within its margin")
    found += [f"{row.label} has no result: {row.plain_reason}" for row in lacking]
    found += [gate.message for gate in gates if (gate.metric_id, gate.variant_id) not in without_result]
    return list(dict.fromkeys(found))


def _proven(guardrails: Sequence[Comparison]) -> str:
    if not guardrails:
        return ""
    verb = "is" if len(guardrails) == 1 else "are each"
    return f", and {_listed([row.label for row in guardrails])} {verb} proven to be within its margin"


def _listed(items: Sequence[str]) -> str:
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} and {items[-1]}"
