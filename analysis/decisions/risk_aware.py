"""The rule `risk_aware`: ship what is better in one goal, harmful in none, and proven harmless to the guardrails.

Schultzberg, Ankargren, Frånberg 2024, "Risk-aware product decisions in A/B tests with multiple metrics".
"""

import math
from dataclasses import dataclass

from analysis.decisions import wording
from analysis.decisions.evidence import Comparison, Evidence
from analysis.decisions.gates import deterioration_alpha, family_size, unmet_gates
from analysis.decisions.reasons import Outcome, Reason, Verdict
from configs.schema import Experiment

FAMILYWISE_CORRECTIONS = frozenset({"bonferroni", "holm"})


@dataclass(frozen=True)
class Assessment:
    """What the rule finds on one treatment."""

    variant_id: str
    wins: tuple[Comparison, ...]
    unproven: tuple[Comparison, ...]
    lacking: tuple[Comparison, ...]
    gates: tuple[Reason, ...]

    @property
    def ships(self) -> bool:
        """Whether it may be shipped, if nothing has deteriorated."""
        return bool(self.wins) and not self.unproven and not self.gates


def risk_aware(evidence: Evidence) -> Verdict:
    """Decide an experiment at its deciding date: the first that applies of rollback, ship, review, stop."""
    assessments = [_assess(evidence, variant.id) for variant in evidence.experiment.treatments]
    harmed = _deteriorated(evidence)
    reasons = (*_harm_reasons(evidence, harmed), *_test_reasons(evidence, assessments))
    harmful = {row.variant_id for row in harmed}
    winners = [found for found in assessments if found.ships and found.variant_id not in harmful]
    best = _best(evidence.experiment, winners) if winners else None
    if harmed:
        worst = min(harmed, key=lambda row: row.p_value_deterioration)
        shippable = best.variant_id if best is not None else None
        return Verdict("rollback", worst.variant_id, reasons, wording.rollback(worst, harmed, shippable))
    if best is not None:
        guardrails = evidence.of_role("guardrail", best.variant_id)
        return Verdict("ship", best.variant_id, reasons, wording.ship(best.wins, guardrails))
    if any(found.wins or found.gates for found in assessments):
        return _review(assessments, reasons)
    primaries = [row for found in assessments for row in evidence.of_role("primary", found.variant_id)]
    return Verdict("stop", None, reasons, wording.stop(primaries))


def is_better(row: Comparison, experiment: Experiment) -> bool:
    """Whether a primary is better at α/(S·T), or by Holm.

    The adjusted interval is that test where the correction controls the family; elsewhere the p-value must
    pass Bonferroni too.
    """
    if not (row.is_computed and row.improvement_bound > 0):
        return False
    level = experiment.analysis.alpha / family_size(experiment)
    return experiment.analysis.correction in FAMILYWISE_CORRECTIONS or row.p_value < level


def is_proven(row: Comparison, experiment: Experiment) -> bool:
    """Whether a guardrail is non-inferior at one-sided α, unadjusted; without a p-value it is not.

    A level can be proven without an estimated effect: no arm had any failure.
    """
    return row.p_value_non_inferiority < experiment.analysis.alpha


def deterioration_level(experiment: Experiment) -> float:
    """One-sided level of each deterioration test: Bonferroni over all metrics × treatments."""
    return deterioration_alpha(experiment) / (len(experiment.metrics.roles) * len(experiment.treatments))


def _assess(evidence: Evidence, variant_id: str) -> Assessment:
    experiment = evidence.experiment
    primaries = evidence.of_role("primary", variant_id)
    guardrails = evidence.of_role("guardrail", variant_id)
    return Assessment(
        variant_id=variant_id,
        wins=tuple(row for row in primaries if is_better(row, experiment)),
        unproven=tuple(row for row in guardrails if not is_proven(row, experiment)),
        lacking=tuple(row for row in primaries if not row.is_computed),
        gates=tuple(unmet_gates(evidence, variant_id)),
    )


def _deteriorated(evidence: Evidence) -> list[Comparison]:
    level = deterioration_level(evidence.experiment)
    rows = evidence.comparisons.values()
    return [row for row in rows if row.is_computed and row.p_value_deterioration < level]


def _best(experiment: Experiment, winners: list[Assessment]) -> Assessment:
    """The winner with the highest lower bound on the first-listed primary that any winner improves.

    Bounds of different metrics have different units, so only one metric's are compared.
    """
    bounds = [{row.metric_id: row.improvement_bound for row in found.wins} for found in winners]
    deciding = next(id_ for id_ in experiment.metrics.primary if any(id_ in bound for bound in bounds))
    ranked = [(bound[deciding], found) for bound, found in zip(bounds, winners, strict=True) if deciding in bound]
    return max(ranked, key=lambda pair: pair[0])[1]


def _review(assessments: list[Assessment], reasons: tuple[Reason, ...]) -> Verdict:
    won = next((found for found in assessments if found.wins), None)
    if won is not None:
        summary = wording.review_win(won.wins, won.unproven, won.lacking, won.gates)
        return Verdict("review", won.variant_id, reasons, summary)
    gates = [gate for found in assessments for gate in found.gates]
    lacking = [row for found in assessments for row in found.lacking]
    return Verdict("review", None, reasons, wording.review_underpowered(lacking, gates))


def _harm_reasons(evidence: Evidence, harmed: list[Comparison]) -> list[Reason]:
    level = deterioration_level(evidence.experiment)
    reasons = [
        Reason(
            "deterioration",
            "rollback",
            f"{row.label} is worse in {row.variant_id} ({wording.change(row)}; one-sided p"
            f" {row.p_value_deterioration:.2g}, below {level:.2g})",
            row.metric_id,
            row.variant_id,
            row.p_value_deterioration,
            level,
        )
        for row in harmed
    ]
    for row in evidence.comparisons.values():
        if row.role == "secondary" and not row.is_computed:
            found = f"{row.label} has no result for {row.variant_id} ({row.status}: {row.reason})"
            message = f"{found}: harm to it is unknown"
            reasons.append(Reason("secondary_not_computed", "note", message, row.metric_id, row.variant_id))
    return reasons


def _test_reasons(evidence: Evidence, assessments: list[Assessment]) -> list[Reason]:
    experiment = evidence.experiment
    reasons: list[Reason] = []
    for found in assessments:
        primaries = evidence.of_role("primary", found.variant_id)
        guardrails = evidence.of_role("guardrail", found.variant_id)
        reasons += [_primary_reason(row, experiment) for row in primaries if row.is_computed]
        reasons += [_guardrail_reason(row, experiment) for row in guardrails]
        reasons += found.gates
    return list(dict.fromkeys(reasons))


def _primary_reason(row: Comparison, experiment: Experiment) -> Reason:
    better = is_better(row, experiment)
    verb = "is better" if better else "is not proven better"
    message = f"{row.label} {verb} in {row.variant_id} ({wording.change(row)}, {wording.interval(row)})"
    outcome: Outcome = "ship" if better else "stop"
    return Reason("primary_better", outcome, message, row.metric_id, row.variant_id, row.improvement_bound, 0.0)


def _guardrail_reason(row: Comparison, experiment: Experiment) -> Reason:
    alpha, p_value = experiment.analysis.alpha, row.p_value_non_inferiority
    proven = is_proven(row, experiment)
    if not math.isfinite(p_value):
        found = f"{row.label} has no test of its margin in {row.variant_id} ({row.status}: {row.reason})"
        message = f"{found}, so it proves nothing"
    else:
        verb, side = ("is", "below") if proven else ("is not proven to be", "not below")
        message = (
            f"{row.label} {verb} within its margin in {row.variant_id}"
            f" ({wording.change(row)}; one-sided p {p_value:.2g}, {side} {alpha:g})"
        )
    outcome: Outcome = "ship" if proven else "review"
    return Reason("guardrail_non_inferior", outcome, message, row.metric_id, row.variant_id, p_value, alpha)
