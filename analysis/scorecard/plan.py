"""Which comparisons the configuration asks for, and how each is to be made."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import numpy as np
import pandas as pd

from analysis.scorecard.quantiles import EVENT_QUANTILE
from analysis.statistics.registry import (
    BY_EPOCH,
    CORRECTIONS,
    ESTIMATOR_OF_TYPE,
    INFERENCES,
    SHARE_TYPES,
    STRATIFIED,
)
from configs.covariates import further_terms
from configs.schema import Analysis, Epoch, Experiment, Guardrail, Metric, Variant

PLAN_COLUMNS: dict[str, str] = {
    "experiment_id": "str",
    "metric_id": "str",
    "role": "str",
    "variant_id": "str",
    "baseline_id": "str",
    "alpha": "float64",
    "alternative": "str",
    "correction": "str",
    "segment_correction": "str",
    "inference": "str",
    "is_score": "bool",
    "relative_interval": "str",
    "estimator": "str",
    "adjusted_estimator": "str",
    "is_adjusted": "bool",
    "n_further": "int64",
    "further_terms": "object",
    "replicates": "float64",
    "is_share": "bool",
    "is_open_ended": "bool",
    "sign": "float64",
    "margin": "float64",
    "margin_type": "str",
    "equivalence_margin": "float64",
    "equivalence_margin_type": "str",
    "planned_n": "float64",
    "burn_in": "float64",
    "burn_in_units": "float64",
    "start_date": "datetime64[us]",
    "first_mature_date": "datetime64[us]",
    "final_date": "datetime64[us]",
    "look_dates": "object",
    "spending": "str",
    "spending_gamma": "float64",
    "futility_spending": "str",
    "futility_gamma": "float64",
    "power": "float64",
    "prior": "str",
    "prior_mean": "float64",
    "prior_sd": "float64",
    "rope": "float64",
    "is_relative_scale": "bool",
    "preregistered_segments": "object",
    "problem": "str",
}

# Segments are exploratory: the false discovery rate suffices, by the procedure that the method's p-values allow.
SEGMENT_CORRECTIONS = {"always_valid": "benjamini_yekutieli", "group_sequential": "bonferroni"}
DUNNETT = "dunnett"
FALSE_DISCOVERY_RATE = frozenset({"benjamini_hochberg", "benjamini_yekutieli"})


def comparison_plan(experiments: Mapping[str, Experiment], metrics: Mapping[str, Metric]) -> pd.DataFrame:
    """A row per experiment × metric × treatment, sorted, with `PLAN_COLUMNS`.

    `n_further` counts the variables of further covariates, `further_terms` names them, "" for indicators of no history;
    `sign` is 1 where an increase is better, else -1; `replicates` are a bootstrap's, NaN without one; `planned_n`
    and `burn_in` count units of both arms and of each; the prior and `rope` are in the scale that
    `is_relative_scale` says; `problem` says why a comparison cannot be made.
    """
    rows = [
        {**common, **_treatment_plan(experiment, treatment)}
        for experiment in experiments.values()
        for metric_id, role in experiment.metrics.roles.items()
        for common in [_metric_plan(experiment, metric_id, role, metrics.get(metric_id))]
        for treatment in experiment.treatments
    ]
    frame = pd.DataFrame(rows, columns=list(PLAN_COLUMNS)).astype(PLAN_COLUMNS)
    return frame.sort_values(["experiment_id", "metric_id", "variant_id"], ignore_index=True)


def _metric_plan(experiment: Experiment, metric_id: str, role: str, metric: Metric | None) -> dict[str, Any]:
    analysis = experiment.analysis
    is_share = metric is not None and metric.type in SHARE_TYPES
    plain, adjusted = _estimators(experiment, metric)
    terms = further_terms(metric) if metric and analysis.covariate_adjustment and adjusted not in STRATIFIED else ()
    margin, margin_type = _margin(experiment, metric_id)
    equivalence_margin, equivalence_type = _equivalence(analysis, metric_id)
    return {
        "experiment_id": experiment.id,
        "metric_id": metric_id,
        "role": role,
        "baseline_id": experiment.baseline.id,
        "alpha": analysis.alpha,
        "alternative": analysis.alternative,
        "correction": correction_of(analysis, role),
        "segment_correction": SEGMENT_CORRECTIONS.get(analysis.method, "benjamini_hochberg"),
        "inference": analysis.method,
        "is_score": is_share and analysis.method == "fixed" and analysis.proportion_interval == "newcombe",
        "relative_interval": analysis.relative_interval,
        "estimator": plain,
        "adjusted_estimator": adjusted,
        "replicates": metric.bootstrap.replicates if metric and metric.bootstrap else np.nan,
        "is_adjusted": adjusted in BY_EPOCH
        or (
            analysis.covariate_adjustment
            and metric is not None
            and metric.bootstrap is None
            and (adjusted in STRATIFIED or metric.covariate is not None)
        ),
        "n_further": len(terms),
        "further_terms": tuple(term.name if term.covariate else "" for term in terms),
        "is_share": is_share,
        "sign": -1.0 if metric and metric.direction == "decrease" else 1.0,
        "margin": margin,
        "margin_type": margin_type,
        "equivalence_margin": equivalence_margin,
        "equivalence_margin_type": equivalence_type,
        "power": analysis.power,
        "preregistered_segments": frozenset(experiment.preregistered_segments),
        "problem": _problem(experiment, metric_id, metric),
        **_dates(experiment, metric),
        **_sequential(analysis),
        **_bayesian(analysis),
    }


def correction_of(analysis: Analysis, role: str) -> str:
    """Primaries decide, and a false discovery rate is no licence to ship: theirs is Holm's instead."""
    is_deciding = role == "primary" and analysis.correction in FALSE_DISCOVERY_RATE
    return "holm" if is_deciding else analysis.correction


def _estimators(experiment: Experiment, metric: Metric | None) -> tuple[str, str]:
    """The estimator without and with covariates or strata; "" where there is none. Changed weights ask for epochs."""
    if metric is not None and metric.of == "events":
        return EVENT_QUANTILE, EVENT_QUANTILE
    known = ESTIMATOR_OF_TYPE.get(metric.type, {}) if metric else {}
    adjustment = "epochs" if experiment.changes_weights else experiment.analysis.adjustment
    return known.get("none", ""), known.get(adjustment, known.get("none", ""))


def _treatment_plan(experiment: Experiment, treatment: Variant) -> dict[str, Any]:
    """The treatment, and the units expected in it and the baseline together."""
    analysis, weights = experiment.analysis, _weights(experiment)
    options = analysis.group_sequential or analysis.always_valid
    planned = (options.planned_units if options else None) or analysis.minimum_units * len(experiment.variants)
    share = weights[treatment.id] + weights[experiment.baseline.id]
    return {"variant_id": treatment.id, "planned_n": planned * share}


def _weights(experiment: Experiment) -> Mapping[str, float]:
    epochs: tuple[Epoch, ...] = experiment.allocation
    return epochs[-1].weights if epochs else {variant.id: variant.weight for variant in experiment.variants}


def _dates(experiment: Experiment, metric: Metric | None) -> dict[str, Any]:
    """The start, the first date with a mature unit, and the date by which every unit is mature."""
    window = metric.window.end_days if metric and metric.window else 0
    return {
        "is_open_ended": metric is not None and metric.window is None,
        "start_date": experiment.start,
        "first_mature_date": experiment.start + timedelta(days=window),
        "final_date": experiment.end + timedelta(days=window),
    }


def _sequential(analysis: Analysis) -> dict[str, Any]:
    options = analysis.group_sequential
    return {
        "burn_in": analysis.always_valid.burn_in if analysis.always_valid else np.nan,
        "burn_in_units": analysis.always_valid.burn_in_units if analysis.always_valid else np.nan,
        "look_dates": options.looks if options else (),
        "spending": options.spending if options else "",
        "spending_gamma": options.gamma if options else np.nan,
        "futility_spending": (options.futility_spending if options else None) or "",
        "futility_gamma": options.futility_gamma if options else np.nan,
    }


def _bayesian(analysis: Analysis) -> dict[str, Any]:
    options = analysis.bayesian
    return {
        "prior": options.prior if options else "flat",
        "prior_mean": options.prior_mean if options else 0.0,
        "prior_sd": (options.prior_sd if options else None) or np.nan,
        "rope": (options.rope if options else None) or np.nan,
        "is_relative_scale": options is None or options.scale == "relative",
    }


def _margin(experiment: Experiment, metric_id: str) -> tuple[float, str]:
    """The margin that the metric is held to and its kind; NaN and "" for a metric without one."""
    guardrail = experiment.margins.get(metric_id)
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


def _equivalence(analysis: Analysis, metric_id: str) -> tuple[float, str]:
    """The equivalence margin as configured and its kind; NaN and "" where none is."""
    for entry in analysis.equivalence:
        if entry.metric == metric_id:
            relative, absolute = entry.relative_margin, entry.absolute_margin
            return (relative, "relative") if relative is not None else (absolute or float("nan"), "absolute")
    return float("nan"), ""


def _problem(experiment: Experiment, metric_id: str, metric: Metric | None) -> str:
    if metric is None:
        return f"metric {metric_id} is not defined; add it to configs/metrics"
    if metric.type not in ESTIMATOR_OF_TYPE:
        return f"metric type {metric.type} has no estimator; known are {', '.join(ESTIMATOR_OF_TYPE)}"
    if metric.bootstrap is not None and experiment.analysis.method != "fixed":
        return f"a bootstrap has no {experiment.analysis.method} analysis; use method fixed, or drop `bootstrap`"
    if metric.type in ("quantile", "categorical") and experiment.analysis.method != "fixed":
        return f"a {metric.type} has no {experiment.analysis.method} analysis; use method fixed, or another metric"
    if experiment.analysis.method not in INFERENCES:
        return f"analysis method {experiment.analysis.method} is unknown; known are {', '.join(INFERENCES)}"
    if experiment.analysis.correction not in (*CORRECTIONS, DUNNETT):
        return f"correction {experiment.analysis.correction} is unknown; known are {', '.join(CORRECTIONS)}"
    return ""
