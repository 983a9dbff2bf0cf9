"""Expected sums over buckets of bootstrapped metrics, and units near their caps, from the reference's values."""

import hashlib
import math
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


def cap_tails(reference: Reference, through: date) -> dict[Key, dict[str, Any]]:
    """`(as_of_date, experiment_id, variant_id, metric_id, part, bucket, value)` to the units above the least cap."""
    counts: dict[Key, dict[str, Any]] = {}
    for experiment in reference.config.experiments.values():
        dates = reference.as_of_dates(experiment, through)
        metrics = [metric for id_ in experiment.metrics.roles if (metric := reference.config.metrics[id_]).bootstrap]
        quantile_capped = [metric for metric in metrics if metric.cap and metric.cap.upper_quantile]
        for as_of, metric in product(dates, quantile_capped):
            values = reference.values(metric, experiment, reference.units(experiment, as_of), as_of)
            if not values:
                continue
            for part, cap in zip(("value", "denominator"), reference.caps(metric, values), strict=True):
                if cap is None:
                    continue
                raw = [value.raw if part == "value" else value.raw_denominator for value in values]
                least, greatest = _cap_range(raw, float(metric.cap.upper_quantile))
                for value, amount in zip(values, raw, strict=True):
                    if overflows(value) or amount <= least:
                        continue
                    group = (value.unit.first.variant, metric.id, part, bucket_of(value.unit.id))
                    key = (as_of, experiment.id, *group, min(amount, greatest))
                    n = counts.get(key, {"n_units": 0})["n_units"] + 1
                    counts[key] = {"n_units": n, "cap": cap, "least_cap": least}
    return counts


def _cap_range(raw: list[int], quantile: float) -> tuple[int, int]:
    """The values at 6 standard deviations and 36 ranks around the quantile's rank."""
    ordered, n = sorted(raw), len(raw)
    reach = 6 * math.sqrt(n * quantile * (1 - quantile)) + 36
    up_to = {value: rank for rank, value in enumerate(ordered, start=1)}
    least = min(value for value, rank in up_to.items() if rank >= quantile * n - reach)
    greatest = min((value for value, rank in up_to.items() if rank >= quantile * n + reach), default=ordered[-1])
    return least, greatest


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
