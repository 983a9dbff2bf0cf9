"""A metric's level jumping against its own history: the baseline arm's latest cohort beside earlier ones.

Between two as-of dates a metric with a window gains the units that matured in between, so that the differences of
n and of the sum are that cohort's own. Nothing was changed for the baseline arm: a jump comes from outside, or from
the logs.
"""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.health.inputs import HealthInputs, and_others, worst_at_looks

COHORT_UNITS = 100
"""Units of a cohort that is looked at."""

EARLIER_COHORTS = 7
"""Cohorts before the first that is judged: a week, so that weekdays are among what is usual."""

REMEMBERED_COHORTS = 28

MAD_TO_DEVIATION = 1.4826
"""A normal distribution's standard deviation over its median absolute deviation."""

COLUMNS = ("n_units", "mean", "variance", "third_central_moment", "total")
TYPES = ("proportion", "retention", "mean", "ratio")
SERIES = ["experiment_id", "metric_id"]
Floats = NDArray[np.float64]


def metric_level_jump(inputs: HealthInputs) -> pd.DataFrame:
    """`metric_level_jump`: the latest cohort's mean lies far outside those of the cohorts before; warns.

    Of a skewed metric a single large unit lifts a cohort: upwards more deviations are allowed then, by the
    Cornish-Fisher expansion's first term.
    """
    cohorts = _cohorts(inputs)
    usual, deviation = _usual(cohorts)
    sampling = np.sqrt(cohorts["variance"] / cohorts["own_units"])
    score = (cohorts["own_mean"] - usual).abs() / np.maximum(deviation, sampling)
    change = (cohorts["own_mean"] - usual) / np.abs(usual)
    limits = {
        name: inputs.limit(name, cohorts["experiment_id"]) for name in ("level_jump_deviations", "level_jump_share")
    }
    allowed = limits["level_jump_deviations"]
    skewness = cohorts["third_central_moment"] / cohorts["variance"] ** 1.5 / np.sqrt(cohorts["own_units"])
    allowed = allowed + np.where(change > 0, skewness.clip(lower=0).fillna(0) * (allowed**2 - 1) / 6, 0.0)
    fails = (score > allowed) & (change.abs() > limits["level_jump_share"])
    worst = worst_at_looks(
        inputs,
        cohorts.assign(
            usual=usual,
            score=score,
            change=change,
            threshold=allowed,
            share=limits["level_jump_share"],
            fails=fails,
            badness=score / allowed,
        )[np.isfinite(score)],
    )
    messages = [
        f"{row.metric_id} of the baseline's latest {row.own_units:,.0f} units is {row.own_mean:.6g}, usually"
        f" {row.usual:.6g}: {row.change:+.0%}, {row.score:.1f} deviations (warns above {row.threshold:.3g}, and"
        f" {row.share:.0%})" + and_others(row.n_failing, "metric")
        if not np.isnan(row.score)
        else f"no new cohort beside {EARLIER_COHORTS} earlier ones of a metric with a window"
        for row in worst.itertuples()
    ]
    return worst.assign(severity="warning", passed=~worst["fails"], statistic=worst["score"], message=messages)


def _cohorts(inputs: HealthInputs) -> pd.DataFrame:
    """What each as-of date added to each metric with a window in the baseline arm."""
    moments = inputs.data.moments
    windowed = [id_ for id_, one in inputs.metrics.items() if one.window is not None and one.type in TYPES]
    baselines = {id_: one.baseline.id for id_, one in inputs.experiments.items()}
    moments = moments[
        (moments["segment_name"] == "all")
        & moments["metric_id"].isin(windowed)
        & (moments["variant_id"] == moments["experiment_id"].map(baselines))
    ]
    moments = moments.astype(dict.fromkeys(COLUMNS, "float64"))
    moments = moments.sort_values([*SERIES, "as_of_date"], ignore_index=True)
    # Under a quantile cap the values of earlier cohorts move with the cap; their uncapped total does not.
    moves = [id_ for id_, one in inputs.metrics.items() if one.cap is not None and one.cap.upper_quantile is not None]
    summed = moments["total"].where(moments["metric_id"].isin(moves), moments["n_units"] * moments["mean"].fillna(0))
    counts = pd.DataFrame({"own_units": moments["n_units"], "own_sum": summed})
    own = counts.groupby([moments[column] for column in SERIES], sort=False).diff().fillna(counts)
    large = own["own_units"] >= COHORT_UNITS
    return moments.assign(
        own_units=own["own_units"].where(large), own_mean=(own["own_sum"] / own["own_units"]).where(large)
    )


def _usual(cohorts: pd.DataFrame) -> tuple[Floats, Floats]:
    """Median and robust deviation of the cohorts before each; NaN where there are too few."""
    series = cohorts.groupby(SERIES, sort=False).ngroup().to_numpy()
    nth = cohorts.groupby(SERIES, sort=False).cumcount().to_numpy()
    means = np.full((series.max(initial=-1) + 1, nth.max(initial=-1) + 1), np.nan)
    means[series, nth] = cohorts["own_mean"]
    medians, deviations = np.full_like(means, np.nan), np.full_like(means, np.nan)
    for date in range(EARLIER_COHORTS, means.shape[1]):
        before = means[:, max(0, date - REMEMBERED_COHORTS) : date]
        rows = np.flatnonzero((~np.isnan(before)).sum(axis=1) >= EARLIER_COHORTS)
        if len(rows):
            median = np.nanmedian(before[rows], axis=1)
            medians[rows, date] = median
            deviations[rows, date] = MAD_TO_DEVIATION * np.nanmedian(np.abs(before[rows] - median[:, None]), axis=1)
    return medians[series, nth], deviations[series, nth]
