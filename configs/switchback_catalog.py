"""What the dbt models need of switchbacks: which metrics they sum up by period, and how exposures name a market."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time
from typing import Any
from zoneinfo import ZoneInfo

from configs.schema import Config, Experiment


def switchbacks(config: Config) -> list[Experiment]:
    """The analysed switchbacks, in order."""
    found = [one for one in config.experiments.values() if one.switchback is not None and one.is_analysed]
    return sorted(found, key=lambda experiment: experiment.id)


def switchback_catalog(config: Config) -> dict[str, Any]:
    """The part of the metric catalog that is of switchbacks; nothing where there is none."""
    experiments = switchbacks(config)
    if not experiments:
        return {}
    attributes = {one.switchback.attribute for one in experiments if one.switchback is not None}
    return {
        "switchbacks": {
            "metrics": sorted({id_ for experiment in experiments for id_ in experiment.metric_ids}),
            "attributes": sorted(name for name in attributes if name is not None),
        }
    }


def switchback_rows(config: Config) -> Iterator[tuple[Any, ...]]:
    """(experiment, exposure source, attribute of its markets, start of the first period, minutes of a period)."""
    for experiment in switchbacks(config):
        design = experiment.switchback
        if design is not None:
            starts_at = f"{day_start(experiment.start, config.project.timezone):%Y-%m-%d %H:%M:%S}"
            yield experiment.id, experiment.exposure_source, design.attribute, starts_at, design.period_minutes


def switchback_metric_rows(config: Config) -> Iterator[tuple[Any, ...]]:
    """(experiment, metric) of every metric of a switchback."""
    for experiment in switchbacks(config):
        yield from ((experiment.id, id_) for id_ in sorted(experiment.metric_ids))


def day_start(day: date, timezone: str) -> datetime:
    """Local midnight at which a date begins, in UTC."""
    return datetime.combine(day, time(), ZoneInfo(timezone)).astimezone(UTC)
