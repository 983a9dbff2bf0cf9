"""Simulation of a configuration's logs: the public entry."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from functools import cached_property

import numpy as np
import pandas as pd

from analysis.simulation.delivery import Delivery
from analysis.simulation.logs import FaultCount, event_rows, exposure_rows
from analysis.simulation.truth import truth
from analysis.simulation.visits import Calendar
from analysis.simulation.world import World, build_world
from configs.schema import Config, EventSource, ExposureSource
from configs.simulation_checks import check_scenario
from configs.simulation_schema import Scenario

_FAULT_COLUMNS = ["log_date", "source_id", "experiment_id", "fault", "rows"]


class ScenarioError(ValueError):
    """A scenario that doesn't fit the configuration; the message lists every misfit with its key."""


@dataclass(frozen=True)
class SimulatedDay:
    """One log date: a frame per source as its log would hold it, and what faults are in it.

    `faults` has the columns `log_date, source_id, experiment_id, fault, rows`.
    """

    log_date: date
    logs: dict[str, pd.DataFrame]
    faults: pd.DataFrame


@dataclass(frozen=True)
class Simulation:
    """A simulated project. The same arguments give the same frames, however often they are asked for."""

    world: World

    def days(self) -> Iterator[SimulatedDay]:
        """The log dates in order, a day in memory at a time."""
        world, project, sources = self.world, self.world.config.project, self.world.config.sources
        logged: tuple[ExposureSource | EventSource, ...] = (*sources.exposures, *sources.events)
        deliveries = {
            source.id: Delivery(source, world.scenario.rows, project.late_arrival_days, world.population.seed)
            for source in logged
        }
        for day in range(world.calendar.days):
            drawn = {source.id: exposure_rows(world, source, day) for source in sources.exposures}
            drawn |= {source.id: event_rows(world, source, day) for source in sources.events}
            logs, counts = {}, []
            for source_id, (rows, row_counts) in drawn.items():
                logs[source_id], delivery_counts = deliveries[source_id].deliver(rows, day)
                counts += [*row_counts, *delivery_counts]
            log_date = world.calendar.date_of(day)
            yield SimulatedDay(log_date, logs, _fault_frame(log_date, counts))

    def units(self) -> dict[str, pd.DataFrame]:
        """A frame per unit source: every unit's attributes, valid from the day on which it joined."""
        population, calendar = self.world.population, self.world.calendar
        everyone = np.arange(len(population))
        joined = np.array([calendar.instant(calendar.date_of(day)) for day in range(calendar.days)])
        frames = {}
        for source in self.world.config.sources.units:
            columns = {
                source.columns.unit_id: population.id_column(everyone),
                source.columns.valid_from: joined[population.joined].astype("datetime64[us]"),
            }
            columns |= {name: population.attribute_column(name, everyone) for name in source.attributes}
            frames[source.id] = pd.DataFrame(columns)
        return frames

    @cached_property
    def truth(self) -> pd.DataFrame:
        """The true effects; see `analysis.simulation.truth`."""
        return truth(self.world)


def simulate(
    config: Config,
    scenario: Scenario,
    *,
    units: int,
    days: int,
    seed: int,
    start: date | None = None,
    experiments: Sequence[str] | None = None,
) -> Simulation:
    """Simulate a project's logs from `start` (default: `history_start`) for a number of days.

    `experiments` restricts it to those ids; drafts and what is not yet approved to run are never simulated.
    Raises ScenarioError for names that the configuration does not have, ValueError for numbers out of range.
    """
    if units < 1 or days < 1 or seed < 0:
        raise ValueError(f"units and days must be at least 1, seed at least 0; got {units}, {days}, {seed}")
    misfits = [f"{'.'.join(map(str, at))}: {message}" for at, message in check_scenario(scenario, config)]
    if misfits:
        raise ScenarioError("\n".join(misfits))
    chosen = tuple(config.experiments) if experiments is None else tuple(experiments)
    unknown = [id_ for id_ in chosen if id_ not in config.experiments]
    if unknown:
        known = ", ".join(sorted(config.experiments)) or "none"
        raise ScenarioError(f"no experiment {', '.join(map(repr, unknown))}; choose from: {known}")
    running = tuple(id_ for id_ in chosen if config.experiments[id_].is_analysed)
    calendar = Calendar(start or config.project.history_start, days, config.project.timezone)
    return Simulation(build_world(config, scenario, running, units, calendar, seed))


def _fault_frame(log_date: date, counts: list[FaultCount]) -> pd.DataFrame:
    frame = pd.DataFrame([asdict(count) for count in counts if count.rows])
    return frame.assign(log_date=log_date).reindex(columns=_FAULT_COLUMNS)
