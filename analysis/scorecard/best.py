"""The chance of each treatment to be the best of all arms of its experiment."""

import numpy as np
import pandas as pd

from analysis.scorecard.inference import Arrays
from analysis.statistics.bayesian.best import best_of_normals
from analysis.statistics.status import Floats

SLICE = ["as_of_date", "experiment_id", "metric_id", "segment_name", "segment_value"]


def probability_best(rows: pd.DataFrame, results: Arrays) -> Floats:
    """P(no other arm is better), the baseline being one, of normal posteriors of the arms' means.

    Under method bayesian and a flat prior; NaN elsewhere, and where an arm has no posterior.
    """
    chance = np.full(len(rows), np.nan)
    asked = np.flatnonzero((rows["inference"] == "bayesian") & (rows["prior"] == "flat"))
    if not asked.size:
        return chance
    group = rows.iloc[asked].groupby(SLICE, sort=False).ngroup().to_numpy()
    sizes = np.bincount(group)[group]
    shift = results["effect"]
    for size in np.unique(sizes):
        members = asked[sizes == size]
        arms = members[np.argsort(group[sizes == size], kind="stable")].reshape(-1, size)
        first = arms[:, :1]
        mean = np.concatenate([np.zeros(first.shape), shift[arms]], axis=1)
        sd = np.concatenate([results["baseline_se"][first], results["treatment_se"][arms]], axis=1)
        sign = rows["sign"].to_numpy()[first[:, 0]]
        chance[arms] = best_of_normals(mean, sd, sign).chance[:, 1:]
    return chance
