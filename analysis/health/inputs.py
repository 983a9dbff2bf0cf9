"""What every health check reads, and the rows it writes."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import pandas as pd

from analysis.completeness import SourceDays
from analysis.health.thresholds import HealthThresholds
from analysis.periods import as_days
from configs.schema import Experiment, Metric, Project

COLUMNS = [
    "as_of_date",
    "experiment_id",
    "check_name",
    "segment_name",
    "segment_value",
    "severity",
    "passed",
    "statistic",
    "p_value",
    "threshold",
    "message",
]
TEXT = ["experiment_id", "check_name", "segment_name", "segment_value", "severity", "message"]


@dataclass(frozen=True)
class HealthInputs:
    """The frames and settings of one run; counts hold every as-of date so far, `days` those to report.

    `epoch_counts`: as_of_date, experiment_id, segment_name, segment_value, epoch, variant_id, n_units,
    n_mixed_excluded, weight. `matured_counts`: as_of_date, experiment_id, metric_id, variant_id,
    segment_name, n_units. `days`: the as-of dates to report by experiment id, quick to look up.
    """

    epoch_counts: pd.DataFrame
    matured_counts: pd.DataFrame
    source_days: SourceDays
    experiments: Mapping[str, Experiment]
    metrics: Mapping[str, Metric]
    project: Project
    days: Mapping[str, Collection[date]]
    thresholds: HealthThresholds


def health_frame(rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Rows as a typed frame with the published columns; `all` where a row names no segment."""
    frame = pd.DataFrame(list(rows), columns=COLUMNS)
    for column in ("segment_name", "segment_value"):
        frame[column] = frame[column].fillna("all")
    types = dict.fromkeys(TEXT, "str") | {"passed": "bool"}
    types |= dict.fromkeys(["statistic", "p_value", "threshold"], "float64")
    return frame.astype(types).assign(as_of_date=as_days(frame["as_of_date"]))
