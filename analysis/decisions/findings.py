"""The reasons that a decision gives for each test it stands on."""

import math
from collections.abc import Sequence

from analysis.decisions import wording
from analysis.decisions.criteria import is_within_margin
from analysis.decisions.evidence import Alarm, Comparison, Evidence
from analysis.decisions.levels import deterioration_level
from analysis.decisions.reasons import Outcome, Reason
from analysis.decisions.rule import Rule
from configs.schema import Experiment


def better_reason(row: Comparison, experiment: Experiment, rule: Rule) -> Reason:
    """Whether a goal is better: by the bound nearest to harm, or by its posterior probability."""
    achieved = rule.achieves(row, experiment)
    value, threshold, found = rule.bound(row), 0.0, rule.found(row)
    if experiment.analysis.method == "bayesian":
        value, threshold = row.probability_better, 1 - rule.level(experiment)
        found += f"; better with probability {value:.1%}, expected loss {row.expected_loss:.2g}"
    message = f"{row.label} {'is' if achieved else 'is not proven'} better in {row.variant_id} ({found})"
    return Reason(
        "primary_better", "ship" if achieved else "stop", message, row.metric_id, row.variant_id, value, threshold
    )


def goal_margin_reason(row: Comparison, experiment: Experiment, rule: Rule) -> Reason:
    """Whether a goal is within its margin."""
    return _margin_reason("primary_non_inferior", "stop", row, experiment)


def guardrail_reason(row: Comparison, experiment: Experiment) -> Reason:
    """Whether a guardrail is within its margin."""
    return _margin_reason("guardrail_non_inferior", "review", row, experiment)


def harm_reason(row: Comparison, experiment: Experiment) -> Reason:
    """A metric that the deterioration test has found worse."""
    return _harm_reason("deterioration", row, row.p_value_deterioration, deterioration_level(experiment))


def alarm_reason(row: Comparison, alarm: Alarm) -> Reason:
    """A metric that the rollback monitor has found worse, at this as-of date or before."""
    return _harm_reason("rollback_monitor", row, alarm.p_value, alarm.level)


def unknown_harm_reasons(evidence: Evidence) -> list[Reason]:
    """A note for each secondary without a result: harm to it is unknown."""
    return [
        Reason(
            "secondary_not_computed",
            "note",
            f"{row.label} has no result for {row.variant_id} ({row.status}: {row.reason}): harm to it is unknown",
            row.metric_id,
            row.variant_id,
        )
        for row in evidence.comparisons.values()
        if row.role == "secondary" and not row.is_computed
    ]


def futility_reasons(rows: Sequence[Comparison], rule: Rule) -> list[Reason]:
    """The goals that have crossed their futility bound."""
    return [
        Reason(
            "futility",
            "stop",
            f"{row.label} is unlikely to be proven {rule.aim} in {row.variant_id} by the planned end",
            row.metric_id,
            row.variant_id,
        )
        for row in rows
    ]


def _margin_reason(name: str, otherwise: Outcome, row: Comparison, experiment: Experiment) -> Reason:
    alpha, p_value = experiment.analysis.alpha, row.p_value_non_inferiority
    proven = is_within_margin(row, experiment)
    if math.isfinite(p_value):
        verb, side = ("is", "below") if proven else ("is not proven to be", "not below")
        found = f"{wording.margin_p_value(row)}, {side} {alpha:g}"
        message = f"{row.label} {verb} within its margin in {row.variant_id} ({found})"
    else:
        found = f"{row.label} has no test of its margin in {row.variant_id} ({row.status}: {row.reason})"
        message = f"{found}, so it proves nothing"
    outcome: Outcome = "ship" if proven else otherwise
    return Reason(name, outcome, message, row.metric_id, row.variant_id, p_value, alpha)


def _harm_reason(name: str, row: Comparison, p_value: float, level: float) -> Reason:
    message = (
        f"{row.label} is worse in {row.variant_id} ({wording.change(row)}; one-sided p {p_value:.2g},"
        f" below {level:.2g})"
    )
    return Reason(name, "rollback", message, row.metric_id, row.variant_id, p_value, level)
