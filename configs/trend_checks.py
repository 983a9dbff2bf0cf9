"""Checks of the days since exposure over which an experiment's effects are followed."""

from collections.abc import Iterator, Mapping
from datetime import timedelta

from configs.schema import Experiment, Metric
from configs.supported import Finding


def check_trends(experiment: Experiment, metrics: Mapping[str, Metric]) -> Iterator[Finding]:
    """Some unit can be exposed for all of the days before the analysis ends, and some metric has values of days."""
    own = [metrics.get(id_) for id_ in experiment.metrics.roles]
    known = [metric for metric in own if metric is not None]
    if experiment.trends is None or len(known) < len(own):  # a broken metric may be the one with a long window
        return
    if not any(metric.has_daily_values for metric in known):
        yield (
            ("trends",),
            "trends are of means (not of count_distinct), proportions and retentions; the experiment has none of these",
        )
        return
    longest = max((metric.window.end_days for metric in known if metric.window), default=0)
    last = experiment.end + timedelta(days=longest)
    days = (last - experiment.start).days + 1
    if experiment.trends.days > days:
        yield (
            ("trends", "days"),
            f"no unit is exposed for {experiment.trends.days} days: results go from {experiment.start} to {last},"
            f" which is {days}",
        )
