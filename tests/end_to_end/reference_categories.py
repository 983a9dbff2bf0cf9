"""Expected numbers of units by category, from the reference's values."""

from datetime import date
from itertools import product
from typing import Any

from configs.schema import Experiment, Metric
from tests.end_to_end.reference_moments import Key, Reference, Unit


def category_counts(reference: Reference, through: date) -> dict[Key, dict[str, Any]]:
    """`(as_of_date, experiment_id, variant_id, metric_id, segment_name, segment_value, category)` to its units."""
    counts: dict[Key, dict[str, Any]] = {}
    for experiment in reference.config.experiments.values():
        dates = reference.as_of_dates(experiment, through)
        metrics = [reference.config.metrics[id_] for id_ in experiment.metrics.roles]
        for as_of, metric in product(dates, [metric for metric in metrics if metric.type == "categorical"]):
            groups: dict[Key, list[str]] = {}
            for value in reference.values(metric, experiment, reference.units(experiment, as_of), as_of):
                for segment, value_of in reference.groups(experiment, as_of, dates[-1]):
                    group = (value.unit.first.variant, metric.id, segment, value_of(value.unit))
                    groups.setdefault((as_of, experiment.id, *group), []).append(
                        category(reference, metric, experiment, value.unit, as_of)
                    )
            names = [*map(str, metric.categories), "other", "none"]
            for (group, found), (number, name) in product(groups.items(), enumerate(names, start=1)):
                n = found.count(name)
                counts[*group, name] = {"position": number, "n_units": n, "share": n / len(found)}
    return counts


def category(reference: Reference, metric: Metric, experiment: Experiment, unit: Unit, as_of: date) -> str:
    """Of the unit's first event; of several at once the one declared first."""
    declared = [str(name) for name in metric.categories]
    events = reference.events(metric.components[0], unit, reference.in_window(metric, experiment, unit, as_of))
    found = [
        (event.at, declared.index(event.channel) if event.channel in declared else len(declared)) for event in events
    ]
    return [*declared, "other"][min(found)[1]] if found else "none"
