"""Which design computes a metric of a quasi-experiment at an as-of date."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import date

import numpy as np
import pandas as pd

from analysis.quasi.difference_in_differences import difference_in_differences
from analysis.quasi.interrupted_time_series import interrupted_time_series
from analysis.quasi.panels import Totals, group_panel, totals
from analysis.quasi.study import NOT_BEGUN, Study, failure
from analysis.quasi.unit_studies import discontinuity_study, matched_study
from configs.quasi_periods import period_starts
from configs.quasi_schema import DifferenceInDifferences, InterruptedTimeSeries, Matched, RegressionDiscontinuity
from configs.schema import Experiment, Metric


def study_metric(
    group_days: Mapping[str, pd.DataFrame],
    experiment: Experiment,
    metrics: Mapping[str, Metric],
    metric_id: str,
    as_of: date,
) -> Study:
    """The estimates and checks of one metric as of a date; `group_days` are the mart's rows by metric."""
    design, metric = experiment.design, metrics[metric_id]
    found = {
        id_: _known(group_days[id_], experiment, as_of) for id_ in {metric_id, *(design.metrics if design else ())}
    }
    if isinstance(design, DifferenceInDifferences):
        panel = group_panel(found[metric_id], experiment, metric)
        study = difference_in_differences(panel.value, panel.adoption, design.lead_lag_days)
        return _noted(study, panel.note).judged()
    if isinstance(design, InterruptedTimeSeries):
        values = found[metric_id].values(metric, per_unit=design.outcome == "per_unit")
        value = values[0] if len(values) else np.full(1, np.nan)
        return interrupted_time_series(value, (design.break_date - experiment.start).days, design.season_days).judged()
    if as_of < experiment.end:
        return failure(NOT_BEGUN, f"estimated once, when the days of its outcome are over: {experiment.end}")
    if isinstance(design, Matched):
        return matched_study(design, found, metrics, metric_id).judged()
    if isinstance(design, RegressionDiscontinuity):
        return discontinuity_study(design, found, metrics, metric_id).judged()
    raise ValueError(f"{experiment.id} is no quasi-experiment")


def _known(rows: pd.DataFrame, experiment: Experiment, as_of: date) -> Totals:
    starts = [day for day in period_starts(experiment) if day <= as_of]
    return totals(rows, {day: place for place, day in enumerate(starts)}, as_of)


def _noted(study: Study, note: str) -> Study:
    """The study with a note on its effect."""
    if not note:
        return study
    effect = replace(study.effect, reason="; ".join(part for part in (study.effect.reason, note) if part))
    return replace(study, estimates=(effect, *study.estimates[1:]))
