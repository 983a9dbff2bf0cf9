"""The expected sums over buckets of bootstrapped metrics, from the reference's values of units."""

import hashlib
from datetime import date
from itertools import product
from typing import Any

from tests.end_to_end.reference_moments import Key, Reference, Value, capped, overflows


def bucket_of(unit_id: str) -> int:
    return int(hashlib.md5(f"bucket {unit_id}".encode()).hexdigest()[:8], 16) % 1000


def bucket_sums(reference: Reference, through: date) -> dict[Key, dict[str, Any]]:
    """`(as_of_date, experiment_id, variant_id, metric_id, bucket)` to the sums of its units."""
    members: dict[Key, list[Value]] = {}
    for experiment in reference.config.experiments.values():
        dates = reference.as_of_dates(experiment, through)
        metrics = [metric for id_ in experiment.metrics.roles if (metric := reference.config.metrics[id_]).bootstrap]
        for as_of, metric in product(dates, metrics):
            values = reference.values(metric, experiment, reference.units(experiment, as_of), as_of)
            caps = reference.caps(metric, values)
            for value in (capped(value, caps) for value in values if not overflows(value)):
                key = (as_of, experiment.id, value.unit.first.variant, metric.id, bucket_of(value.unit.id))
                members.setdefault(key, []).append(value)
    return {key: _sums(reference, key, values) for key, values in members.items()}


def _sums(reference: Reference, key: Key, values: list[Value]) -> dict[str, Any]:
    metric = reference.config.metrics[key[3]]
    is_ratio = metric.type == "ratio"
    return {
        "n_units": len(values),
        "value_sum": sum(value.numerator for value in values),
        "denominator_sum": sum(value.denominator for value in values) if is_ratio else None,
        "decimals": reference.decimals(metric.components[0]),
        "denominator_decimals": reference.decimals(metric.components[1]) if is_ratio else 0,
    }
