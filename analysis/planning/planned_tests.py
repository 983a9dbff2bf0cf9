"""What an experiment tests: each comparison's level, power, effect and share of units, as its decision rule asks."""

import math
from collections.abc import Iterator, Mapping
from datetime import timedelta

import pandas as pd

from analysis.decisions import RULES
from analysis.decisions.levels import margins, sides_of_adjusted_test
from analysis.periods import window_days
from analysis.statistics.registry import SHARE_TYPES
from configs.schema import Experiment, Guardrail, Metric


def planned_tests(experiment: Experiment, metrics: Mapping[str, Metric]) -> pd.DataFrame:
    """A row per metric and treatment: the test, its level, sides and power, and the shares of the arms compared.

    Goals and guardrails are planned as the decision rule says; secondaries at their own family's level and plain
    power. A Bayesian goal needs a posterior probability of 1 − level, which is a one-sided test; alternative
    improvement makes one of every test of an adjusted p-value.
    """
    analysis, listed, rule = experiment.analysis, experiment.metrics, RULES[experiment.decision.rule]
    held = margins(experiment)
    shares = unit_shares(experiment)
    secondary_level = analysis.alpha / max(1, len(listed.secondary) * len(experiment.treatments))
    rows: list[dict[str, object]] = []
    for metric_id, role in listed.roles.items():
        metric = metrics[metric_id]
        is_margin = role == "guardrail" or (role == "primary" and rule.is_of_margins)
        sides = rule.sides(experiment) if role == "primary" else sides_of_adjusted_test(experiment)
        level = {"primary": rule.level(experiment), "guardrail": analysis.alpha, "secondary": secondary_level}[role]
        for variant in experiment.treatments:
            rows.append(
                {
                    "experiment_id": experiment.id,
                    "metric_id": metric_id,
                    "role": role,
                    "variant_id": variant.id,
                    "test": "non_inferiority" if is_margin else "superiority",
                    "alpha": level,
                    "sides": 1 if is_margin or analysis.method == "bayesian" else sides,
                    "power": analysis.power if role == "secondary" else rule.power(experiment),
                    "sign": 1.0 if metric.direction == "increase" else -1.0,
                    "is_share": metric.type in SHARE_TYPES,
                    "has_mean": metric.type != "categorical",
                    "window_days": window_days(metric),
                    "share_baseline": shares[experiment.baseline.id],
                    "share_treatment": shares[variant.id],
                    **_planning_effect(analysis.minimum_detectable_effect, held.get(metric_id), is_margin=is_margin),
                }
            )
    return pd.DataFrame(rows)


def unit_shares(experiment: Experiment) -> dict[str, float]:
    """Each arm's share of units, averaged over the planned days of a changing allocation."""
    if not experiment.allocation:
        return {variant.id: variant.weight for variant in experiment.variants}
    days = dict(_epoch_days(experiment))
    return {
        variant.id: sum(experiment.allocation[index].weights[variant.id] * n for index, n in days.items())
        / sum(days.values())
        for variant in experiment.variants
    }


def _epoch_days(experiment: Experiment) -> Iterator[tuple[int, int]]:
    starts = [epoch.from_ for epoch in experiment.allocation]
    ends = [*starts[1:], experiment.end + timedelta(days=1)]
    for index, (start, end) in enumerate(zip(starts, ends, strict=True)):
        yield index, (end - start).days


def _planning_effect(detectable: float | None, margin: Guardrail | None, *, is_margin: bool) -> dict[str, float]:
    """The effect to plan for: relative, absolute, or the distance to a level."""
    effect = {"relative": math.nan, "absolute": math.nan, "level": math.nan}
    if not is_margin:
        return effect | {"relative": math.nan if detectable is None else detectable}
    if margin is None:
        return effect
    chosen = {
        "relative": margin.non_inferiority_margin,
        "absolute": margin.absolute_margin,
        "level": margin.level,
    }
    return effect | {name: value for name, value in chosen.items() if value is not None}
