"""Who is in which arm of which experiment, and since when."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np

from analysis.simulation.behaviour import EventProcess
from analysis.simulation.population import Population
from analysis.simulation.randomness import pick, unit_hash, visit_hash
from analysis.simulation.types import BoolArray, FloatArray, IntArray
from analysis.simulation.visits import Calendar, Visits
from configs.schema import Config, Experiment
from configs.simulation_schema import EventEffect, ExperimentScenario, Loss

NOT_EXPOSED = -1
NEVER = np.iinfo(np.int64).max
_NO_EFFECT = EventEffect()


@dataclass(frozen=True)
class Allocation:
    """One experiment's units: first exposure, arm, and the faults that meet them.

    A unit keeps the arm of its first visit, drawn by a hash of its id under that day's weights, until the
    metrics' windows have closed; a mixed unit's arm is drawn anew at each visit. Lost units are treated
    like the others but never logged as exposed, silent ones' events are not logged from then on; bots (`reacts`
    false) are exposed without effect.
    """

    experiment: Experiment
    scenario: ExperimentScenario
    calendar: Calendar
    first_exposed_at: IntArray
    arm: IntArray
    is_mixed: BoolArray
    is_lost: BoolArray
    is_silent: BoolArray
    reacts: BoolArray
    treated_until: int

    @property
    def exposure_period(self) -> tuple[int, int]:
        """The instants at which exposure starts and stops."""
        start, end = self.experiment.start, self.experiment.end
        return self.calendar.instant(start), self.calendar.instant(end + timedelta(days=1))

    def arm_at(self, unit: IntArray, at: IntArray) -> IntArray:
        """Variant in force at visits; `NOT_EXPOSED` before the first exposure and after treatment ends."""
        arm = self.arm[unit].copy()
        for begins, ends, weights in _epochs(self.experiment, self.calendar):
            redrawn = self.is_mixed[unit] & (at >= begins) & (at < ends)
            arm[redrawn] = pick(weights, visit_hash(unit[redrawn], at[redrawn], self.experiment.id))
        arm[(at < self.first_exposed_at[unit]) | (at >= self.treated_until)] = NOT_EXPOSED
        return arm

    def acting_arm_at(self, unit: IntArray, at: IntArray) -> IntArray:
        """Variant whose effect is felt at visits: the one in force."""
        return self.arm_at(unit, at)

    def mixed(self, unit: IntArray, arm: IntArray) -> int:
        """How many of these exposures are in another arm than their unit's."""
        return int((arm != self.arm[unit]).sum())

    def rate_multipliers(self, process: EventProcess) -> FloatArray:
        """What each variant multiplies an event's rate by, in the order of the experiment's variants."""
        return np.array([self._effect(variant.id, process).rate for variant in self.experiment.variants])

    def measure_multipliers(self, process: EventProcess, measure: str) -> FloatArray:
        """What each variant multiplies a measure by, in the order of the experiment's variants."""
        effects = (self._effect(variant.id, process) for variant in self.experiment.variants)
        return np.array([effect.measures.get(measure, 1.0) for effect in effects])

    def _effect(self, variant_id: str, process: EventProcess) -> EventEffect:
        return self.scenario.effects.get(variant_id, {}).get(process.name, _NO_EFFECT)


def allocate(
    config: Config,
    experiment: Experiment,
    scenario: ExperimentScenario,
    population: Population,
    visits: Visits,
    calendar: Calendar,
) -> Allocation:
    """Assign an experiment's units by salted hashes and find their first exposures."""
    begins, stops = calendar.instant(experiment.start), calendar.instant(experiment.end + timedelta(days=1))
    salt = f"{experiment.id}:{population.seed}"
    takes_part = unit_hash(population.ids, f"{salt}:traffic") < scenario.traffic
    first = np.full(len(population), NEVER)
    during = np.flatnonzero((visits.instant >= begins) & (visits.instant < stops) & takes_part[visits.unit])
    # Visits are in order of time, so writing them backwards leaves each unit's earliest.
    first[visits.unit[during[::-1]]] = visits.instant[during[::-1]]
    buckets = unit_hash(population.ids, salt)
    is_mixed = unit_hash(population.ids, f"{salt}:mixed") < scenario.mixed_share
    arm = np.full(len(population), NOT_EXPOSED, dtype=np.int8)
    for epoch_begins, epoch_ends, weights in _epochs(experiment, calendar):
        enters = (first >= epoch_begins) & (first < epoch_ends)
        arm[enters] = pick(weights, buckets[enters])
        redrawn = np.flatnonzero(enters & is_mixed)
        arm[redrawn] = pick(weights, visit_hash(redrawn, first[redrawn], experiment.id))
    longest = longest_window(config, experiment)
    losses = list(enumerate(scenario.losses))
    lost = {
        rows: _lost(experiment, [one for one in losses if one[1].rows == rows], population, arm, first, calendar)
        for rows in ("exposures", "events")
    }
    return Allocation(
        experiment=experiment,
        scenario=scenario,
        calendar=calendar,
        first_exposed_at=first,
        arm=arm,
        is_mixed=is_mixed,
        is_lost=lost["exposures"],
        is_silent=lost["events"],
        reacts=~population.is_bot,
        treated_until=calendar.instant(experiment.end + timedelta(days=1 + longest)),
    )


def longest_window(config: Config, experiment: Experiment) -> int:
    """Days after exposure until the last of an experiment's metric windows has closed."""
    windows = (config.metrics[metric_id].window for metric_id in experiment.metrics.roles)
    return max((window.end_days for window in windows if window is not None), default=0)


def rate_multiplier(
    allocations: Sequence[Allocation], process: EventProcess, unit: IntArray, at: IntArray
) -> FloatArray:
    """Product over experiments of what the arms in force at each visit multiply an event's rate by."""
    return _product(allocations, [a.rate_multipliers(process) for a in allocations], unit, at)


def measure_multiplier(
    allocations: Sequence[Allocation], process: EventProcess, measure: str, unit: IntArray, at: IntArray
) -> FloatArray:
    """Product over experiments of what the arms in force at each visit multiply a measure by."""
    return _product(allocations, [a.measure_multipliers(process, measure) for a in allocations], unit, at)


def _product(
    allocations: Sequence[Allocation], multipliers: Sequence[FloatArray], unit: IntArray, at: IntArray
) -> FloatArray:
    result = np.ones(len(unit))
    for allocation, by_arm in zip(allocations, multipliers, strict=True):
        if np.any(by_arm != 1):
            arm = np.where(allocation.reacts[unit], allocation.acting_arm_at(unit, at), NOT_EXPOSED)
            result *= np.append(by_arm, 1.0)[arm]  # NOT_EXPOSED is -1: the appended 1
    return result


def _epochs(experiment: Experiment, calendar: Calendar) -> list[tuple[int, int, np.ndarray]]:
    """Begin, end and variant weights of each allocation epoch; the last has no end."""
    epochs: list[tuple[date, dict[str, float]]] = sorted(
        ((epoch.from_, epoch.weights) for epoch in experiment.allocation), key=lambda epoch: epoch[0]
    )
    if not epochs or epochs[0][0] > experiment.start:
        epochs.insert(0, (experiment.start, {variant.id: variant.weight for variant in experiment.variants}))
    begins = [calendar.instant(from_date) for from_date, _ in epochs]
    return [
        (begin, end, np.array([weights.get(variant.id, 0.0) for variant in experiment.variants]))
        for begin, end, (_, weights) in zip(begins, [*begins[1:], NEVER], epochs, strict=True)
    ]


def _lost(
    experiment: Experiment,
    losses: Sequence[tuple[int, Loss]],
    population: Population,
    arm: IntArray,
    first: IntArray,
    calendar: Calendar,
) -> BoolArray:
    """Units that some of the numbered losses meet; each draws its own."""
    variants = [variant.id for variant in experiment.variants]
    lost = np.zeros(len(population), dtype=bool)
    for number, loss in losses:
        salt = f"{experiment.id}:{population.seed}:lost" + (f":{number}" if number else "")
        met = (arm == variants.index(loss.variant)) & (unit_hash(population.ids, salt) < loss.share)
        for attribute, value in loss.among.items():
            met &= population.attributes[attribute] == population.attribute_values[attribute].index(value)
        if loss.from_ is not None:
            met &= first >= calendar.instant(loss.from_)
        lost |= met
    return lost
