"""The verdict on a factorial experiment: a level of each factor, by main effects, where no interaction forbids.

The variant recommended is the cell of the best level of every factor that has one proven better, and the baseline's
of the others. Harm, guardrails and the units gate are judged in that very cell, against the baseline's cell.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

import pandas as pd

from analysis.decisions import wording
from analysis.decisions.criteria import is_within_margin
from analysis.decisions.evidence import NUMBERS, Comparison, Evidence
from analysis.decisions.findings import alarm_reason, better_reason, guardrail_reason, harm_reason, unknown_harm_reasons
from analysis.decisions.gates import unmet_gates
from analysis.decisions.levels import split_level
from analysis.decisions.reasons import Reason, Verdict
from analysis.decisions.rule import Rule
from analysis.decisions.verdict import harmed_rows, is_proven_worse
from analysis.periods import as_days
from analysis.statistics.power import power_at
from configs.factors import cell_name
from configs.fraction import Fraction
from configs.schema import Experiment, Metric

CONFIRMING_RESOLUTION = 4
"""Below it a main effect is one of a pair of factors too, so that a winner has to be confirmed."""


@dataclass(frozen=True)
class LevelEffect:
    """A main effect of a primary: its factor and level, as a comparison whose `variant_id` is `colour=blue`."""

    factor: str
    level: str
    aliases: str
    comparison: Comparison


@dataclass(frozen=True)
class FactorialEvidence:
    """The effects of one experiment's primaries at one as-of date: main effects, and interactions by name."""

    mains: tuple[LevelEffect, ...]
    interactions: tuple[tuple[str, Comparison], ...]


def factorial_evidence(
    effects: pd.DataFrame, experiment: Experiment, metrics: Mapping[str, Metric], as_of: date
) -> FactorialEvidence:
    """What `effects` (factorial_effects) hold of an experiment's primaries at an as-of date."""
    of_day = (as_days(effects["as_of_date"]) == pd.Timestamp(as_of)) & (effects["experiment_id"] == experiment.id)
    rows = effects[of_day & (effects["role"] == "primary")].to_dict("records")
    mains, interactions = [], []
    for id_ in experiment.metrics.primary:
        for row in (row for row in rows if row["metric_id"] == id_):
            if row["n_factors"] == 1:
                comparison = _comparison(row, metrics[id_], f"{row['term']}={row['levels']}")
                mains.append(LevelEffect(row["term"], row["levels"], row["aliases"], comparison))
            else:
                comparison = _comparison(row, metrics[id_], f"{row['term']} ({row['levels']})")
                interactions.append((row["term"], comparison))
    return FactorialEvidence(tuple(mains), tuple(interactions))


def decide_factorial(evidence: Evidence, found: FactorialEvidence, rule: Rule, due: date) -> Verdict:
    """Decide a factorial experiment at its end: rollback, ship, review or stop."""
    experiment = evidence.experiment
    chosen = _chosen(found, rule, experiment)
    cell = _cell(experiment, chosen)
    wins = [rule.win(one.comparison, f"{one.comparison.variant_id}: {rule.found(one.comparison)}") for one in chosen]
    harmed = harmed_rows(evidence, due)
    clear = _clear_interactions(found, experiment)
    lacking = _lacking(found)
    gates = [
        *_unmet_gates(evidence, cell if chosen else None, rule),
        *lacking,
        *clear,
        *_unmet_power(found, experiment, rule),
        *_aliased(experiment, chosen),
    ]
    held = evidence.of_role("guardrail", cell) if chosen and _is_run(experiment, cell) else []
    unproven = [row for row in held if not is_within_margin(row, experiment)]
    reasons = _reasons(evidence, found, rule, [*(guardrail_reason(row, experiment) for row in held), *gates], due)
    ships = bool(chosen) and not gates and not unproven and cell not in {row.variant_id for row, _ in harmed}
    if harmed:
        worst = min(harmed, key=lambda pair: pair[1])[0]
        rows = [row for row, _ in harmed]
        return Verdict("rollback", worst.variant_id, reasons, wording.rollback(worst, rows, cell if ships else None))
    if ships:
        summary = wording.ship(cell, wins, held)
        return Verdict("ship", cell, reasons, summary)
    if chosen:
        doubts = wording.doubts(unproven, [], gates)
        variant_id = cell if _is_run(experiment, cell) else None
        return Verdict("review", variant_id, reasons, wording.review_win(cell, wins, doubts))
    if gates:
        if clear and not lacking:
            return Verdict("review", None, reasons, f"Review: {wording.doubts([], [], clear)[0]}.")
        return Verdict("review", None, reasons, wording.review_underpowered(wording.doubts([], [], gates)))
    goals = [one.comparison for one in found.mains]
    return Verdict("stop", None, reasons, wording.stop(rule.failure, goals, [rule.found(row) for row in goals]))


def _comparison(row: Mapping[str, Any], metric: Metric, name: str) -> Comparison:
    numbers = {name_: float(row[name_]) for name_ in NUMBERS if name_ in row and row[name_] is not None}
    named: dict[str, Any] = {
        "metric_id": metric.id,
        "label": metric.label or metric.id,
        "role": "primary",
        "variant_id": name,
        "sign": 1 if metric.direction == "increase" else -1,
        "status": row["status"],
        "reason": row["reason"],
    }
    return Comparison(**(named | numbers))


def _chosen(found: FactorialEvidence, rule: Rule, experiment: Experiment) -> list[LevelEffect]:
    """Of each factor the level with the highest bound on the first primary that one of its levels achieves."""
    chosen = []
    for factor in experiment.factors:
        achieved = [one for one in found.mains if one.factor == factor and rule.achieves(one.comparison, experiment)]
        if achieved:
            deciding = achieved[0].comparison.metric_id  # they stand in the order of the primaries
            same = [one for one in achieved if one.comparison.metric_id == deciding]
            chosen.append(max(same, key=lambda one: rule.bound(one.comparison)))
    return chosen


def _cell(experiment: Experiment, chosen: list[LevelEffect]) -> str:
    level = {one.factor: one.level for one in chosen}
    at = [levels.index(level.get(factor, levels[0])) for factor, levels in experiment.factors.items()]
    return cell_name(experiment.factors, tuple(at))


def _is_run(experiment: Experiment, cell: str) -> bool:
    return cell in {variant.id for variant in experiment.variants}


def _unmet_gates(evidence: Evidence, cell: str | None, rule: Rule) -> list[Reason]:
    """Those of the cell to ship; of every cell where there is none."""
    if cell is None:
        every = (unmet_gates(evidence, variant.id, rule) for variant in evidence.experiment.treatments)
        return list(dict.fromkeys(gate for gates in every for gate in gates))
    if _is_run(evidence.experiment, cell):
        return unmet_gates(evidence, cell, rule)
    return [Reason("not_run", "review", f"the fraction never ran {cell}, so nothing vouches for it as a whole")]


def _clear_interactions(found: FactorialEvidence, experiment: Experiment) -> list[Reason]:
    """A reason for each interaction of a primary that is clear: its factors' main effects are nobody's effect."""
    alpha = experiment.analysis.alpha
    return [
        Reason(
            "interaction",
            "review",
            f"{term} interact on {row.label} ({row.effect:+.4g}, adjusted p {row.p_value_adjusted:.2g}), so their main"
            " effects are averages that no cell has: read the cells",
            row.metric_id,
            None,
            row.p_value_adjusted,
            alpha,
        )
        for term, row in found.interactions
        if row.is_computed and row.p_value_adjusted <= alpha
    ]


def _lacking(found: FactorialEvidence) -> list[Reason]:
    rows = {one.comparison.metric_id: one.comparison for one in found.mains if not one.comparison.is_computed}
    if not found.mains:
        return [Reason("primary_not_computed", "review", "no main effect was computed")]
    return [
        Reason(
            "primary_not_computed",
            "review",
            f"{row.label} has no main effects ({row.status}: {row.plain_reason})",
            row.metric_id,
        )
        for row in rows.values()
    ]


def _unmet_power(found: FactorialEvidence, experiment: Experiment, rule: Rule) -> list[Reason]:
    """A reason for each main effect whose standard error does not give the planned power at the planning effect."""
    relative = experiment.analysis.minimum_detectable_effect
    if relative is None:
        return []
    needed, reasons = rule.power(experiment), []
    for row in (one.comparison for one in found.mains if one.comparison.is_computed):
        effect = relative * abs(row.baseline_mean)
        power = float(power_at(effect, row.effect_se, split_level(experiment), 2))
        if not power >= needed:
            message = f"the chance to find a {relative:.1%} change of {row.label} by {row.variant_id} is {power:.0%}"
            message += f", {needed:.1%} was planned"
            reasons.append(Reason("planned_power", "review", message, row.metric_id, None, power, needed))
    return reasons


def _aliased(experiment: Experiment, chosen: list[LevelEffect]) -> list[Reason]:
    if not experiment.fraction or not chosen:
        return []
    if Fraction(tuple(experiment.factors), experiment.fraction).resolution >= CONFIRMING_RESOLUTION:
        return []
    named = "; ".join(f"{one.factor} with {one.aliases}" for one in chosen)
    message = f"in this fraction main effects cannot be told from interactions of two factors ({named}): confirm them"
    return [Reason("aliased", "review", message)]


def _reasons(
    evidence: Evidence, found: FactorialEvidence, rule: Rule, held: list[Reason], due: date
) -> tuple[Reason, ...]:
    experiment = evidence.experiment
    harm = [
        harm_reason(row, experiment) for row in evidence.comparisons.values() if is_proven_worse(row, evidence, due)
    ]
    alarms = [alarm_reason(evidence.comparisons[one.metric_id, one.variant_id], one) for one in evidence.alarms]
    goals = [better_reason(one.comparison, experiment, rule) for one in found.mains if one.comparison.is_computed]
    return tuple(dict.fromkeys((*harm, *alarms, *unknown_harm_reasons(evidence), *goals, *held)))
