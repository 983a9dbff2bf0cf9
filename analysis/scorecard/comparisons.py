"""From moments per arm to one row per comparison: treatment and baseline side by side."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.statistics.further_covariates import PREFIX

SLICE = ["as_of_date", "experiment_id", "segment_name", "segment_value"]

COVARIATE_MOMENTS = [
    "covariate_mean",
    "covariate_variance",
    "covariate_covariance",
    "no_history_share",
    "no_history_covariance",
    "covariate_no_history_covariance",
]
MOMENTS = [
    "n_units",
    "mean",
    "variance",
    "third_central_moment",
    "denominator_mean",
    "denominator_variance",
    "denominator_covariance",
    *COVARIATE_MOMENTS,
    "n_overflow",
    "n_not_computed",
]
# Of ratios with a covariate; NaN where the table does not have them yet.
RATIO_COVARIATE_MOMENTS = ["denominator_covariate_covariance", "denominator_no_history_covariance"]
REQUIRED = [*SLICE, "metric_id", "variant_id", *MOMENTS, "last_cohort_date", "metric_hash"]


def checked_moments(moments: pd.DataFrame) -> pd.DataFrame:
    """The moments with typed keys; raises ValueError for a missing column or a key that occurs twice."""
    missing = [name for name in REQUIRED if name not in moments.columns]
    if missing:
        raise ValueError(f"moments lack the columns {', '.join(missing)}; build fct_metric_moments again")
    keys = [*SLICE, "metric_id", "variant_id"]
    further = [name for name in moments.columns if name.startswith(PREFIX)]
    numbers = [*MOMENTS, *RATIO_COVARIATE_MOMENTS, *further]
    frame = moments.reindex(columns=[*REQUIRED, *RATIO_COVARIATE_MOMENTS, *further]).astype(
        {name: "str" for name in keys if name != "as_of_date"} | dict.fromkeys(numbers, "float64")
    )
    for name in ("as_of_date", "last_cohort_date"):
        frame[name] = pd.to_datetime(frame[name]).astype("datetime64[us]")
    twice = frame.duplicated(keys)
    if twice.any():
        raise ValueError(f"moments hold a row twice: {frame.loc[twice, keys].iloc[0].to_dict()}")
    return frame


def all_slices(moments: pd.DataFrame, *requests: pd.DataFrame) -> pd.DataFrame:
    """Every as-of date × experiment × segment of the moments, and the whole population of each request."""
    wanted = [
        pd.DataFrame(
            {
                "as_of_date": pd.to_datetime(request["as_of_date"]).astype("datetime64[us]"),
                "experiment_id": request["experiment_id"].astype("str"),
                "segment_name": "all",
                "segment_value": "all",
            }
        )
        for request in requests
    ]
    slices = pd.concat([moments[SLICE], *wanted], ignore_index=True).drop_duplicates()
    return slices.sort_values(SLICE, ignore_index=True)


def comparison_rows(plan: pd.DataFrame, slices: pd.DataFrame) -> pd.DataFrame:
    """Each planned comparison in each slice of its experiment, sorted by the scorecard's keys."""
    numbered = slices.assign(slice=np.arange(len(slices)))
    rows = plan.assign(planned=np.arange(len(plan))).merge(numbered, on="experiment_id", how="inner")
    order = np.lexsort((rows["slice"], rows["planned"], rows["as_of_date"]))
    return rows.iloc[order].reset_index(drop=True)


def arm_rows(moments: pd.DataFrame, rows: pd.DataFrame, variant: str) -> NDArray[np.intp]:
    """For each comparison the position of its arm's moments, -1 where there are none."""
    keys = [*SLICE, "metric_id"]
    left = pd.MultiIndex.from_frame(moments[[*keys, "variant_id"]])
    right = pd.MultiIndex.from_frame(rows[[*keys, variant]].set_axis([*keys, "variant_id"], axis=1))
    return left.get_indexer(right)


def arm_columns(moments: pd.DataFrame, position: NDArray[np.intp]) -> dict[str, NDArray[np.float64]]:
    """The arm's moments as arrays over comparisons; NaN where there are none, but n_units 0."""
    found = position >= 0
    columns = {}
    for name in [*MOMENTS, *RATIO_COVARIATE_MOMENTS, *(name for name in moments.columns if name.startswith(PREFIX))]:
        values = moments[name].to_numpy()
        columns[name] = np.where(found, values[position], np.nan) if len(values) else np.full(len(position), np.nan)
    columns["n_units"] = np.where(found, columns["n_units"], 0.0)
    return columns
