"""Expected numbers of units with any event of a source, from the reference's rows."""

from collections import Counter
from datetime import date
from typing import Any

from analysis.completeness import metric_sources
from configs.schema import Metric
from tests.end_to_end.reference_moments import Key, Reference


def event_coverage(reference: Reference, through: date) -> dict[Key, dict[str, Any]]:
    """`(as_of_date, experiment_id, variant_id, source_id)` to its mature units, of arms that have any."""
    rows: dict[Key, dict[str, Any]] = {}
    for experiment in reference.config.experiments.values():
        metrics = [reference.config.metrics[id_] for id_ in experiment.metrics.roles]
        for source_id in {source for metric in metrics for source in metric_sources(metric)}:
            windows = [one.window.end_days for one in metrics if one.window and source_id in metric_sources(one)]
            window = {"end_days": min(windows)} if windows else None
            any_event = Metric(id="coverage", type="proportion", source=source_id, event="any", window=window)
            for as_of in reference.as_of_dates(experiment, through):
                units, with_event = Counter[str](), Counter[str]()
                for value in reference.values(any_event, experiment, reference.units(experiment, as_of), as_of):
                    counts = reference.in_window(any_event, experiment, value.unit, as_of)
                    known = reference.rows_of_unit.get((source_id, value.unit.id), [])
                    units[value.unit.first.variant] += 1
                    with_event[value.unit.first.variant] += any(counts(row) for row in known)
                for variant, n_units in units.items():
                    rows[as_of, experiment.id, variant, source_id] = {
                        "window_days": min(windows, default=None),
                        "n_units": n_units,
                        "n_with_event": with_event[variant],
                        "n_not_computed": 0,
                    }
    return rows
