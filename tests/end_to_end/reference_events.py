"""Quantiles of single events by the design's rules in plain Python, as `reference_moments`: slow and exact."""

from collections import Counter
from collections.abc import Iterator
from datetime import date
from fractions import Fraction
from math import ceil
from typing import Any

from tests.end_to_end.reference_moments import Key, Reference

Clusters = list[list[int]]
"""Of each unit that has any the measures of its events, in quantised units."""


def event_value_counts(reference: Reference, through: date) -> dict[Key, dict[str, Any]]:
    """`(as_of_date, experiment_id, variant_id, metric_id, segment_name, segment_value, value)` to its events."""
    return {
        (*key, value / one): {"n_events": count}
        for key, clusters, _, one in _groups(reference, through)
        for value, count in Counter(value for measures in clusters for value in measures).items()
    }


def event_clusters(reference: Reference, through: date) -> dict[Key, dict[str, Any]]:
    """`(as_of_date, experiment_id, variant_id, metric_id, segment_name, segment_value)` to the sums over units."""
    found = {}
    for key, clusters, level, one in _groups(reference, through):
        ascending = sorted(value for measures in clusters for value in measures)
        quantile = ascending[ceil(level * len(ascending)) - 1]
        n = [len(measures) for measures in clusters]
        s = [sum(value <= quantile for value in measures) for measures in clusters]
        found[key] = {
            "quantile": float(level),
            "value": quantile / one,
            "n_units": len(clusters),
            "n_events": sum(n),
            "n_up_to": sum(s),
            "sum_events_squared": sum(x * x for x in n),
            "sum_up_to_squared": sum(y * y for y in s),
            "sum_product": sum(x * y for x, y in zip(n, s, strict=True)),
        }
    return found


def _groups(reference: Reference, through: date) -> Iterator[tuple[Key, Clusters, Fraction, int]]:
    """Key, events, level and steps of a unit of each group with an event: units not mixed and mature."""
    for experiment in reference.config.experiments.values():
        dates = reference.as_of_dates(experiment, through)
        metrics = [
            metric for id_ in experiment.metrics.roles if (metric := reference.config.metrics[id_]).of == "events"
        ]
        for as_of in dates:
            units = reference.units(experiment, as_of)
            for metric in metrics:
                groups: dict[Key, Clusters] = {}
                for value in reference.values(metric, experiment, units, as_of):
                    in_window = reference.in_window(metric, experiment, value.unit, as_of)
                    events = reference.events(metric.components[0], value.unit, in_window)
                    measures = [event.quantised for event in events if event.quantised is not None]
                    for segment, value_of in reference.groups(experiment, as_of, dates[-1]):
                        variant = value.unit.first.variant
                        key = (as_of, experiment.id, variant, metric.id, segment, value_of(value.unit))
                        if measures:
                            groups.setdefault(key, []).append(measures)
                source = next(one for one in reference.config.sources.events if one.id == metric.source)
                one = 10 ** source.measures[str(metric.measure)].decimals
                for key, clusters in groups.items():
                    yield key, clusters, Fraction(str(metric.quantile)), one
