"""The verdict of a rule on an experiment's evidence: the first that applies of rollback, ship, review, stop.

Before the end, where a sequential method allows to ask, `continue` stands for review and stop.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date

import numpy as np

from analysis.decisions import wording
from analysis.decisions.criteria import has_deteriorated, is_within_margin
from analysis.decisions.evidence import Comparison, Evidence
from analysis.decisions.findings import (
    alarm_reason,
    futility_reasons,
    guardrail_reason,
    harm_reason,
    unknown_harm_reasons,
)
from analysis.decisions.gates import suspected_harm, unmet_gates, unmet_power, untrusted_look
from analysis.decisions.reasons import Reason, Verdict
from analysis.decisions.rule import Rule


@dataclass(frozen=True)
class Assessment:
    """What a rule finds on one treatment.

    `goals` are its primaries with a result, `achieved` those that meet the rule, `lacking` those without a
    result. `blocked` holds back `ship`; `blocked` and `underpowered` hold back `stop`.
    """

    variant_id: str
    goals: tuple[Comparison, ...]
    achieved: tuple[Comparison, ...]
    lacking: tuple[Comparison, ...]
    unproven: tuple[Comparison, ...]
    blocked: tuple[Reason, ...]
    underpowered: tuple[Reason, ...]
    wins: bool
    is_futile: bool

    @property
    def ships(self) -> bool:
        """Whether it may be shipped, if nothing has deteriorated."""
        return self.wins and not self.unproven and not self.blocked


def decide(evidence: Evidence, rule: Rule, due: date) -> Verdict:
    """Decide an experiment; `due` is the date on which nothing is waited for any more."""
    assessments = [_assess(evidence, rule, variant.id, due) for variant in evidence.experiment.treatments]
    harmed = harmed_rows(evidence, due)
    reasons = _reasons(evidence, rule, assessments, due)
    best = _best(evidence, rule, assessments, {row.variant_id for row, _ in harmed})
    if harmed:
        worst = min(harmed, key=lambda found: found[1])[0]
        shippable = best.variant_id if best is not None else None
        summary = wording.rollback(worst, [row for row, _ in harmed], shippable)
        return Verdict("rollback", worst.variant_id, reasons, summary)
    if best is not None:
        guardrails = evidence.of_role("guardrail", best.variant_id)
        return Verdict("ship", best.variant_id, reasons, wording.ship(best.variant_id, _wins(best, rule), guardrails))
    if evidence.as_of < due:
        return _before_the_end(rule, due, assessments, reasons)
    if any(found.wins or found.blocked or found.underpowered for found in assessments):
        return _review(assessments, rule, reasons)
    goals = [row for found in assessments for row in found.goals]
    summary = wording.stop(rule.failure, goals, [rule.found(row) for row in goals])
    return Verdict("stop", None, reasons, summary)


def monitored(evidence: Evidence) -> Verdict | None:
    """`rollback` where the rollback monitor has found harm; what other tests say is not read."""
    found = [(evidence.comparisons[alarm.metric_id, alarm.variant_id], alarm) for alarm in evidence.alarms]
    if not found:
        return None
    worst = min(found, key=lambda pair: pair[1].p_value)[0]
    reasons = tuple(alarm_reason(row, alarm) for row, alarm in found)
    summary = wording.rollback(worst, [row for row, _ in found], None)
    return Verdict("rollback", worst.variant_id, reasons, summary)


def _assess(evidence: Evidence, rule: Rule, variant_id: str, due: date) -> Assessment:
    experiment = evidence.experiment
    primaries = evidence.of_role("primary", variant_id)
    achieved = tuple(row for row in primaries if rule.achieves(row, experiment))
    quorum = len(primaries) if rule.needs_every_goal else 1
    gates, power = unmet_gates(evidence, variant_id, rule), unmet_power(evidence, variant_id, rule)
    # Crossing a sequential bound is a planned outcome at any size; only its absence asks for the planned power.
    if evidence.as_of < due:
        gates = [*gates, *untrusted_look(evidence, variant_id), *suspected_harm(evidence, variant_id)]
    blocks_ship = gates if experiment.analysis.is_sequential else [*gates, *power]
    n_futile = sum(row.is_futile == 1 for row in primaries)
    return Assessment(
        variant_id=variant_id,
        goals=tuple(row for row in primaries if row.is_computed or row in achieved),
        achieved=achieved,
        lacking=tuple(row for row in primaries if not row.is_computed and row not in achieved),
        unproven=tuple(
            row for row in evidence.of_role("guardrail", variant_id) if not is_within_margin(row, experiment)
        ),
        blocked=tuple(blocks_ship),
        underpowered=tuple(power),
        wins=len(achieved) >= quorum,
        is_futile=n_futile >= (1 if rule.needs_every_goal else len(primaries)),
    )


def is_proven_worse(row: Comparison, evidence: Evidence, due: date) -> bool:
    """Whether the deterioration test counts: before the end a skewed one proves nothing."""
    return has_deteriorated(row, evidence.experiment) and (evidence.as_of >= due or not row.is_skewed)


def harmed_rows(evidence: Evidence, due: date) -> list[tuple[Comparison, float]]:
    """What has deteriorated, by the deterioration test or the rollback monitor, with its p-value."""
    alarmed = {(alarm.metric_id, alarm.variant_id): alarm for alarm in evidence.alarms}
    harmed = []
    for key, row in evidence.comparisons.items():
        found = [alarmed[key].p_value] if key in alarmed else []
        if is_proven_worse(row, evidence, due):
            found.append(row.p_value_deterioration)
        if found:
            harmed.append((row, min(found)))
    return harmed


def _best(evidence: Evidence, rule: Rule, assessments: Sequence[Assessment], harmful: set[str]) -> Assessment | None:
    """The winner with the highest lower bound on the first-listed primary that any winner achieves.

    Bounds of different metrics have different units, so only one metric's are compared.
    """
    winners = [found for found in assessments if found.ships and found.variant_id not in harmful]
    if not winners:
        return None
    bounds = [
        {row.metric_id: np.nan_to_num(rule.bound(row), nan=-np.inf) for row in found.achieved} for found in winners
    ]
    deciding = next(id_ for id_ in evidence.experiment.metrics.primary if any(id_ in bound for bound in bounds))
    ranked = [(bound[deciding], found) for bound, found in zip(bounds, winners, strict=True) if deciding in bound]
    return max(ranked, key=lambda pair: pair[0])[1]


def _before_the_end(rule: Rule, due: date, assessments: Sequence[Assessment], reasons: tuple[Reason, ...]) -> Verdict:
    if all(found.is_futile and not found.blocked for found in assessments):
        return Verdict("stop", None, reasons, wording.futile(rule.failure))
    won = next((found for found in assessments if found.wins), None)
    wins = _wins(won, rule) if won is not None else []
    doubts = wording.doubts(won.unproven, won.lacking, won.blocked) if won is not None else []
    waiting = tuple(
        replace(reason, outcome="continue") if reason.outcome in ("stop", "review") else reason for reason in reasons
    )
    return Verdict("continue", None, waiting, wording.undecided(due, wins, doubts))


def _review(assessments: Sequence[Assessment], rule: Rule, reasons: tuple[Reason, ...]) -> Verdict:
    won = next((found for found in assessments if found.wins), None)
    if won is not None:
        doubts = wording.doubts(won.unproven, won.lacking, won.blocked)
        return Verdict("review", won.variant_id, reasons, wording.review_win(won.variant_id, _wins(won, rule), doubts))
    gates = [gate for found in assessments for gate in dict.fromkeys((*found.blocked, *found.underpowered))]
    lacking = [row for found in assessments for row in found.lacking]
    return Verdict("review", None, reasons, wording.review_underpowered(wording.doubts([], lacking, gates)))


def _wins(found: Assessment, rule: Rule) -> list[str]:
    return [rule.win(row, rule.found(row)) for row in found.achieved]


def _reasons(evidence: Evidence, rule: Rule, assessments: Sequence[Assessment], due: date) -> tuple[Reason, ...]:
    experiment = evidence.experiment
    reasons = [
        harm_reason(row, experiment) for row in evidence.comparisons.values() if is_proven_worse(row, evidence, due)
    ]
    reasons += [alarm_reason(evidence.comparisons[a.metric_id, a.variant_id], a) for a in evidence.alarms]
    reasons += unknown_harm_reasons(evidence)
    for found in assessments:
        reasons += [rule.reason(row, experiment, rule) for row in found.goals]
        reasons += [guardrail_reason(row, experiment) for row in evidence.of_role("guardrail", found.variant_id)]
        reasons += futility_reasons([row for row in found.goals if row.is_futile == 1], rule)
        reasons += found.blocked
        reasons += found.underpowered
    return tuple(dict.fromkeys(reasons))
