"""Studies as the published tables `quasi_estimates` and `quasi_checks`."""

from collections.abc import Mapping
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from analysis.quasi.study import EFFECT, Estimate, Study
from analysis.statistics.multiplicity import CORRECTIONS
from configs.schema import Experiment, Guardrail, Metric

DATE, TEXT, COUNT, NUMBER, FLAG = "datetime64[us]", "str", "Int64", "float64", "bool"

ESTIMATE_COLUMNS = {
    "as_of_date": DATE,
    "experiment_id": TEXT,
    "metric_id": TEXT,
    "role": TEXT,
    "variant_id": TEXT,
    "baseline_id": TEXT,
    "design": TEXT,
    "estimate": TEXT,
    "days": TEXT,
    "counted": TEXT,
    "n_baseline": COUNT,
    "n_treatment": COUNT,
    "n_observations": COUNT,
    "baseline_mean": NUMBER,
    "treatment_mean": NUMBER,
    "effect": NUMBER,
    "effect_se": NUMBER,
    "degrees_of_freedom": NUMBER,
    "ci_low": NUMBER,
    "ci_high": NUMBER,
    "ci_low_adjusted": NUMBER,
    "ci_high_adjusted": NUMBER,
    "effect_relative": NUMBER,
    "p_value": NUMBER,
    "p_value_adjusted": NUMBER,
    "p_value_non_inferiority": NUMBER,
    "confidence_level": NUMBER,
    "significant": FLAG,
    "method": TEXT,
    "status": TEXT,
    "reason": TEXT,
}
CHECK_COLUMNS = {
    "as_of_date": DATE,
    "experiment_id": TEXT,
    "metric_id": TEXT,
    "check_name": TEXT,
    "statistic": NUMBER,
    "threshold": NUMBER,
    "p_value": NUMBER,
    "passed": FLAG,
    "message": TEXT,
}

Studies = Mapping[tuple[date, str, str], Study]
"""By as-of date, experiment and metric."""


def estimate_table(
    studies: Studies, experiments: Mapping[str, Experiment], metrics: Mapping[str, Metric]
) -> pd.DataFrame:
    """A row an estimate; p-values of the deciding ones are corrected over the metrics of a role."""
    rows = []
    for (as_of, experiment_id, metric_id), study in studies.items():
        experiment = experiments[experiment_id]
        decisive = {
            id_: studies[as_of, experiment_id, id_].effect
            for id_, role in experiment.metrics.roles.items()
            if role == experiment.metrics.roles[metric_id] and (as_of, experiment_id, id_) in studies
        }
        for estimate in study.estimates:
            row = _row(as_of, experiment, metric_id, estimate)
            if estimate.kind == EFFECT:
                row |= _corrected(experiment, metric_id, decisive)
                row["p_value_non_inferiority"] = _non_inferiority(
                    estimate, experiment.margins.get(metric_id), metrics[metric_id]
                )
            rows.append(row)
    return _frame(rows, ESTIMATE_COLUMNS, ["as_of_date", "experiment_id"])


def check_table(studies: Studies) -> pd.DataFrame:
    """A row a check."""
    rows = [
        {
            "as_of_date": as_of,
            "experiment_id": experiment_id,
            "metric_id": metric_id,
            "check_name": check.name,
            "statistic": check.statistic,
            "threshold": check.threshold,
            "p_value": check.p_value,
            "passed": check.passed,
            "message": check.message,
        }
        for (as_of, experiment_id, metric_id), study in studies.items()
        for check in study.checks
    ]
    return _frame(rows, CHECK_COLUMNS, ["as_of_date", "experiment_id"])


def _frame(rows: list[dict[str, Any]], columns: Mapping[str, str], order: list[str]) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=list(columns))
    frame["as_of_date"] = pd.to_datetime(frame["as_of_date"])
    return frame.astype(dict(columns)).sort_values(order, kind="stable", ignore_index=True)


def _row(as_of: date, experiment: Experiment, metric_id: str, estimate: Estimate) -> dict[str, Any]:
    alpha = experiment.analysis.alpha
    half = estimate.half_width(alpha)
    baseline = estimate.baseline_mean
    relative = estimate.effect / abs(baseline) if estimate.has_effect and baseline else np.nan
    return {
        "as_of_date": as_of,
        "experiment_id": experiment.id,
        "metric_id": metric_id,
        "role": experiment.metrics.roles[metric_id],
        "variant_id": experiment.treatments[0].id,
        "baseline_id": experiment.baseline.id,
        "design": experiment.type,
        "estimate": estimate.kind,
        "days": estimate.days,
        "counted": estimate.counted,
        "n_baseline": estimate.n_baseline,
        "n_treatment": estimate.n_treatment,
        "n_observations": estimate.n_observations,
        "baseline_mean": baseline,
        "treatment_mean": estimate.treatment_mean,
        "effect": estimate.effect,
        "effect_se": estimate.se,
        "degrees_of_freedom": estimate.df,
        "ci_low": estimate.effect - half,
        "ci_high": estimate.effect + half,
        "ci_low_adjusted": np.nan,
        "ci_high_adjusted": np.nan,
        "effect_relative": relative,
        "p_value": estimate.p_value,
        "p_value_adjusted": np.nan,
        "p_value_non_inferiority": np.nan,
        "confidence_level": 1 - alpha,
        "significant": False,
        "method": estimate.method,
        "status": estimate.status,
        "reason": estimate.reason,
    }


def _corrected(experiment: Experiment, metric_id: str, decisive: Mapping[str, Estimate]) -> dict[str, Any]:
    """The adjusted p-value and interval: over the metrics of the role, guardrails each alone."""
    if experiment.metrics.roles[metric_id] == "guardrail":
        decisive = {metric_id: decisive[metric_id]}
    correction, alpha = CORRECTIONS[experiment.analysis.correction], experiment.analysis.alpha
    p_values = np.array([one.p_value for one in decisive.values()])
    family, here = np.zeros(len(p_values), dtype=np.int64), list(decisive).index(metric_id)
    adjusted = float(correction.adjust(p_values, family)[here])
    level = float(correction.interval_alpha(p_values, family, np.full(len(p_values), alpha))[here])
    estimate = decisive[metric_id]
    half = estimate.half_width(level)
    return {
        "p_value_adjusted": adjusted,
        "ci_low_adjusted": estimate.effect - half,
        "ci_high_adjusted": estimate.effect + half,
        "significant": bool(adjusted < alpha),
    }


def _non_inferiority(estimate: Estimate, margin: Guardrail | None, metric: Metric) -> float:
    """One-sided: whether the effect is better than minus the margin.

    Of a relative margin the counterfactual mean is as uncertain as the effect that it is computed with, so the error
    is that of (1 + margin) times the effect, which is never too small.
    """
    if margin is None or not estimate.has_effect:
        return np.nan
    sign = 1 if metric.direction == "increase" else -1
    if margin.non_inferiority_margin is not None:
        bound, factor = margin.non_inferiority_margin * abs(estimate.baseline_mean), 1 + margin.non_inferiority_margin
    elif margin.absolute_margin is not None:
        bound, factor = margin.absolute_margin, 1.0
    else:
        return np.nan
    return float(stats.t.sf((sign * estimate.effect + bound) / (factor * estimate.se), estimate.df))
