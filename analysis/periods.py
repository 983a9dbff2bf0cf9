"""Which as-of dates an experiment is analysed for, and when it is decided."""

from collections.abc import Iterable, Mapping
from datetime import date, timedelta

import pandas as pd

from configs.schema import Experiment, Metric


def window_days(metric: Metric) -> int:
    """Days after the last exposure until the metric is known for every unit; 0 without a window."""
    return metric.window.end_days if metric.window else 0


def analysis_end(experiment: Experiment, metrics: Mapping[str, Metric]) -> date:
    """The date by which every metric of the experiment is mature for the units of its last day."""
    longest = max(window_days(metrics[metric_id]) for metric_id in experiment.metrics.roles)
    return experiment.end + timedelta(days=longest)


def analysed_days(
    experiment: Experiment, metrics: Mapping[str, Metric], as_of_dates: Iterable[date]
) -> tuple[date, ...]:
    """Those of `as_of_dates` from the experiment's start to its analysis end, in order; none of a draft."""
    if not experiment.is_analysed:
        return ()
    last = analysis_end(experiment, metrics)
    return tuple(day for day in sorted(set(as_of_dates)) if experiment.start <= day <= last)


def as_days(values: pd.Series) -> pd.Series:
    """A column of dates, however it is typed, as midnights (datetime64, microseconds)."""
    return pd.to_datetime(values).astype("datetime64[us]")
