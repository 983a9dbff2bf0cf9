"""Further covariates of a metric: their moments beside its own ones, and which of them a comparison uses."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.statistics.further_covariates import (
    MEANS_OWN,
    RATIOS_OWN,
    covariance_column,
    further_columns,
    mean_column,
    restricted,
)
from analysis.statistics.registry import kept_covariates
from configs.covariates import further_terms
from configs.schema import Metric

KEYS = ["as_of_date", "experiment_id", "segment_name", "segment_value", "metric_id", "variant_id"]
OWN = {
    "own value": "value",
    "own denominator": "denominator",
    "own covariate": "covariate",
    "own no history": "no_history",
}
DROPPED = "without {}: constant, or what other covariates say already, or too few units for all"

Arrays = dict[str, NDArray]


def with_covariates(moments: pd.DataFrame, covariates: pd.DataFrame, metrics: Mapping[str, Metric]) -> pd.DataFrame:
    """fct_metric_moments with columns of fct_covariate_moments, as `further_columns` names them.

    Without rows of the latter the moments are as they were.
    """
    numbers = {
        (id_, term.name): number
        for id_, metric in metrics.items()
        for number, term in enumerate(further_terms(metric), start=1)
    }
    keys = list(zip(covariates["metric_id"], covariates["covariate"], covariates["other"], strict=True))
    others = [OWN.get(other, numbers.get((id_, other))) for id_, _, other in keys]
    own = [numbers.get((id_, covariate)) for id_, covariate, _ in keys]
    names = [
        covariance_column(number, other) if number and other else "" for number, other in zip(own, others, strict=True)
    ]
    known = covariates[KEYS].assign(column=names, covariance=covariates["covariance"], mean=covariates["mean"])
    known = known.assign(mean_column=[mean_column(number) if number else "" for number in own])
    known = known[known["column"] != ""]
    if known.empty:
        return moments
    columns = {str(name): part.set_index(KEYS)["covariance"] for name, part in known.groupby("column")}
    of_value = known[known["column"].str.endswith("_with_value")]
    columns |= {str(name): part.set_index(KEYS)["mean"] for name, part in of_value.groupby("mean_column")}
    return moments.merge(pd.concat(columns, axis=1).reset_index(), on=KEYS, how="left")


def lacks_further(rows: pd.DataFrame, arms: tuple[Arrays, Arrays]) -> NDArray[np.bool_]:
    """Rows one of whose further covariates has no moments."""
    lacking = np.zeros(len(rows), dtype=bool)
    for (count, is_ratio), index in _by_count(rows):
        for arm in arms:
            for name in further_columns(count, RATIOS_OWN if is_ratio else MEANS_OWN):
                lacking[index] |= np.isnan(arm[name][index]) if name in arm else True
    return lacking


def dropped_covariates(rows: pd.DataFrame, arms: tuple[Arrays, Arrays]) -> NDArray:
    """What each comparison says of the covariates that were left out of it; "" where it uses all."""
    reasons = np.full(len(rows), "", dtype=object)
    some = rows[(rows["n_further"] > 0) & (rows["estimator"] != "")]
    for (estimator, count), index in some.groupby(["estimator", "n_further"]).groups.items():
        at = index.to_numpy()
        kept = kept_covariates(str(estimator), *(restricted(arm, at, int(count)) for arm in arms))
        for position, uses in zip(at, kept, strict=True):
            # An indicator of no history, such as the second, may well be constant: units of a site all have some.
            names = ["its own value before exposure", "", *rows["further_terms"].iloc[position]]
            dropped = [name for name, used in zip(names, uses, strict=True) if name and not used]
            if dropped:
                reasons[position] = DROPPED.format(", ".join(dropped))
    return reasons


def _by_count(rows: pd.DataFrame) -> list[tuple[tuple[int, bool], NDArray[np.intp]]]:
    """Positions of the rows with further covariates, by their number and whether the metric is a ratio."""
    some = np.flatnonzero((rows["n_further"] > 0).to_numpy())
    keys = [rows["n_further"].to_numpy()[some], rows["estimator"].iloc[some].str.contains("ratio").to_numpy()]
    grouped = pd.Series(some).groupby(keys)
    return [((int(count), bool(is_ratio)), index.to_numpy()) for (count, is_ratio), index in grouped]
