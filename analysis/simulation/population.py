"""The units: who they are, how active, since when, and how prone to each event."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from analysis.simulation.behaviour import Behaviour, EventProcess
from analysis.simulation.randomness import pick, stream, unit_mean_lognormal
from analysis.simulation.types import BoolArray, FloatArray, IntArray
from configs.simulation_schema import Scenario

# How much of a unit's inclination to an event it has to every event: people who buy more also read more.
_SHARED_INCLINATION = 0.6


@dataclass(frozen=True)
class Population:
    """Arrays with one entry per unit.

    `visit_rate` is visits per average day, `joined` the number of the day on which the unit first can come
    (0: before the simulation); `event_factor` and, by measure, `measure_factors` are what its attributes
    multiply (mean 1).
    """

    seed: int
    ids: np.ndarray
    attributes: dict[str, IntArray]
    attribute_values: dict[str, list[str]]
    visit_rate: FloatArray
    joined: IntArray
    is_bot: BoolArray
    engagement: FloatArray
    event_factor: FloatArray
    measure_factors: dict[str, FloatArray]
    _traits: dict[tuple[str, ...], FloatArray] = field(default_factory=dict, repr=False)

    def __len__(self) -> int:
        return len(self.ids)

    def mean_count(self, process: EventProcess, unit: IntArray, multiplier: FloatArray) -> FloatArray:
        """Mean number of events at a visit of each unit (after a parent event, if the event follows one)."""
        mean = process.own_rate * self.propensity(process)[unit] * multiplier
        return mean if process.model.probability is None else np.minimum(mean, 1.0)

    def propensity(self, process: EventProcess) -> FloatArray:
        """Each unit's rate of an event relative to the average unit's; stable in time, mean 1."""
        key = ("propensity", process.source_id, process.name)
        if key not in self._traits:
            own = stream(self.seed, *key).standard_normal(len(self))
            normals = np.sqrt(_SHARED_INCLINATION) * self.engagement + np.sqrt(1 - _SHARED_INCLINATION) * own
            self._traits[key] = unit_mean_lognormal(normals, process.model.heterogeneity) * self.event_factor
        return self._traits[key]

    def measure_level(self, process: EventProcess, measure: str) -> FloatArray:
        """Each unit's mean of a measure, in the measure's unit."""
        key = ("measure level", process.source_id, process.name, measure)
        if key not in self._traits:
            model = process.measures[measure]
            normals = stream(self.seed, *key).standard_normal(len(self))
            factors = unit_mean_lognormal(normals, model.unit_sigma)
            self._traits[key] = model.mean * factors * self.measure_factors[measure]
        return self._traits[key]

    def id_column(self, units: IntArray) -> pd.Series:
        """Ids of units as a text column."""
        return text_column(self.ids, units)

    def attribute_column(self, attribute: str, units: IntArray) -> pd.Series:
        """Values of an attribute as a text column."""
        return text_column(self.attribute_values[attribute], self.attributes[attribute][units])


def text_column(values: Any, codes: IntArray) -> pd.Series:
    """The text `values[codes]`."""
    return pd.Series(pd.array(values, dtype="str").take(codes))


def draw_population(behaviour: Behaviour, scenario: Scenario, units: int, days: int, seed: int) -> Population:
    """Draw the units; gamma visit rates, attributes independent of each other."""
    rng = stream(seed, "population")
    settings = scenario.population
    visits_factor, event_factor = np.ones(units), np.ones(units)
    measure_factors = {name: np.ones(units) for process in behaviour.processes for name in process.measures}
    attributes = {}
    for attribute, by_value in behaviour.attributes.items():
        levels = list(by_value.values())
        shares = np.array([level.share for level in levels])
        codes = pick(shares, stream(seed, "attribute", attribute).random(units))
        attributes[attribute] = codes.astype(np.int16)
        visits_factor *= _relative([level.visits for level in levels], shares)[codes]
        event_factor *= _relative([level.events for level in levels], shares)[codes]
        for measure, factor in measure_factors.items():
            factor *= _relative([level.measures.get(measure, 1.0) for level in levels], shares)[codes]
    activity = rng.gamma(settings.activity_shape, 1 / settings.activity_shape, units)
    is_new = rng.random(units) < settings.new_unit_share
    joined = np.where(is_new, rng.integers(1, max(days, 2), units), 0)
    is_bot = rng.random(units) < scenario.bots.share
    visit_rate = settings.visits_per_day * activity * visits_factor
    width = len(str(units))
    return Population(
        seed=seed,
        ids=np.array([f"u{number:0{width}d}" for number in range(1, units + 1)], dtype=object),
        attributes=attributes,
        attribute_values={name: list(levels) for name, levels in behaviour.attributes.items()},
        visit_rate=np.where(is_bot, scenario.bots.visits_per_day, visit_rate),
        joined=joined.astype(np.int32),
        is_bot=is_bot,
        engagement=rng.standard_normal(units),
        event_factor=event_factor,
        measure_factors=measure_factors,
    )


def _relative(factors: list[float], shares: FloatArray) -> FloatArray:
    """The levels' factors scaled to a mean of 1, so that attributes move no overall rate."""
    return np.array(factors) / (shares @ factors)
