"""Log dates that an experiment's results need and that did not reach the lake."""

from typing import Any

import numpy as np

from analysis.completeness import LogSpans, list_gaps, metric_sources, result_gaps
from analysis.health.inputs import HealthInputs


def missing_data(inputs: HealthInputs) -> list[dict[str, Any]]:
    """`missing_data`: warns; what it makes incomplete is blocked metric by metric, not here."""
    # Metrics of one window and the same sources stand on the same log dates: one of them answers for all.
    kinds = {id_: (metric_sources(metric), metric.window) for id_, metric in inputs.metrics.items()}
    rows = []
    for experiment in inputs.experiments.values():
        spans = LogSpans(experiment, inputs.project)
        metrics = {kinds[metric_id]: inputs.metrics[metric_id] for metric_id in experiment.metrics.roles}.values()
        for day in inputs.days[experiment.id]:
            gaps = {gap for metric in metrics for gap in result_gaps(inputs.source_days, spans, metric, day)}
            missing = f"missing log dates: {list_gaps(sorted(gaps))}" if gaps else "every log date needed is there"
            rows.append(
                {
                    "as_of_date": day,
                    "experiment_id": experiment.id,
                    "severity": "warning",
                    "passed": not gaps,
                    "statistic": float(len(gaps)),
                    "p_value": np.nan,
                    "threshold": 0.0,
                    "message": missing,
                }
            )
    return rows
