"""The moments of a factorial experiment's cells, by as-of date and metric, in the design's order."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from analysis.factorial.design import Design
from analysis.scorecard.columns import ESTIMATED_STATUSES
from analysis.statistics.moments import MeanMoments
from analysis.statistics.status import Floats
from configs.schema import Experiment, Metric

# What a scorecard's row says of the metric, whatever the arms; all else is of two cells, and asked anew of all.
_OF_TWO_CELLS = ESTIMATED_STATUSES | {"no_units", "too_few_units", "zero_variance", "imprecise", "zero_denominator"}
_NO_CONTRAST = "a {} has no means to take contrasts of; its cells are compared in the scorecard"


@dataclass(frozen=True)
class Cells:
    """Moments (slices, cells), a slice being an as-of date and metric with its role; a ratio's are linearised.

    `status` and `reason` say what forbids any estimate of a slice; both are empty where nothing does.
    """

    slices: pd.DataFrame
    moments: MeanMoments
    is_ratio: Floats
    status: list[str]
    reason: list[str]


def cells_of(
    experiment: Experiment,
    design: Design,
    scorecard: pd.DataFrame,
    moments: pd.DataFrame,
    metrics: Mapping[str, Metric],
) -> Cells:
    """The cells of every as-of date and metric that the scorecard has rows of."""
    whole = scorecard[(scorecard["experiment_id"] == experiment.id) & (scorecard["segment_name"] == "all")]
    keys = ["as_of_date", "metric_id"]
    slices = whole[[*keys, "role"]].drop_duplicates(keys).sort_values(keys, ignore_index=True)
    own = moments[(moments["experiment_id"] == experiment.id) & (moments["segment_name"] == "all")]
    own = own.assign(as_of_date=pd.to_datetime(own["as_of_date"]).astype("datetime64[us]"))
    own = own.set_index([*keys, "variant_id"])
    index = pd.MultiIndex.from_tuples(
        [
            (day, metric_id, cell.variant_id)
            for day, metric_id in zip(slices["as_of_date"], slices["metric_id"], strict=True)
            for cell in design.cells
        ],
        names=own.index.names,
    )
    shape = (len(slices), len(design.cells))

    def column(name: str) -> Floats:
        return own[name].astype("float64").reindex(index).to_numpy().reshape(shape)

    of = [metrics[metric_id] for metric_id in slices["metric_id"]]
    is_ratio = np.array([metric.type == "ratio" for metric in of], dtype=bool)
    mean, variance, third = (column(name) for name in ("mean", "variance", "third_central_moment"))
    if is_ratio.any():
        below = (column(f"denominator_{name}") for name in ("mean", "variance", "covariance"))
        ratio, linear = _linearised(mean, variance, *below)
        mean = np.where(is_ratio[:, None], ratio, mean)
        variance = np.where(is_ratio[:, None], linear, variance)
        third = np.where(is_ratio[:, None], np.nan, third)
    forbidden = [_forbidden(whole, day, metric) for day, metric in zip(slices["as_of_date"], of, strict=True)]
    return Cells(
        slices,
        MeanMoments(np.nan_to_num(column("n_units")), mean, variance, third),
        is_ratio,
        [status for status, _ in forbidden],
        [reason for _, reason in forbidden],
    )


def _linearised(y: Floats, yy: Floats, x: Floats, xx: Floats, yx: Floats) -> tuple[Floats, Floats]:
    """Each cell's ratio of means, and the variance of a unit's (y - ratio·x)/mean x (delta method)."""
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        ratio = np.where(x == 0, np.nan, y / x)
        return ratio, np.maximum(yy - 2 * ratio * yx + ratio**2 * xx, 0) / x**2


def _forbidden(whole: pd.DataFrame, day: pd.Timestamp, metric: Metric) -> tuple[str, str]:
    if metric.type in ("quantile", "categorical"):
        return "failed", _NO_CONTRAST.format(metric.type)
    rows = whole[(whole["as_of_date"] == day) & (whole["metric_id"] == metric.id)]
    grave = rows[~rows["status"].isin(list(_OF_TWO_CELLS))]
    return ("", "") if grave.empty else (str(grave["status"].iloc[0]), str(grave["reason"].iloc[0]))
