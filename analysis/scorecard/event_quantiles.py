"""Comparisons of quantiles of single events, whose clusters are the units."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from analysis.scorecard.inference import Arrays
from analysis.scorecard.quantiles import (
    EVENT_QUANTILE,
    GROUP,
    ComparedQuantiles,
    compared_quantiles,
    grouped_histogram,
    groups_of_arm,
    levels,
)
from analysis.statistics.quantile import ClusterSums, event_quantile
from analysis.statistics.status import Floats
from configs.schema import Metric

# The columns of fct_event_clusters, in the order of ClusterSums.
SUMS = ("n_units", "n_events", "n_up_to", "sum_events_squared", "sum_up_to_squared", "sum_product")


@dataclass(frozen=True)
class EventTables:
    """fct_event_value_counts and fct_event_clusters."""

    value_counts: pd.DataFrame
    clusters: pd.DataFrame


def infer_event_quantiles(
    rows: pd.DataFrame, events: EventTables | None, metrics: Mapping[str, Metric], n: tuple[Floats, Floats]
) -> tuple[Arrays, ComparedQuantiles]:
    """As `infer_quantiles`, of the rows whose estimator is a quantile of events.

    `n` are the baselines' and treatments' events by the metric's moments, over all rows, NaN where nothing may be
    computed. Counts and sums that do not add up to them, or to one another, are FAILED.
    """
    index = np.flatnonzero(rows["estimator"] == EVENT_QUANTILE)
    some = rows.iloc[index]
    histogram, keys = grouped_histogram(events.value_counts if events else None, "n_events")
    sums = _cluster_sums(events, keys)
    level, arms, mismatch = levels(some, metrics), [], np.zeros(len(index), dtype=bool)
    for variant, expected in zip(("baseline_id", "variant_id"), (each[index] for each in n), strict=True):
        usable = ~np.isnan(expected)
        group = groups_of_arm(keys, some, variant, usable)
        arms.append(event_quantile(histogram, sums, level, group))
        mismatch |= usable & (histogram.n(group) != expected)
    return compared_quantiles(some, index, (arms[0], arms[1]), mismatch)


def _cluster_sums(events: EventTables | None, keys: pd.MultiIndex) -> ClusterSums:
    """The sums of each group of the histogram, the empty one at the end included; NaN where there are none."""
    if events is None or not len(keys):
        return ClusterSums(*(np.zeros(1) for _ in SUMS))
    typed = events.clusters.astype({name: "str" for name in GROUP if name != "as_of_date"})
    typed["as_of_date"] = pd.to_datetime(typed["as_of_date"]).astype("datetime64[us]")
    found = pd.MultiIndex.from_frame(typed[GROUP]).get_indexer(keys)
    columns = typed[list(SUMS)].to_numpy(dtype=float)
    known = np.where(found[:, None] >= 0, columns[found], np.nan) if len(columns) else np.full((len(keys), 6), np.nan)
    return ClusterSums(*np.vstack([known, np.zeros(len(SUMS))]).T)
