"""What every health check reads, and the rows it writes."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import date
from typing import Any

import numpy as np
import pandas as pd

from analysis.completeness import SourceDays
from analysis.periods import as_days
from configs.schema import Experiment, HealthThresholds, Metric, Project

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
LOOK = ["experiment_id", "as_of_date"]
_KEYS = (
    *("experiment_id", "segment_name", "segment_value", "variant_id", "hashed_variant_id", "metric_id", "source_id"),
    *("earlier_experiment_id", "earlier_variant_id", "other_experiment_id", "probe", "config_hash", "reason"),
)
_DATES = ("as_of_date", "known_from", "log_date", "exposed_date", "last_date")


def _empty(*columns: str) -> Callable[[], pd.DataFrame]:
    return lambda: pd.DataFrame(columns=list(columns))


@dataclass(frozen=True)
class HealthData:
    """The frames of one run, of every as-of date and log date so far: sequential tests remember earlier looks.

    `epoch_counts`, `moments`, `event_coverage`, `metric_probes`, `assignments`, `earlier_arms`: dbt's
    `fct_epoch_counts`, `fct_metric_moments`, `fct_event_coverage`, `fct_metric_probes`, `fct_assignments`,
    `fct_earlier_arms`. `excluded_units`: `fct_excluded_units`. `predecessors`: the arms of the earlier experiments to
    compare. `former_definitions`: those that results were published under before, up to which as-of date, and what has
    changed. `exposure_rows`: accepted rows by the date of exposure (`reason` empty) and refused ones by reason.
    `day_findings`: what the audit of a log date did not like, `experiment_id` empty where it concerns all.
    `source_days`: the published table. `cluster_counts`: like `epoch_counts`, of clusters or blocks if these were
    randomised. `block_arms`: units in another arm than their block's. `logged_propensities`: units by what they logged.
    """

    epoch_counts: pd.DataFrame = field(
        default_factory=_empty(
            *("as_of_date", "experiment_id", "segment_name", "segment_value", "epoch", "variant_id"),
            *("n_units", "n_mixed_excluded", "weight"),
        )
    )
    cluster_counts: pd.DataFrame = field(
        default_factory=_empty(
            *("as_of_date", "experiment_id", "segment_name", "segment_value", "epoch", "variant_id"),
            *("n_units", "n_mixed_excluded", "weight"),
        )
    )
    block_arms: pd.DataFrame = field(
        default_factory=_empty("as_of_date", "experiment_id", "n_units", "n_strays", "n_blocks", "n_unseen")
    )
    logged_propensities: pd.DataFrame = field(
        default_factory=_empty("as_of_date", "experiment_id", "n_units", "n_impossible", "n_apart", "largest_gap")
    )
    moments: pd.DataFrame = field(
        default_factory=_empty(
            *("as_of_date", "experiment_id", "metric_id", "variant_id", "segment_name", "n_units"),
            *("mean", "variance", "third_central_moment", "total", "cap_value", "covariate_mean", "covariate_variance"),
        )
    )
    event_coverage: pd.DataFrame = field(
        default_factory=_empty(
            *("as_of_date", "experiment_id", "variant_id", "source_id", "window_days", "n_units", "n_with_event"),
            "n_not_computed",
        )
    )
    assignments: pd.DataFrame = field(
        default_factory=_empty("known_from", "experiment_id", "variant_id", "hashed_variant_id", "n_units")
    )
    metric_probes: pd.DataFrame = field(
        default_factory=_empty(
            *("as_of_date", "experiment_id", "variant_id", "metric_id", "probe", "n_units", "n_found", "total"),
            "n_not_computed",
        )
    )
    earlier_arms: pd.DataFrame = field(
        default_factory=_empty(
            *("known_from", "experiment_id", "variant_id", "earlier_experiment_id", "earlier_variant_id", "metric_id"),
            *("n_units", "covariate_sum", "covariate_squares"),
        )
    )
    excluded_units: pd.DataFrame = field(
        default_factory=_empty("known_from", "experiment_id", "other_experiment_id", "n_units")
    )
    predecessors: pd.DataFrame = field(
        default_factory=_empty("experiment_id", "earlier_experiment_id", "earlier_variant_id", "is_baseline")
    )
    former_definitions: pd.DataFrame = field(
        default_factory=_empty("experiment_id", "config_hash", "last_date", "changes")
    )
    exposure_rows: pd.DataFrame = field(
        default_factory=_empty("log_date", "source_id", "experiment_id", "exposed_date", "reason", "n_rows")
    )
    day_findings: pd.DataFrame = field(default_factory=_empty("log_date", "source_id", "experiment_id", "finding"))
    source_days: pd.DataFrame = field(default_factory=_empty("log_date", "source_id", "status", "reason"))

    def of(self, experiments: Mapping[str, Experiment]) -> "HealthData":
        """The rows of these experiments and of none, with dates as midnights and keys as text."""
        frames = {one.name: getattr(self, one.name) for one in fields(self)}
        for name, frame in frames.items():
            kept = frame
            if "experiment_id" in frame and name != "day_findings":
                kept = frame[frame["experiment_id"].isin(list(experiments))]
            kept = kept.astype({column: "str" for column in _KEYS if column in kept})
            frames[name] = kept.assign(**{column: as_days(kept[column]) for column in _DATES if column in kept})
        return HealthData(**frames)


@dataclass(frozen=True)
class HealthInputs:
    """The frames and settings of one run; frames hold every date so far, `days` those to report.

    `days`: the as-of dates to report by experiment id, quick to look up. `looks`: the same as a frame with the
    columns of LOOK, sorted. `thresholds`: by experiment id.
    """

    data: HealthData
    source_days: SourceDays
    experiments: Mapping[str, Experiment]
    metrics: Mapping[str, Metric]
    project: Project
    days: Mapping[str, Collection[date]]
    looks: pd.DataFrame
    thresholds: Mapping[str, HealthThresholds]

    @property
    def epoch_counts(self) -> pd.DataFrame:
        """Units by epoch, zero where nothing has been exposed yet."""
        return self.data.epoch_counts

    def limit(self, name: str, experiment_ids: pd.Series) -> np.ndarray:
        """A threshold for each row of a frame."""
        values = {id_: getattr(limits, name) for id_, limits in self.thresholds.items()}
        return experiment_ids.map(values).to_numpy(dtype=float)

    def at_looks(self, frame: pd.DataFrame) -> pd.DataFrame:
        """The rows of a frame whose as-of date is to be reported."""
        return frame.merge(self.looks, on=LOOK, how="inner")


def make_looks(days: Mapping[str, Collection[date]]) -> pd.DataFrame:
    """`HealthInputs.looks` from `HealthInputs.days`."""
    pairs = [(id_, day) for id_ in sorted(days) for day in days[id_]]
    frame = pd.DataFrame(pairs, columns=LOOK)
    return frame.assign(as_of_date=as_days(frame["as_of_date"]), experiment_id=frame["experiment_id"].astype("str"))


def worst_at_looks(inputs: HealthInputs, items: pd.DataFrame) -> pd.DataFrame:
    """A row per look: its worst item, failing ones before others, then by `badness`; `n_failing` counts the former.

    `items` has the columns of LOOK, `fails` and `badness`. A look without items has NaN in their columns.
    """
    items = inputs.at_looks(items)
    failing = items[items["fails"]].groupby(LOOK).size().rename("n_failing").reset_index()
    worst = items.sort_values([*LOOK, "fails", "badness"], kind="stable", na_position="first")
    worst = worst.drop_duplicates(LOOK, keep="last")
    chosen = inputs.looks.merge(worst, on=LOOK, how="left").merge(failing, on=LOOK, how="left")
    fails = chosen["fails"].astype("boolean").fillna(False).astype(bool)
    return chosen.assign(fails=fails, n_failing=chosen["n_failing"].fillna(0).astype(int))


def sums_so_far(inputs: HealthInputs, rows: pd.DataFrame, date_column: str, columns: list[str]) -> pd.DataFrame:
    """A row per look: the sums of an experiment's rows with a date up to it, 0 where there is none."""
    daily = rows.groupby(["experiment_id", date_column], as_index=False)[columns].sum()
    daily[columns] = daily.groupby("experiment_id")[columns].cumsum()
    daily = daily.rename(columns={date_column: "as_of_date"}).sort_values("as_of_date", kind="stable")
    looks = inputs.looks.sort_values("as_of_date", kind="stable")
    found = pd.merge_asof(looks, daily, on="as_of_date", by="experiment_id")
    found[columns] = found[columns].astype("float64").fillna(0)
    return found.sort_values(LOOK, ignore_index=True)


def and_others(n_failing: int, noun: str) -> str:
    """How many failed besides the one a message is about."""
    others = n_failing - 1
    return (
        f"; so {'does' if others == 1 else 'do'} {others} more {noun}{'' if others == 1 else 's'}" if others > 0 else ""
    )


def health_frame(rows: pd.DataFrame | Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Rows as a typed frame with the published columns; `all` where a row names no segment."""
    frame = rows.reindex(columns=COLUMNS) if isinstance(rows, pd.DataFrame) else pd.DataFrame(rows, columns=COLUMNS)
    for column in ("segment_name", "segment_value"):
        frame[column] = frame[column].fillna("all")
    types = dict.fromkeys(TEXT, "str") | {"passed": "bool"}
    types |= dict.fromkeys(["statistic", "p_value", "threshold"], "float64")
    return frame.astype(types).assign(as_of_date=as_days(frame["as_of_date"]))
