"""Moments by batch as arrays: of one bandit and metric, over as-of dates, days of the experiment and variants."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import pandas as pd

from analysis.bandits.batches import Batches
from analysis.periods import as_days
from analysis.statistics.status import Floats
from configs.schema import Experiment


@dataclass(frozen=True)
class Arrays:
    """Units, means and variances (as-of dates, days, variants) of a metric, no units where there is no row."""

    dates: list[pd.Timestamp]
    days: list[pd.Timestamp]
    n: Floats
    mean: Floats
    variance: Floats

    def batches(self, propensity: Floats) -> Batches:
        """With the share that each variant was to get on each day (days, variants)."""
        return Batches.of(self.n, self.mean, self.variance, propensity)


def days_of(experiment: Experiment) -> list[pd.Timestamp]:
    """The days on which units enter: the experiment's batches."""
    span = (experiment.end - experiment.start).days + 1
    return [timestamp(experiment.start + timedelta(days=day)) for day in range(span)]


def arrays_of(batch_moments: pd.DataFrame, experiment: Experiment, metric_id: str, dates: list[pd.Timestamp]) -> Arrays:
    """What fct_batch_moments holds of an experiment's metric at these as-of dates."""
    days, variants = days_of(experiment), [variant.id for variant in experiment.variants]
    own = batch_moments[(batch_moments["experiment_id"] == experiment.id) & (batch_moments["metric_id"] == metric_id)]
    found = [np.full((len(dates), len(days), len(variants)), fill) for fill in (0.0, np.nan, np.nan)]
    place = [
        pd.Index(values).get_indexer(pd.Index(given))
        for values, given in (
            (dates, as_days(own["as_of_date"])),
            (days, as_days(own["batch_date"])),
            (variants, own["variant_id"].astype("str")),
        )
    ]
    known = np.logical_and.reduce([position >= 0 for position in place])
    at = tuple(position[known] for position in place)
    for array, name in zip(found, ("n_units", "mean", "variance"), strict=True):
        array[at] = own[name].to_numpy(dtype=float, na_value=np.nan)[known]
    return Arrays(dates, days, *found)


def propensities(allocations: pd.DataFrame, experiment: Experiment) -> Floats:
    """The share of each variant on each day (days, variants) by the allocations computed at the day before.

    On the first day it is the variants' weights; NaN where there is no allocation.
    """
    days, variants = days_of(experiment), [variant.id for variant in experiment.variants]
    shares = np.full((len(days), len(variants)), np.nan)
    shares[0] = [variant.weight for variant in experiment.variants]
    own = allocations[allocations["experiment_id"] == experiment.id]
    rows = pd.Index(days).get_indexer(pd.Index(as_days(own["day"])))
    columns = pd.Index(variants).get_indexer(pd.Index(own["variant_id"].astype("str")))
    known = (rows > 0) & (columns >= 0)
    shares[rows[known], columns[known]] = own["share"].to_numpy(dtype=float)[known]
    return shares


def timestamp(day: date) -> pd.Timestamp:
    """A day as frames hold it."""
    return pd.Timestamp(day).as_unit("us")


def frame_of(rows: list[dict[str, object]], columns: Mapping[str, str]) -> pd.DataFrame:
    """Rows as a typed table."""
    return pd.DataFrame(rows, columns=list(columns)).astype(dict(columns))
