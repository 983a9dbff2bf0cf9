"""Moments of days since exposure by the design's rules in plain Python, as `reference_moments`: slow and exact."""

from collections.abc import Iterator
from datetime import date
from fractions import Fraction
from itertools import combinations_with_replacement
from typing import Any

from configs.schema import Experiment, Metric
from tests.end_to_end.reference_moments import DAY, Key, Reference, Unit, end_of_day

OVERFLOW = 10**14


def day_moments(reference: Reference, through: date) -> dict[Key, dict[str, Any]]:
    """`(as_of_date, experiment_id, variant_id, metric_id, day, other_day)` to the moments of complete cohorts."""
    found = {}
    for experiment in reference.config.experiments.values():
        dates = reference.as_of_dates(experiment, through)
        if experiment.trends is None or not dates:
            continue
        for as_of in {dates[-1]} | ({reference.last_day(experiment)} & set(dates)):
            for variant, metric, values, one in _arms(reference, experiment, as_of):
                for day, other in combinations_with_replacement(range(experiment.trends.days), 2):
                    key = (as_of, experiment.id, variant, metric.id, day, other)
                    pairs = [(unit[day], unit[other]) for unit in values]
                    found[key] = {"n_units": len(values)} | _moments(pairs, one)
    return found


def _moments(pairs: list[tuple[int, int]], one: int) -> dict[str, Fraction | None]:
    n = len(pairs)
    is_known, is_other_known = (all(abs(pair[side]) < OVERFLOW for pair in pairs) for side in (0, 1))
    mean, other_mean = (Fraction(sum(pair[side] for pair in pairs), n) for side in (0, 1))
    products = sum((left - mean) * (right - other_mean) for left, right in pairs)
    return {
        "mean": mean / one if is_known else None,
        "covariance": Fraction(products, n - 1) / one**2 if n > 1 and is_known and is_other_known else None,
    }


def _arms(
    reference: Reference, experiment: Experiment, as_of: date
) -> Iterator[tuple[str, Metric, list[list[int]], int]]:
    """Each arm's units that have been exposed for all of the days, by their values of each day."""
    units = [unit for unit in reference.units(experiment, as_of) if not unit.is_mixed]
    days = experiment.trends.days if experiment.trends else 0
    for metric in (reference.config.metrics[id_] for id_ in experiment.metrics.roles):
        if not metric.has_daily_values:
            continue
        last = as_of if metric.window else min(as_of, experiment.end)
        complete = [unit for unit in units if unit.first.at + days * DAY <= end_of_day(last, reference.project)]
        one = 10 ** reference.decimals(metric.components[0])
        for variant in {unit.first.variant for unit in complete}:
            mine = [unit for unit in complete if unit.first.variant == variant]
            values = [[_on_day(reference, metric, unit, day, as_of) for day in range(days)] for unit in mine]
            yield variant, metric, values, one


def _on_day(reference: Reference, metric: Metric, unit: Unit, day: int, as_of: date) -> int:
    first = unit.first.at + day * DAY
    component = metric.components[0]
    total = reference.total(
        component, unit, lambda known: known.known_from <= as_of and first <= known.row.at < first + DAY
    )
    return int(total > 0) if metric.type in ("proportion", "retention") else total
