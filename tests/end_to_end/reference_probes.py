"""Expected numbers of bots and what they bring of each metric, from the reference's rows."""

from collections import Counter
from datetime import date
from typing import Any

from configs.catalog import bot_limit
from configs.schema import Experiment, Metric
from tests.end_to_end.reference_moments import DAY, Key, Reference, Unit, Value

WITH_TOTAL = ("mean", "proportion", "retention", "ratio")


def metric_probes(reference: Reference, through: date) -> dict[Key, dict[str, Any]]:
    """`(as_of_date, experiment_id, variant_id, metric_id, probe)` to its sums, of arms that have mature units."""
    rows: dict[Key, dict[str, Any]] = {}
    for experiment in reference.config.experiments.values():
        if (limit := bot_limit(reference.config, experiment)) is None:
            continue
        for metric in (reference.config.metrics[id_] for id_ in experiment.metrics.roles):
            for as_of in reference.as_of_dates(experiment, through):
                by_arm: dict[str, list[tuple[Value, bool]]] = {}
                for value in reference.values(metric, experiment, reference.units(experiment, as_of), as_of):
                    is_bot = _busiest_day(reference, metric, experiment, value.unit, as_of) > limit
                    by_arm.setdefault(value.unit.first.variant, []).append((value, is_bot))
                for variant, found in by_arm.items():
                    rows[as_of, experiment.id, variant, metric.id, "bots"] = _sums(reference, metric, found)
    return rows


def _busiest_day(reference: Reference, metric: Metric, experiment: Experiment, unit: Unit, as_of: date) -> int:
    """Most events of one day since exposure that came to be known on the same date."""
    counts = reference.in_window(metric, experiment, unit, as_of)
    known = reference.rows_of_unit.get((metric.components[0].source, unit.id), [])
    days = Counter(((row.row.at - unit.first.at) // DAY, row.known_from) for row in known if counts(row))
    return max(days.values(), default=0)


def _sums(reference: Reference, metric: Metric, found: list[tuple[Value, bool]]) -> dict[str, Any]:
    has_total = metric.type in WITH_TOTAL
    usable = [
        (value, is_bot)
        for value, is_bot in found
        if not (has_total and is_bot and abs(value.raw) >= 10**14)
    ]  # fmt: skip
    total = sum(value.raw for value, is_bot in usable if is_bot) if has_total else None
    return {
        "n_units": len(usable),
        "n_found": sum(is_bot for _, is_bot in usable),
        "total": None if total is None else total / 10 ** reference.decimals(metric.components[0]),
        "n_not_computed": len(found) - len(usable),
    }
