"""Gates: what must hold before a treatment may be shipped or an experiment stopped.

A gate that is not met at the planned end makes that end underpowered: `review`; before it, the experiment goes on.
Gates never hold back `rollback` or `invalid`.
"""

from datetime import timedelta

import numpy as np
from scipy.special import ndtr

from analysis.decisions.criteria import has_deteriorated
from analysis.decisions.evidence import Comparison, Evidence
from analysis.decisions.levels import deterioration_level
from analysis.decisions.reasons import Reason
from analysis.decisions.rule import Rule
from analysis.statistics.power import power_at
from configs.schema import Experiment


def unmet_gates(evidence: Evidence, variant_id: str, rule: Rule) -> list[Reason]:
    """A reason for each gate of days, results and units that a treatment does not meet."""
    return [
        *_minimum_days(evidence),
        *_results(evidence, variant_id, rule),
        *_minimum_units(evidence, variant_id),
    ]


def untrusted_look(evidence: Evidence, variant_id: str) -> list[Reason]:
    """A reason for each goal and guardrail that is skewed at a look before the end.

    Heavy tails in unequal arms: a group sequential test of money at 90/10 rejects in .085 to .154 instead of .05.
    Or one whose margin's test alone is skewed.
    """
    return [
        Reason("skewed_look", "continue", f"{row.label} is skewed: no early stop", row.metric_id, variant_id)
        for role in ("primary", "guardrail")
        for row in evidence.of_role(role, variant_id)
        if row.is_skewed or row.is_margin_skewed
    ]


def suspected_harm(evidence: Evidence, variant_id: str) -> list[Reason]:
    """A reason for each metric that the deterioration test finds worse before the end while it is skewed.

    Such a test is no proof, so it rolls nothing back (as the rollback monitor waits); nor is the treatment shipped.
    """
    return [
        Reason(
            "skewed_harm",
            "continue",
            f"{row.label} looks worse in {variant_id}, but is skewed: it is judged at the end",
            row.metric_id,
            variant_id,
            row.p_value_deterioration,
            deterioration_level(evidence.experiment),
        )
        for row in evidence.comparisons.values()
        if row.variant_id == variant_id and row.is_skewed and has_deteriorated(row, evidence.experiment)
    ]


def unmet_power(evidence: Evidence, variant_id: str, rule: Rule) -> list[Reason]:
    """A reason for each goal whose standard error does not give the planned power at its planning effect.

    The variance is pooled over arms: the observed effect plays no part. Without `minimum_detectable_effect` there
    is no such gate.
    """
    experiment = evidence.experiment
    if experiment.analysis.minimum_detectable_effect is None:
        return []
    needed = rule.power(experiment)
    reasons = []
    for row in evidence.of_role("primary", variant_id):
        effect, standard_error = rule.planning_effect(row, experiment)
        power = float(power_at(effect, standard_error, _level(row, experiment, rule), rule.sides(experiment)))
        if row.is_computed and not (effect > 0 and power >= needed):
            size = f"{effect / abs(row.baseline_mean):.1%}" if row.baseline_mean else f"{effect:g}"
            how = ", by the width of its interval" if row.is_quantile else ""
            message = f"the chance to find a {size} change of {row.label} is {power:.0%}{how}, {needed:.1%} was planned"
            reasons.append(Reason("planned_power", "review", message, row.metric_id, variant_id, power, needed))
    return reasons


def _level(row: Comparison, experiment: Experiment, rule: Rule) -> float:
    """The level of a goal's test.

    A sequential one's follows from how far its interval reaches at this look; a posterior probability of 1 − level
    is a one-sided test.
    """
    level, sides = rule.level(experiment), rule.sides(experiment)
    if experiment.analysis.method == "bayesian":
        return level * sides
    if experiment.analysis.is_sequential:
        return float(np.fmin(level, sides * ndtr(-rule.critical_value(row))))
    return level


def _minimum_days(evidence: Evidence) -> list[Reason]:
    experiment = evidence.experiment
    days = (min(evidence.as_of, experiment.end) - experiment.start + timedelta(days=1)).days
    minimum = experiment.analysis.minimum_days
    if days >= minimum:
        return []
    message = f"{days} days of exposure, {minimum} are the minimum"
    return [Reason("minimum_days", "review", message, value=days, threshold=minimum)]


def _results(evidence: Evidence, variant_id: str, rule: Rule) -> list[Reason]:
    return [
        Reason(
            "primary_not_computed",
            "review",
            f"{row.label} has no result for {variant_id} ({row.status}: {row.reason})",
            metric_id=row.metric_id,
            variant_id=variant_id,
        )
        for row in evidence.of_role("primary", variant_id)
        if not row.is_computed and not rule.achieves(row, evidence.experiment)
    ]


def _minimum_units(evidence: Evidence, variant_id: str) -> list[Reason]:
    minimum = evidence.experiment.analysis.minimum_units
    reasons = []
    for row in evidence.of_role("primary", variant_id):
        n = min(row.n_baseline, row.n_treatment)
        if not n >= minimum:
            known = f"{n:,.0f}" if np.isfinite(n) else "an unknown number of"
            message = f"{row.label} has {known} units in its smaller arm, {minimum:,} are the minimum"
            reasons.append(Reason("minimum_units", "review", message, row.metric_id, variant_id, n, minimum))
    return reasons
