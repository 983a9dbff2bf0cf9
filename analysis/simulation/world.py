"""A simulated world: units, visits and arms, from which both the logs and the truth are computed."""

from dataclasses import dataclass

from analysis.simulation.allocation import Allocation, allocate
from analysis.simulation.behaviour import Behaviour, resolve
from analysis.simulation.population import Population, draw_population
from analysis.simulation.switching import switch
from analysis.simulation.visits import Calendar, Visits, draw_visits
from configs.schema import Config, Experiment
from configs.simulation_schema import ExperimentScenario, Scenario


@dataclass(frozen=True)
class World:
    """Everything drawn before any log row is written."""

    config: Config
    scenario: Scenario
    behaviour: Behaviour
    calendar: Calendar
    population: Population
    visits: Visits
    allocations: tuple[Allocation, ...]
    quasi_experiments: tuple[Experiment, ...] = ()


def build_world(
    config: Config,
    scenario: Scenario,
    experiments: tuple[str, ...],
    units: int,
    calendar: Calendar,
    seed: int,
) -> World:
    """Draw units and visits, and allocate the units of every experiment named that has arms."""
    behaviour = resolve(config, scenario)
    population = draw_population(behaviour, scenario, units, calendar.days, seed)
    visits = draw_visits(population, scenario.population, calendar)
    allocations = tuple(
        _arms(
            config,
            config.experiments[experiment_id],
            scenario.experiments.get(experiment_id, ExperimentScenario()),
            population,
            visits,
            calendar,
        )
        for experiment_id in experiments
        if not config.experiments[experiment_id].is_quasi
    )
    quasi = tuple(config.experiments[id_] for id_ in experiments if config.experiments[id_].is_quasi)
    return World(config, scenario, behaviour, calendar, population, visits, allocations, quasi)


def _arms(
    config: Config,
    experiment: Experiment,
    scenario: ExperimentScenario,
    population: Population,
    visits: Visits,
    calendar: Calendar,
) -> Allocation:
    if experiment.switchback is not None:
        return switch(experiment, scenario, population, visits, calendar)
    return allocate(config, experiment, scenario, population, visits, calendar)
