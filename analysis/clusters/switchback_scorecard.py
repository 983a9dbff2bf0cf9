"""Scorecard rows of switchbacks: block means by CR2, or Horvitz-Thompson where blocks are made for it."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from analysis.clusters.switchback_periods import design_of
from analysis.clusters.switchback_results import BLOCK_MEANS, HORVITZ_THOMPSON, REASONS, MetricResult, results_of
from analysis.scorecard.columns import SCORECARD_COLUMNS
from analysis.scorecard.contrast_rows import MetricContrasts, blocks_of, contrast_frame, dates_of
from analysis.statistics.estimate import Contrast
from analysis.statistics.status import Status
from configs.schema import Experiment, Metric


def switchback_scorecard(
    rows: pd.DataFrame,
    experiments: Mapping[str, Experiment],
    metrics: Mapping[str, Metric],
    blocked: pd.DataFrame,
    as_of_dates: pd.DataFrame,
    timezone: str,
) -> pd.DataFrame:
    """Rows of every switchback at the as-of dates asked for; `rows` is fct_switchback_sums."""
    blocks = blocks_of(blocked)
    frames = [pd.DataFrame(columns=list(SCORECARD_COLUMNS)).astype(SCORECARD_COLUMNS)]
    for experiment in experiments.values():
        dates = dates_of(as_of_dates, experiment.id)
        if experiment.switchback is None or not experiment.is_analysed or not dates:
            continue
        results = results_of(rows, experiment, timezone)
        parts = []
        for metric_id, role in experiment.metrics.roles.items():
            found = {
                day: results(day, metrics[metric_id]) for day in dates if (day, experiment.id, metric_id) not in blocks
            }
            means = _means(found, experiment, metric_id)
            parts.append(_contrasts(found, experiment, metrics[metric_id], role, dates).rows(means, blocks))
        frames.append(contrast_frame(parts, experiment))
    return pd.concat(frames, ignore_index=True)


def _contrasts(
    found: Mapping[pd.Timestamp, MetricResult],
    experiment: Experiment,
    metric: Metric,
    role: str,
    dates: list[pd.Timestamp],
) -> MetricContrasts:
    shape = (len(dates), len(experiment.variants))
    value, se, df = (np.full(shape, np.nan) for _ in range(3))
    status, warnings = np.full(shape, np.int8(Status.NO_UNITS)), {}
    for at, day in enumerate(dates):
        if day not in found:
            continue
        result = found[day]
        arm, one = result.found.treatment, result.estimate
        value[at, arm], se[at, arm], df[at, arm], status[at, arm] = one.value, one.se, one.df, one.status
        if one.status == Status.OK and (warning := result.warning):
            warnings[at, arm] = warning
    method = BLOCK_MEANS if design_of(experiment).block_periods is not None else HORVITZ_THOMPSON
    return MetricContrasts(experiment, metric, role, dates, Contrast(value, se, df, status), method, REASONS, warnings)


def _means(found: Mapping[pd.Timestamp, MetricResult], experiment: Experiment, metric_id: str) -> pd.DataFrame:
    """Units and means of each arm over the periods compared, in the form of fct_metric_moments."""
    rows = []
    for day, result in found.items():
        carryover = result.carryover if result.is_by_blocks else 0
        units, value, denominator = (
            result.found.blocks(sums, carryover)
            for sums in (result.sums.units, result.sums.value, result.sums.denominator)
        )
        for arm, variant in enumerate(experiment.variants):
            is_own = result.found.arm == arm
            n = units[is_own].sum()
            rows.append(
                {
                    "as_of_date": day,
                    "experiment_id": experiment.id,
                    "metric_id": metric_id,
                    "variant_id": variant.id,
                    "segment_name": "all",
                    "n_units": n,
                    "mean": value[is_own].sum() / n if n else np.nan,
                    "denominator_mean": denominator[is_own].sum() / n if n else np.nan,
                }
            )
    names = ["as_of_date", "experiment_id", "metric_id", "variant_id", "segment_name"]
    frame = pd.DataFrame(rows, columns=[*names, "n_units", "mean", "denominator_mean"])
    return frame.astype({"as_of_date": "datetime64[us]"})
