"""Metrics that hang on one unit, and metrics of which the cap leaves little.

Both are judged from moments. Let s be the units' shares of an arm's total, none negative: then Σs³/Σs² is a mean of
the shares weighted by their squares, so at most the largest share, and close to it where one unit stands out. Where
the third moment is not that of the values (a ratio's), Σs², the mean weighted by the shares, takes its place.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.health.inputs import HealthInputs, and_others, worst_at_looks
from configs.schema import Metric

UNITS_JUDGED = 1_000
"""Units of an arm before it is judged: among few, some unit always has a large share."""

Floats = NDArray[np.float64]


def outlier_dominance(inputs: HealthInputs) -> pd.DataFrame:
    """`outlier_dominance`: one unit brings more than a share of an arm's total of a metric; warns."""
    moments = _moments(inputs)
    summed = [id_ for id_, metric in inputs.metrics.items() if metric.type in ("mean", "ratio")]
    moments = moments[moments["metric_id"].isin(summed) & (moments["n_units"] >= UNITS_JUDGED)]
    share = largest_share_at_least(moments, inputs.metrics)
    threshold = inputs.limit("outlier_share", moments["experiment_id"])
    fails = share > threshold
    worst = worst_at_looks(inputs, moments.assign(share=share, threshold=threshold, fails=fails, badness=share))
    messages = [
        f"{row.metric_id} in {row.variant_id}: one of {row.n_units:,.0f} units brings at least {row.share:.1%} of the"
        f" total (warns above {row.threshold:.0%})"
        + (": see whether it is real, or cap the metric" if row.fails else "")
        + and_others(row.n_failing, "arm")
        if not np.isnan(row.share)
        else f"no metric with {UNITS_JUDGED:,} units in an arm yet"
        for row in worst.itertuples()
    ]
    return worst.assign(severity="warning", passed=~worst["fails"], statistic=worst["share"], message=messages)


def capped_to_zero(inputs: HealthInputs) -> pd.DataFrame:
    """`capped_to_zero`: a cap takes more than a share of an arm's total, all of it where the cap is 0; warns."""
    moments = _moments(inputs)
    moments = moments[moments["cap_value"].notna() & (moments["total"] > 0)]
    taken = (1 - moments["n_units"] * moments["mean"] / moments["total"]).clip(0, 1)
    threshold = inputs.limit("capped_share", moments["experiment_id"])
    worst = worst_at_looks(
        inputs, moments.assign(taken=taken, threshold=threshold, fails=taken > threshold, badness=taken)
    )
    messages = [
        f"{row.metric_id} in {row.variant_id}: the cap of {row.cap_value:g} takes {row.taken:.1%} of the total"
        f" (warns above {row.threshold:.0%})"
        + (": a quantile cap is 0 where fewer units have any; use a higher quantile, or `upper`" if row.fails else "")
        + and_others(row.n_failing, "arm")
        if not np.isnan(row.taken)
        else "no metric with a cap and a total yet"
        for row in worst.itertuples()
    ]
    return worst.assign(severity="warning", passed=~worst["fails"], statistic=worst["taken"], message=messages)


def largest_share_at_least(moments: pd.DataFrame, metrics: Mapping[str, Metric]) -> Floats:
    """A lower bound of the largest unit's share of each row's total; NaN where the total is not positive."""
    n, mean, variance, third = (
        moments[name].to_numpy(dtype=float) for name in ("n_units", "mean", "variance", "third_central_moment")
    )
    with np.errstate(invalid="ignore", divide="ignore"):
        total = n * mean
        squares = (n - 1) * variance + n * mean**2
        cubes = n * third + 3 * mean * (n - 1) * variance + n * mean**3
        by_cubes = cubes / squares / total
        by_squares = squares / total**2
    is_ratio = moments["metric_id"].map({id_: one.type == "ratio" for id_, one in metrics.items()}).to_numpy(dtype=bool)
    return np.where(total > 0, np.where(is_ratio, by_squares, by_cubes), np.nan)


def _moments(inputs: HealthInputs) -> pd.DataFrame:
    moments = inputs.data.moments
    moments = inputs.at_looks(moments[moments["segment_name"] == "all"])
    columns = ["n_units", "mean", "variance", "third_central_moment", "total", "cap_value"]
    return moments.astype(dict.fromkeys(columns, "float64"))
