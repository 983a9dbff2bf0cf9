"""What quasi-experiments change: amounts of whole groups from a day on, or everyone's."""

from collections.abc import Mapping

import numpy as np

from analysis.simulation.behaviour import EventProcess
from analysis.simulation.types import FloatArray
from analysis.simulation.world import World
from configs.quasi_schema import DifferenceInDifferences, InterruptedTimeSeries
from configs.schema import Experiment


def adoption_multiplier(
    world: World, process: EventProcess, measure: str, day: int, properties: Mapping[str, np.ndarray], units: np.ndarray
) -> FloatArray:
    """How much larger each row's measure is for the changes that its group has had by that day; 1 without any."""
    factor = np.ones(len(units))
    for experiment in world.quasi_experiments:
        scenario = world.scenario.experiments.get(experiment.id)
        effects = scenario.effects.get(experiment.treatments[0].id, {}) if scenario else {}
        effect = effects.get(process.name)
        if effect is not None and measure in effect.measures:
            has_changed = _has_changed(world, experiment, day, properties, units)
            factor = np.where(has_changed, factor * effect.measures[measure], factor)
    return factor


def _has_changed(
    world: World, experiment: Experiment, day: int, properties: Mapping[str, np.ndarray], units: np.ndarray
) -> np.ndarray:
    today, design = world.calendar.date_of(day), experiment.design
    if isinstance(design, InterruptedTimeSeries):
        return np.full(len(units), today >= design.break_date)
    if isinstance(design, DifferenceInDifferences):
        adopted = [group for group, first in design.adoption.items() if first <= today]
        groups = properties.get(design.group) if design.group else world.population.id_column(units).to_numpy()
        return np.isin(groups, adopted) if groups is not None else np.zeros(len(units), dtype=bool)
    return np.zeros(len(units), dtype=bool)
