"""Switchbacks: whole markets whose arm is drawn anew for every block, and acts a while longer than it lasts."""

from dataclasses import dataclass
from datetime import timedelta

import numpy as np

from analysis.clusters.switchback_periods import block_starts, design_of
from analysis.simulation.allocation import NEVER, NOT_EXPOSED, Allocation
from analysis.simulation.population import Population
from analysis.simulation.randomness import pick, stream, unit_hash
from analysis.simulation.types import SECOND, FloatArray, IntArray
from analysis.simulation.visits import Calendar, Visits
from configs.schema import Experiment
from configs.simulation_schema import ExperimentScenario


@dataclass(frozen=True)
class Switching(Allocation):
    """A switchback's units: each visit meets the arm of its market's block, and reacts to that of some periods before.

    `market` numbers each unit's; `starts` are the blocks' first periods, `arms` (markets, blocks) what was drawn for
    them. The lag is the design's carryover: after it an arm is all that acts. Before the start nothing does.
    """

    market: IntArray
    starts: IntArray
    arms: IntArray

    @property
    def period(self) -> int:
        """The length of a period."""
        return design_of(self.experiment).period_minutes * 60 * SECOND

    def period_of(self, at: IntArray) -> IntArray:
        """The number of the period in which each instant lies, negative before the first."""
        return (at - self.exposure_period[0]) // self.period

    def arm_at(self, unit: IntArray, at: IntArray) -> IntArray:
        """Variant on at visits; `NOT_EXPOSED` before the start and after the end."""
        begins, stops = self.exposure_period
        block = np.searchsorted(self.starts, np.maximum(self.period_of(at), 0), side="right") - 1
        return np.where((at >= begins) & (at < stops), self.arms[self.market[unit], block], NOT_EXPOSED)

    def acting_arm_at(self, unit: IntArray, at: IntArray) -> IntArray:
        """Variant whose effect is felt at visits: the one of as many periods before as it carries over."""
        return self.arm_at(unit, at - design_of(self.experiment).carryover_periods * self.period)

    def mixed(self, unit: IntArray, arm: IntArray) -> int:
        """None: units are meant to see both arms."""
        return 0


def switch(
    experiment: Experiment,
    scenario: ExperimentScenario,
    population: Population,
    visits: Visits,
    calendar: Calendar,
) -> Switching:
    """Draw the arms of every market's blocks, and find who comes while the experiment runs."""
    begins, stops = calendar.instant(experiment.start), calendar.instant(experiment.end + timedelta(days=1))
    takes_part = unit_hash(population.ids, f"{experiment.id}:{population.seed}:traffic") < scenario.traffic
    first = np.full(len(population), NEVER)
    during = np.flatnonzero((visits.instant >= begins) & (visits.instant < stops) & takes_part[visits.unit])
    first[visits.unit[during[::-1]]] = visits.instant[during[::-1]]
    attribute, starts = design_of(experiment).attribute, block_starts(experiment)
    markets = len(population.attribute_values[attribute]) if attribute is not None else 1
    weights: FloatArray = np.array([variant.weight for variant in experiment.variants])
    drawn = stream(population.seed, "switchback", experiment.id).random(markets * len(starts))
    nobody = np.zeros(len(population), dtype=bool)
    return Switching(
        experiment=experiment,
        scenario=scenario,
        calendar=calendar,
        first_exposed_at=first,
        arm=np.full(len(population), NOT_EXPOSED, dtype=np.int8),
        is_mixed=nobody,
        is_lost=nobody,
        is_silent=nobody,
        reacts=~population.is_bot,
        treated_until=stops,
        market=population.attributes[attribute] if attribute is not None else np.zeros(len(population), dtype=np.int8),
        starts=np.array(starts),
        arms=pick(weights, drawn).reshape(markets, len(starts)),
    )
