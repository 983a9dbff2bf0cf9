"""What the dbt models need of quasi-experiments: which metrics they sum up, and how their events name a group."""

from collections.abc import Iterator
from typing import Any

from configs.quasi_periods import panel_days
from configs.quasi_schema import DifferenceInDifferences, InterruptedTimeSeries
from configs.schema import Config, Experiment

EVERYONE, UNIT, PROPERTY = "everyone", "unit", "property"
"""What a row is of: all units together, each unit, or the units whose events name the same group."""


def quasi_experiments(config: Config) -> list[Experiment]:
    """The analysed quasi-experiments, in order."""
    found = [one for one in config.experiments.values() if one.is_quasi and one.is_analysed]
    return sorted(found, key=lambda experiment: experiment.id)


def panel_catalog(config: Config) -> dict[str, Any]:
    """The part of the metric catalog that is of quasi-experiments; nothing where there is none."""
    experiments = quasi_experiments(config)
    if not experiments:
        return {}
    groups = {group_of(experiment)[1] for experiment in experiments}
    return {
        "panels": {
            "metrics": sorted({id_ for experiment in experiments for id_ in experiment.metric_ids}),
            "group_properties": sorted(name for name in groups if name is not None),
        }
    }


def group_of(experiment: Experiment) -> tuple[str, str | None]:
    """What a row of the experiment's panel is of, and the property that names its group, if one does."""
    design = experiment.design
    if isinstance(design, InterruptedTimeSeries):
        return EVERYONE, None
    if isinstance(design, DifferenceInDifferences) and design.group is not None:
        return PROPERTY, design.group
    return UNIT, None


def panel_rows(config: Config) -> Iterator[tuple[Any, ...]]:
    """(experiment, kind of group, its property) of every quasi-experiment."""
    for experiment in quasi_experiments(config):
        yield experiment.id, *group_of(experiment)


def panel_metric_rows(config: Config) -> Iterator[tuple[Any, ...]]:
    """(experiment, metric) of every metric that a quasi-experiment is computed of."""
    for experiment in quasi_experiments(config):
        yield from ((experiment.id, id_) for id_ in sorted(experiment.metric_ids))


def panel_day_rows(config: Config) -> Iterator[tuple[Any, ...]]:
    """(experiment, day, first day of its period) of every day of a quasi-experiment."""
    for experiment in quasi_experiments(config):
        yield from ((experiment.id, day, period) for day, period in panel_days(experiment))
