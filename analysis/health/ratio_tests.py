"""Both sample ratio tests over a frame of counts: every experiment, segment and as-of date at once."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.statistics.srm import (
    anytime_p_value,
    chi_squared,
    chi_squared_tail,
    log_bayes_factor,
    proportional_prior,
)
from configs.schema import Experiment

Floats = NDArray[np.float64]
SERIES = ["experiment_id", "segment_name", "segment_value"]
ROW = [*SERIES, "as_of_date"]
STREAM = [*ROW, "epoch"]


@dataclass(frozen=True)
class RatioTests:
    """A row per experiment × segment × as-of date, sorted; arms are in the order of its variants.

    `rows`: experiment_id, segment_name, segment_value, as_of_date, chi_squared, df, chi_squared_p, log_bf,
    anytime_p. `observed` and `expected` (rows, arms) are units, summed over allocation epochs.
    """

    rows: pd.DataFrame
    observed: Floats
    expected: Floats


def ratio_tests(counts: pd.DataFrame, experiments: Mapping[str, Experiment], concentration: float) -> RatioTests:
    """Test units against weights within each allocation epoch, and combine the epochs.

    `counts` has the columns of STREAM, variant_id, units (cumulative) and weight. Epochs are independent
    streams, so chi-squared statistics and degrees of freedom add, and Bayes factors multiply.
    """
    arm = _arm_positions(counts, experiments)
    n_arms = max((len(experiment.variants) for experiment in experiments.values()), default=0)
    streams, stream_of = _groups(counts, STREAM)
    units, weights = np.zeros((len(streams), n_arms)), np.zeros((len(streams), n_arms))
    np.add.at(units, (stream_of, arm), counts["units"].to_numpy(dtype=float))
    weights[stream_of, arm] = counts["weight"].to_numpy(dtype=float)
    rows, row_of = _groups(streams, ROW)

    def combined(values: Floats) -> Floats:
        total = np.zeros((len(rows), *values.shape[1:]))
        np.add.at(total, row_of, values)
        return total

    shares = weights / weights.sum(axis=1, keepdims=True)
    pearson = chi_squared(units, weights)
    tested = ~np.isnan(pearson.statistic)
    statistic = combined(np.where(tested, pearson.statistic, 0.0))
    df = combined(np.where(tested, pearson.df, 0.0))
    statistic = np.where(combined(tested.astype(float)) > 0, statistic, np.nan)
    log_bf = combined(log_bayes_factor(units, weights, proportional_prior(shares, concentration)))
    peak = pd.Series(log_bf).groupby([rows[column] for column in SERIES]).cummax().to_numpy()
    rows = rows.assign(
        chi_squared=statistic,
        df=df,
        chi_squared_p=chi_squared_tail(statistic, df),
        log_bf=log_bf,
        anytime_p=anytime_p_value(peak[:, None])[:, 0],
    )
    return RatioTests(rows, combined(units), combined(shares * units.sum(axis=1, keepdims=True)))


def describe_arms(experiment: Experiment, observed: Floats, expected: Floats) -> str:
    """Each arm's units, share and expected share, for a message."""
    n = len(experiment.variants)
    arms = zip(experiment.variants, observed[:n].tolist(), expected[:n].tolist(), strict=True)
    total = float(observed.sum())
    return ", ".join(
        f"{variant.id} {units:,.0f} ({units / total:.2%}, expected {share / total:.2%})"
        for variant, units, share in arms
    )


def _arm_positions(counts: pd.DataFrame, experiments: Mapping[str, Experiment]) -> NDArray[np.int64]:
    arms = [
        (experiment.id, variant.id, position)
        for experiment in experiments.values()
        for position, variant in enumerate(experiment.variants)
    ]
    keys = ["experiment_id", "variant_id"]
    known = pd.DataFrame(arms, columns=[*keys, "position"])
    found = pd.MultiIndex.from_frame(known[keys]).get_indexer(pd.MultiIndex.from_frame(counts[keys]))
    if (found < 0).any():
        experiment_id, variant_id = counts[keys].iloc[int(np.argmax(found < 0))]
        raise ValueError(f"counts name variant {variant_id!r}, unknown to experiment {experiment_id!r}")
    return known["position"].to_numpy(dtype=np.int64)[found]


def _groups(frame: pd.DataFrame, columns: list[str]) -> tuple[pd.DataFrame, NDArray[np.int64]]:
    grouped = frame.groupby(columns, sort=True, observed=True)
    position = grouped.ngroup().to_numpy()
    keys = frame[columns].iloc[np.unique(position, return_index=True)[1]].reset_index(drop=True)
    return keys, position
