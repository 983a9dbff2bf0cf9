"""Rehearsal: the whole decision rule on re-randomised units, with and without effects, before anything is launched."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date

import numpy as np
import pandas as pd
from scipy import stats

from analysis.calibration.replicates import (
    NO_BLOCKS,
    Units,
    arrival_days,
    copies,
    epochs_at,
    replicate_ids,
    replicated_moments,
    with_closed_forms,
)
from analysis.decisions import decisions
from analysis.scorecard import scorecard
from configs.schema import Experiment, Metric

CONFIDENCE = 0.95
BATCH = 100
"""Replicates decided at once."""

RECOMMENDATIONS = ("ship", "rollback", "review", "stop", "continue")
REHEARSAL_COLUMNS: dict[str, str] = {
    "scenario": "str",
    "description": "str",
    "ship_means": "str",
    "replicates": "Int64",
    "ship_rate": "float64",
    "ship_rate_low": "float64",
    "ship_rate_high": "float64",
    **{f"{name}_rate": "float64" for name in RECOMMENDATIONS[1:]},
    "promised": "float64",
    "mean_days": "float64",
    "n_units": "Int64",
}
FALSE_SHIP, POWER = "false ship", "power"


@dataclass(frozen=True)
class Scenario:
    """Relative effects by metric that every treatment has, and what a shipment means then."""

    name: str
    description: str
    effects: Mapping[str, float]
    ship_means: str


def scenarios(experiment: Experiment, metrics: Mapping[str, Metric], effect: float | None) -> list[Scenario]:
    """What is rehearsed: no effect, the planned one in every primary metric, and each guardrail at its margin then.

    `effect` is relative and of improvement; without one there is no scenario with it. Under `do_no_harm` it is the
    absence of an effect that ships. Absolute margins and levels, and a primary at its margin, are not rehearsed.
    """
    is_harmless = experiment.decision.rule == "do_no_harm"
    found = [Scenario("no_effect", "no metric changes", {}, POWER if is_harmless else FALSE_SHIP)]
    better = {id_: _signed(metrics[id_], effect) for id_ in experiment.metrics.primary} if effect else {}
    if better and not is_harmless:
        what = f"every primary metric {effect:.1%} better"
        found.append(Scenario("planned_effect", what, better, POWER))
    if better or is_harmless:
        found += [
            Scenario(
                f"{guardrail.metric}_at_margin",
                f"as before, and {guardrail.metric} {guardrail.non_inferiority_margin:.1%} worse, its margin",
                better | {guardrail.metric: _signed(metrics[guardrail.metric], -guardrail.non_inferiority_margin)},
                FALSE_SHIP,
            )
            for guardrail in experiment.metrics.guardrail
            if guardrail.non_inferiority_margin is not None
        ]
    return found


def rehearse(
    units: Units,
    experiment: Experiment,
    metrics: Mapping[str, Metric],
    *,
    effect: float | None,
    replicates: int,
    seed: int,
) -> Iterator[dict[str, object]]:
    """A row (`REHEARSAL_COLUMNS`) for each scenario: how often each recommendation is the last word.

    Each replicate is an experiment of its own: buckets arrive day by day, go to arms by the plan's weights, and the
    scorecard, the rollback monitor and the decision rule see every as-of date. Health checks pass. Rates have 95 %
    Clopper-Pearson intervals. `promised` is at most this rate of false ships (`false_ships`), or at least this power.
    """
    day = arrival_days(experiment, units.n_cells)
    arriving = Units(epochs_at(experiment, day), units.metrics)
    for number, scenario in enumerate(scenarios(experiment, metrics, effect)):
        rng = np.random.default_rng([seed, number])
        sizes = [min(BATCH, replicates - start) for start in range(0, replicates, BATCH)]
        batches = [_decided(arriving, experiment, metrics, rng, size, scenario.effects) for size in sizes]
        yield _summary(pd.concat(batches, ignore_index=True), experiment, scenario, units)


def _decided(
    units: Units,
    experiment: Experiment,
    metrics: Mapping[str, Metric],
    rng: np.random.Generator,
    replicates: int,
    effects: Mapping[str, float],
) -> pd.DataFrame:
    """The last decision of each replicate, and the day that it was first taken."""
    moments = replicated_moments(units, experiment, metrics, rng, replicates, effects, daily=True)
    # Buckets arrive in random order: arms of changing weights differ in nothing, and may be pooled.
    experiments = copies(experiment.model_copy(update={"allocation": ()}), replicates)
    rows = scorecard(moments, experiments, with_closed_forms(metrics), NO_BLOCKS)
    days = sorted(pd.Timestamp(day).date() for day in rows["as_of_date"].unique())
    taken = decisions(rows, _passing(days, replicate_ids(experiment, replicates)), experiments, metrics, days)
    ordered = taken.sort_values(["experiment_id", "as_of_date"])
    last = ordered.groupby("experiment_id")["recommendation"].transform("last")
    return ordered[ordered["recommendation"] == last].groupby("experiment_id").first().reset_index()


def _passing(days: list[date], ids: list[str]) -> pd.DataFrame:
    keys = pd.MultiIndex.from_product([pd.to_datetime(days), ids], names=["as_of_date", "experiment_id"])
    return keys.to_frame(index=False).assign(
        check_name="rehearsed", severity="error", passed=True, statistic=np.nan, threshold=np.nan, message=""
    )


def _summary(taken: pd.DataFrame, experiment: Experiment, scenario: Scenario, units: Units) -> dict[str, object]:
    shares = taken["recommendation"].value_counts(normalize=True)
    shipped = int((taken["recommendation"] == "ship").sum())
    low, high = stats.binomtest(shipped, len(taken)).proportion_ci(CONFIDENCE)
    days = (taken["as_of_date"] - pd.Timestamp(experiment.start)).dt.days + 1
    return {
        "scenario": scenario.name,
        "description": scenario.description,
        "ship_means": scenario.ship_means,
        "replicates": len(taken),
        "ship_rate": shipped / len(taken),
        "ship_rate_low": float(low),
        "ship_rate_high": float(high),
        **{f"{name}_rate": float(shares.get(name, 0.0)) for name in RECOMMENDATIONS[1:]},
        "promised": experiment.analysis.power if scenario.ship_means == POWER else false_ships(experiment, scenario),
        "mean_days": float(days.mean()),
        "n_units": max((int(sums.n.sum()) for sums in units.metrics.values()), default=0),
    }


def false_ships(experiment: Experiment, scenario: Scenario) -> float:
    """The most false shipments that the experiment's rule allows for, where shipping is false.

    At a margin, α for each treatment. Without any effect α/2, α of one-sided tests and of posterior probabilities;
    risk_aware splits that over treatments, the others allow it for each.
    """
    analysis, treatments = experiment.analysis, len(experiment.treatments)
    if scenario.effects or experiment.decision.rule == "do_no_harm":
        return min(1.0, treatments * analysis.alpha)
    is_split = experiment.decision.rule == "risk_aware"
    is_one_sided = analysis.method == "bayesian" or (is_split and analysis.alternative == "improvement")
    return min(1.0, (1 if is_split else treatments) * analysis.alpha * (1.0 if is_one_sided else 0.5))


def _signed(metric: Metric, improvement: float) -> float:
    return improvement if metric.direction == "increase" else -improvement
