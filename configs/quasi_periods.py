"""Which days of a quasi-experiment are summed up together."""

from collections.abc import Iterator
from datetime import date, timedelta

from configs.quasi_schema import DifferenceInDifferences, InterruptedTimeSeries, Matched, RegressionDiscontinuity
from configs.schema import Experiment

DAY = timedelta(days=1)


def period_starts(experiment: Experiment) -> tuple[date, ...]:
    """First days of a quasi-experiment's periods, in order: of single days, or of the phases of a unit's history."""
    design = experiment.design
    if isinstance(design, DifferenceInDifferences | InterruptedTimeSeries):
        return tuple(_days(experiment.start, experiment.end))
    if isinstance(design, Matched):
        return (experiment.start, design.uptake_from, design.outcome_from)
    if isinstance(design, RegressionDiscontinuity):
        return (experiment.start, design.outcome_from)
    raise ValueError(f"experiment {experiment.id} is no quasi-experiment")


def panel_days(experiment: Experiment) -> Iterator[tuple[date, date]]:
    """(day, first day of its period) of every day from start to end."""
    starts = period_starts(experiment)
    for day in _days(experiment.start, experiment.end):
        yield day, max(start for start in starts if start <= day)


def _days(first: date, last: date) -> Iterator[date]:
    yield from (first + n * DAY for n in range((last - first).days + 1))
