"""Tables of switchbacks beside the scorecard: estimates to hold against one another, and blocks with their sums."""

from collections.abc import Iterator, Mapping
from datetime import timedelta

import numpy as np
import pandas as pd

from analysis.clusters.switchback_periods import design_of
from analysis.clusters.switchback_results import (
    BLOCK_MEANS,
    HORVITZ_THOMPSON,
    NO_WASHOUT,
    REASONS,
    MetricResult,
    none,
    results_of,
)
from analysis.scorecard.contrast_rows import dates_of
from analysis.statistics.estimate import Contrast
from analysis.statistics.status import Status
from analysis.statistics.student_t import interval, two_sided_p
from configs.schema import Experiment, Metric
from configs.switchback_catalog import day_start

DATE, TEXT, COUNT, NUMBER = "datetime64[us]", "str", "int64", "float64"
BLOCK_COLUMNS = {
    "as_of_date": DATE,
    "experiment_id": TEXT,
    "metric_id": TEXT,
    "market": TEXT,
    "block": COUNT,
    "starts_at": DATE,
    "variant_id": TEXT,
    "n_periods": COUNT,
    "n_periods_kept": COUNT,
    "n_units": COUNT,
    "total": NUMBER,
    "denominator_total": NUMBER,
    "n_strays": COUNT,
}
ESTIMATE_COLUMNS = {
    "as_of_date": DATE,
    "experiment_id": TEXT,
    "metric_id": TEXT,
    "variant_id": TEXT,
    "baseline_id": TEXT,
    "estimator": TEXT,
    "washed_out_periods": COUNT,
    "n_blocks_baseline": COUNT,
    "n_blocks_treatment": COUNT,
    "effect": NUMBER,
    "effect_se": NUMBER,
    "df": NUMBER,
    "ci_low": NUMBER,
    "ci_high": NUMBER,
    "p_value": NUMBER,
    "p_value_randomised": NUMBER,
    "status": TEXT,
    "reason": TEXT,
}


def switchback_estimates(
    rows: pd.DataFrame,
    experiments: Mapping[str, Experiment],
    metrics: Mapping[str, Metric],
    as_of_dates: pd.DataFrame,
    timezone: str,
) -> pd.DataFrame:
    """Block means at the carryover and at twice it, and Horvitz-Thompson with the p-value of drawing arms again."""
    found = []
    for experiment, day, metric, result in _all(rows, experiments, metrics, as_of_dates, timezone):
        carryover = result.carryover
        washed = [] if not result.is_by_blocks else [carryover, *([2 * carryover] if carryover else [])]
        alpha = experiment.analysis.alpha
        for estimator, periods, one in (
            *((BLOCK_MEANS, periods, _washed_out(result, periods)) for periods in washed),
            (HORVITZ_THOMPSON, carryover, result.horvitz_thompson()),
        ):
            status = Status(int(one.status))
            ci = interval(one, alpha)
            is_left = estimator != BLOCK_MEANS or _leaves_any(result, periods)
            arms = [int((result.found.arm == arm).sum()) for arm in range(2)]
            found.append(
                {
                    "as_of_date": day,
                    "experiment_id": experiment.id,
                    "metric_id": metric.id,
                    "variant_id": experiment.variants[result.found.treatment].id,
                    "baseline_id": experiment.baseline.id,
                    "estimator": estimator,
                    "washed_out_periods": periods,
                    "n_blocks_baseline": arms[1 - result.found.treatment],
                    "n_blocks_treatment": arms[result.found.treatment],
                    "effect": one.value,
                    "effect_se": one.se,
                    "df": one.df,
                    "ci_low": ci.low,
                    "ci_high": ci.high,
                    "p_value": two_sided_p(one),
                    "p_value_randomised": result.randomised_p if estimator == HORVITZ_THOMPSON else np.nan,
                    "status": "ok" if status is Status.OK else status.name.lower(),
                    "reason": REASONS[status] if is_left else NO_WASHOUT,
                }
            )
    return pd.DataFrame(found, columns=list(ESTIMATE_COLUMNS)).astype(ESTIMATE_COLUMNS)


def _leaves_any(result: MetricResult, periods: int) -> bool:
    return periods < (design_of(result.found.experiment).block_periods or 0)


def _washed_out(result: MetricResult, periods: int) -> Contrast:
    return result.block_means(periods) if _leaves_any(result, periods) else none(Status.NO_UNITS)


def switchback_blocks(
    rows: pd.DataFrame,
    experiments: Mapping[str, Experiment],
    metrics: Mapping[str, Metric],
    as_of_dates: pd.DataFrame,
    timezone: str,
) -> pd.DataFrame:
    """Every block that has begun, of every market: its arm, and the sums of its periods that are compared."""
    frames = [pd.DataFrame(columns=list(BLOCK_COLUMNS)).astype(BLOCK_COLUMNS)]
    for experiment, day, metric, result in _all(rows, experiments, metrics, as_of_dates, timezone):
        found, carryover = result.found, result.carryover if result.is_by_blocks else 0
        shape = found.arm.shape
        one = np.ones((1, found.block.size))
        starts = np.flatnonzero(np.diff(found.block, prepend=-1))
        begins = pd.Timestamp(day_start(experiment.start, timezone)).tz_localize(None)
        minutes = timedelta(minutes=design_of(experiment).period_minutes)
        names = np.array([*(variant.id for variant in experiment.variants), ""], dtype=object)
        sums = result.sums
        columns = {
            "as_of_date": day,
            "experiment_id": experiment.id,
            "metric_id": metric.id,
            "market": np.repeat(np.array(found.markets, dtype=object), shape[1]),
            "block": np.tile(np.arange(shape[1]), shape[0]),
            "starts_at": np.tile(
                np.array([begins + int(start) * minutes for start in starts], dtype="M8[us]"), shape[0]
            ),
            "variant_id": names[found.arm].ravel(),
            "n_periods": np.tile(found.blocks(one, 0)[0], shape[0]),
            "n_periods_kept": np.tile(found.blocks(one, carryover)[0], shape[0]),
            "n_units": found.blocks(sums.units, carryover).ravel(),
            "total": found.blocks(sums.value, carryover).ravel(),
            "denominator_total": found.blocks(sums.denominator, carryover).ravel(),
            "n_strays": found.strays.ravel(),
        }
        frames.append(pd.DataFrame(columns, index=range(found.arm.size)).astype(BLOCK_COLUMNS))
    return pd.concat(frames, ignore_index=True)


def _all(
    rows: pd.DataFrame,
    experiments: Mapping[str, Experiment],
    metrics: Mapping[str, Metric],
    as_of_dates: pd.DataFrame,
    timezone: str,
) -> Iterator[tuple[Experiment, pd.Timestamp, Metric, MetricResult]]:
    for experiment in experiments.values():
        results = results_of(rows, experiment, timezone)
        for day in dates_of(as_of_dates, experiment.id):
            for metric_id in experiment.metrics.roles:
                yield experiment, day, metrics[metric_id], results(day, metrics[metric_id])
