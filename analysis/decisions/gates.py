"""Gates: what must hold before a treatment may be shipped or an experiment stopped.

A gate that is not met at the planned end makes that end underpowered: `review`. Gates never hold back
`rollback` or `invalid`.
"""

from datetime import timedelta

import numpy as np

from analysis.decisions.evidence import Evidence
from analysis.decisions.reasons import Reason
from analysis.statistics.power import per_test_power, power_at
from configs.schema import Experiment


def family_size(experiment: Experiment) -> int:
    """Primaries × treatments."""
    return len(experiment.metrics.primary) * len(experiment.treatments)


def deterioration_alpha(experiment: Experiment) -> float:
    """Total one-sided level of the deterioration tests: α/2."""
    return experiment.analysis.alpha / 2


def unmet_gates(evidence: Evidence, variant_id: str) -> list[Reason]:
    """A reason for each gate that a treatment does not meet."""
    return [
        *_minimum_days(evidence),
        *_results(evidence, variant_id),
        *_minimum_units(evidence, variant_id),
        *_planned_power(evidence, variant_id),
    ]


def _minimum_days(evidence: Evidence) -> list[Reason]:
    experiment = evidence.experiment
    days = (min(evidence.as_of, experiment.end) - experiment.start + timedelta(days=1)).days
    minimum = experiment.analysis.minimum_days
    if days >= minimum:
        return []
    message = f"{days} days of exposure, {minimum} are the minimum"
    return [Reason("minimum_days", "review", message, value=days, threshold=minimum)]


def _results(evidence: Evidence, variant_id: str) -> list[Reason]:
    return [
        Reason(
            "primary_not_computed",
            "review",
            f"{row.label} has no result for {variant_id} ({row.status}: {row.reason})",
            metric_id=row.metric_id,
            variant_id=variant_id,
        )
        for row in evidence.of_role("primary", variant_id)
        if not row.is_computed
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


def _planned_power(evidence: Evidence, variant_id: str) -> list[Reason]:
    """Whether the standard error, with pooled variance, gives the planned power at the planning effect."""
    experiment = evidence.experiment
    effect, analysis = experiment.analysis.minimum_detectable_effect, experiment.analysis
    if effect is None:
        return []
    needed = float(per_test_power(analysis.power, deterioration_alpha(experiment), len(experiment.metrics.guardrail)))
    reasons = []
    for row in evidence.of_role("primary", variant_id):
        level = analysis.alpha / family_size(experiment)
        power = float(power_at(effect * abs(row.baseline_mean), row.effect_se_pooled, level))
        if row.is_computed and not power >= needed:
            message = (
                f"the chance to find a {effect:.1%} change of {row.label} is {power:.0%}, {needed:.1%} was planned"
            )
            reasons.append(Reason("planned_power", "review", message, row.metric_id, variant_id, power, needed))
    return reasons
