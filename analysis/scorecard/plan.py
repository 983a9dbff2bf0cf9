"""Which comparisons the configuration asks for, and how each is to be made."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from analysis.statistics.multiplicity import CORRECTIONS
from analysis.statistics.registry import ESTIMATOR_OF_TYPE, INFERENCES, SHARE_TYPES
from configs.schema import Experiment, Guardrail, Metric

PLAN_COLUMNS: dict[str, str] = {
    "experiment_id": "str",
    "metric_id": "str",
    "role": "str",
    "variant_id": "str",
    "baseline_id": "str",
    "alpha": "float64",
    "correction": "str",
    "inference": "str",
    "estimator": "str",
    "adjusted_estimator": "str",
    "is_adjusted": "bool",
    "is_share": "bool",
    "sign": "float64",
    "margin": "float64",
    "margin_type": "str",
    "problem": "str",
}


def comparison_plan(experiments: Mapping[str, Experiment], metrics: Mapping[str, Metric]) -> pd.DataFrame:
    """A row per experiment × metric × treatment, sorted, with `PLAN_COLUMNS`.

    `sign` is 1 where an increase is better, else -1; `problem` says why a comparison cannot be made.
    """
    rows = [
        {**common, "variant_id": treatment.id}
        for experiment in experiments.values()
        for metric_id, role in experiment.metrics.roles.items()
        for common in [_metric_plan(experiment, metric_id, role, metrics.get(metric_id))]
        for treatment in experiment.treatments
    ]
    frame = pd.DataFrame(rows, columns=list(PLAN_COLUMNS)).astype(PLAN_COLUMNS)
    return frame.sort_values(["experiment_id", "metric_id", "variant_id"], ignore_index=True)


def _metric_plan(experiment: Experiment, metric_id: str, role: str, metric: Metric | None) -> dict[str, Any]:
    analysis = experiment.analysis
    plain, adjusted = ESTIMATOR_OF_TYPE.get(metric.type, ("", "")) if metric else ("", "")
    margin, margin_type = _margin(experiment, metric_id)
    return {
        "experiment_id": experiment.id,
        "metric_id": metric_id,
        "role": role,
        "baseline_id": experiment.baseline.id,
        "alpha": analysis.alpha,
        "correction": analysis.correction,
        "inference": analysis.method,
        "estimator": plain,
        "adjusted_estimator": adjusted,
        "is_adjusted": analysis.covariate_adjustment and metric is not None and metric.covariate is not None,
        "is_share": metric is not None and metric.type in SHARE_TYPES,
        "sign": -1.0 if metric and metric.direction == "decrease" else 1.0,
        "margin": margin,
        "margin_type": margin_type,
        "problem": _problem(experiment, metric_id, metric),
    }


def _margin(experiment: Experiment, metric_id: str) -> tuple[float, str]:
    """The guardrail's margin as configured and its kind; NaN and "" for other metrics."""
    guardrail = next((g for g in experiment.metrics.guardrail if g.metric == metric_id), None)
    if guardrail is None:
        return float("nan"), ""
    return _guardrail_margin(guardrail)


def _guardrail_margin(guardrail: Guardrail) -> tuple[float, str]:
    if guardrail.non_inferiority_margin is not None:
        return guardrail.non_inferiority_margin, "relative"
    if guardrail.absolute_margin is not None:
        return guardrail.absolute_margin, "absolute"
    if guardrail.level is not None:
        return guardrail.level, "level"
    raise ValueError(f"guardrail {guardrail.metric} has no margin")


def _problem(experiment: Experiment, metric_id: str, metric: Metric | None) -> str:
    if metric is None:
        return f"metric {metric_id} is not defined; add it to configs/metrics"
    if metric.type not in ESTIMATOR_OF_TYPE:
        return f"metric type {metric.type} has no estimator; known are {', '.join(ESTIMATOR_OF_TYPE)}"
    if experiment.analysis.method not in INFERENCES:
        return f"analysis method {experiment.analysis.method} is unknown; known are {', '.join(INFERENCES)}"
    if experiment.analysis.correction not in CORRECTIONS:
        return f"correction {experiment.analysis.correction} is unknown; known are {', '.join(CORRECTIONS)}"
    return ""
