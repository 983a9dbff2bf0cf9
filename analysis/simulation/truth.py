"""The true effects: what the pipeline should find, from the intensities that the logs are drawn from.

Every arm is computed for the same units (exposed, in one arm only, no bots, windows closed by the last
simulated day) at the same visits, under the other experiments' arms as they were. What remains random is
which events the visits bring, and that is averaged out: exactly for shares, counts and sums, by simulation
for maxima and capped values.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from analysis.simulation.allocation import NEVER, Allocation, measure_multiplier, rate_multiplier
from analysis.simulation.behaviour import EventProcess
from analysis.simulation.logs import MEAN_DELAY
from analysis.simulation.potential_outcomes import Potential, any_event, expected_total, simulated_means
from analysis.simulation.randomness import stream
from analysis.simulation.switching import Switching
from analysis.simulation.types import DAY, BoolArray, FloatArray, IntArray
from analysis.simulation.world import World
from configs.schema import Component, Metric

_COLUMNS = {
    "experiment_id": "str",
    "variant_id": "str",
    "metric_id": "str",
    "n_units": "int64",
    "baseline_mean": "float64",
    "variant_mean": "float64",
    "effect": "float64",
    "effect_se": "float64",
    "effect_relative": "float64",
    "effect_relative_se": "float64",
    "method": "str",
    "reason": "str",
}
_ROUNDING = 1e-12  # an effect below this share of the baseline is a rounding error of a ratio, not an effect
ANALYTIC, MONTE_CARLO, UNAVAILABLE = "analytic", "monte carlo", "unavailable"


@dataclass(frozen=True)
class _Means:
    """A metric's mean in every variant: a row per replicate (one if analytic), a column per variant."""

    by_variant: FloatArray
    n_units: int
    method: str
    reason: str = ""


def truth(world: World) -> pd.DataFrame:
    """One row per experiment, treatment and metric, sorted; times and money in the metrics' own units.

    `effect` is variant − baseline mean, `effect_relative` effect / |baseline mean|; `*_se` is the Monte-Carlo
    standard error, 0 where `method` is analytic. `method` unavailable: NaN, and the reason.
    """
    rows = []
    for allocation in world.allocations:
        for metric_id in allocation.experiment.metrics.roles:
            means = _metric_means(world, allocation, world.config.metrics[metric_id])
            rows += _rows(allocation, metric_id, means)
    frame = pd.DataFrame(rows, columns=list(_COLUMNS)).astype(_COLUMNS)
    return frame.sort_values(["experiment_id", "variant_id", "metric_id"], ignore_index=True)


def _rows(allocation: Allocation, metric_id: str, means: _Means) -> list[tuple[object, ...]]:
    experiment = allocation.experiment
    variants = [variant.id for variant in experiment.variants]
    baseline = means.by_variant[:, variants.index(experiment.baseline.id)]
    rows: list[tuple[object, ...]] = []
    for variant in experiment.treatments:
        values = means.by_variant[:, variants.index(variant.id)]
        effect = values - baseline
        effect[abs(effect) <= _ROUNDING * abs(baseline)] = 0.0
        with np.errstate(divide="ignore", invalid="ignore"):
            relative = effect / abs(baseline)
        figures = (baseline.mean(), values.mean(), effect.mean(), _se(effect), relative.mean(), _se(relative))
        identity = (experiment.id, variant.id, metric_id, means.n_units)
        rows.append((*identity, *figures, means.method, means.reason))
    return rows


def _se(replicates: FloatArray) -> float:
    """Standard error of the replicates' mean; a single replicate is exact."""
    if len(replicates) == 1:
        return float(abs(0 * replicates[0]))  # NaN stays NaN
    return float(replicates.std(ddof=1) / np.sqrt(len(replicates)))


def _metric_means(world: World, allocation: Allocation, metric: Metric) -> _Means:
    population = _population(world, allocation, metric)
    n_units = population.n_units
    reason = _reason_against(metric, n_units)
    if reason:
        none = np.full((1, len(allocation.experiment.variants)), np.nan)
        return _Means(none, n_units, UNAVAILABLE, reason)
    parts = [_component_means(world, allocation, metric, component, population) for component in metric.components]
    values = parts[0] if len(parts) == 1 else parts[0] / parts[1]
    return _Means(values, n_units, ANALYTIC if len(values) == 1 else MONTE_CARLO)


def _reason_against(metric: Metric, n_units: int) -> str:
    if metric.type == "quantile":
        return "no truth is computed for quantiles"
    if metric.type == "categorical":
        return "no truth is computed for categories"
    if any(component.aggregate == "count_distinct" for component in metric.components):
        return "no truth is computed for count_distinct"
    return "" if n_units else "no exposed unit whose window closed by the last simulated day"


def _eligible(world: World, allocation: Allocation, metric: Metric) -> BoolArray:
    """Units in the metric's population at the end of the last simulated day."""
    first = allocation.first_exposed_at
    window = metric.window.end_days * DAY if metric.window is not None else 0
    matured = (first < NEVER) & (np.minimum(first, world.calendar.end_instant) + window <= world.calendar.end_instant)
    return matured & ~allocation.is_mixed & allocation.reacts


@dataclass(frozen=True)
class _Population:
    """Who a metric's mean is over: `number` is of each of `visits`, from 0; `arm` of each unit."""

    visits: IntArray
    number: IntArray
    n_units: int
    arm: IntArray


def _population(world: World, allocation: Allocation, metric: Metric) -> _Population:
    if isinstance(allocation, Switching):
        return _unit_periods(world, allocation)
    eligible = _eligible(world, allocation, metric)
    visits = _visits_in_window(world, allocation, metric, eligible)
    number = np.cumsum(eligible) - 1
    return _Population(visits, number[world.visits.unit[visits]], int(eligible.sum()), allocation.arm[eligible])


def _unit_periods(world: World, allocation: Switching) -> _Population:
    """Of a switchback: each unit in each period in which it comes; no bots."""
    unit, at = world.visits.unit, world.visits.instant
    begins, stops = allocation.exposure_period
    comes = allocation.reacts[unit] & (at >= begins) & (at < stops) & (allocation.first_exposed_at[unit] <= at)
    visits = np.flatnonzero(comes)
    period = allocation.period_of(at[visits])
    keys = period * len(world.population) + unit[visits]
    distinct, number = np.unique(keys, return_inverse=True)
    return _Population(visits, number, len(distinct), np.zeros(len(distinct), dtype=np.int8))


def _share_in_period(allocation: Allocation, at: IntArray) -> FloatArray | float:
    """Of a switchback, what share of a visit's events come before its period ends, and so count in it."""
    if not isinstance(allocation, Switching):
        return 1.0
    left = allocation.period - (at - allocation.exposure_period[0]) % allocation.period
    return -np.expm1(-left / MEAN_DELAY)


def _visits_in_window(world: World, allocation: Allocation, metric: Metric, eligible: BoolArray) -> IntArray:
    """Visits that count for the metric: in the unit's window, or until the experiment's end without one."""
    unit, at = world.visits.unit, world.visits.instant
    first = allocation.first_exposed_at[unit]
    candidates = np.flatnonzero(eligible[unit] & (at >= first))
    since = at[candidates] - first[candidates]
    if metric.window is None:
        inside = at[candidates] < allocation.exposure_period[1]
    else:
        inside = (since >= metric.window.start_days * DAY) & (since < metric.window.end_days * DAY)
    return candidates[inside]


def _component_means(
    world: World, allocation: Allocation, metric: Metric, component: Component, population: _Population
) -> FloatArray:
    visits = population.visits
    process = world.behaviour.process_of(component)
    mean_count = _mean_counts(world, allocation, process, visits)
    potential = Potential(
        unit=population.number,
        mean_count=mean_count * process.qualifying_share(component.where),
        at_most_once=process.happens_at_most_once,
        value=_values(world, allocation, component, process, visits),
        sigma=process.measures[component.measure].sigma if component.measure is not None else 0.0,
        n_units=population.n_units,
    )
    if metric.type in ("proportion", "retention"):
        return any_event(potential)
    if component.aggregate == "max" or metric.cap is not None:
        rng = stream(world.population.seed, "truth", allocation.experiment.id, metric.id, str(component))
        return simulated_means(potential, population.arm, rng, maximum=component.aggregate == "max", cap=metric.cap)
    return expected_total(potential)


def _mean_counts(world: World, allocation: Allocation, process: EventProcess, visits: IntArray) -> FloatArray:
    """Mean events per visit, a row per variant of this experiment, the others' arms as they were."""
    unit, at = world.visits.unit[visits], world.visits.instant[visits]
    others = [other for other in world.allocations if other is not allocation]
    elsewhere = rate_multiplier(others, process, unit, at)
    here = allocation.rate_multipliers(process)
    mean = np.stack([world.population.mean_count(process, unit, elsewhere * m) for m in here])
    if process.parent is not None:
        mean *= _mean_counts(world, allocation, process.parent, visits)
    return mean * _share_in_period(allocation, at)


def _values(
    world: World, allocation: Allocation, component: Component, process: EventProcess, visits: IntArray
) -> FloatArray:
    """Mean value of an event at each visit, a row per variant; 1 for counts."""
    shape = (len(allocation.experiment.variants), len(visits))
    if component.measure is None:
        return np.ones(shape)
    unit, at = world.visits.unit[visits], world.visits.instant[visits]
    others = [other for other in world.allocations if other is not allocation]
    elsewhere = measure_multiplier(others, process, component.measure, unit, at)
    level = world.population.measure_level(process, component.measure)[unit] * elsewhere
    return np.outer(allocation.measure_multipliers(process, component.measure), level)
