"""The scorecard from moments and configuration."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.scorecard.columns import NO_COVARIATE, typed_frame
from analysis.scorecard.comparisons import (
    COVARIATE_MOMENTS,
    all_slices,
    arm_columns,
    arm_rows,
    checked_moments,
    comparison_rows,
)
from analysis.scorecard.inference import Arrays, adjust, infer
from analysis.scorecard.plan import comparison_plan
from analysis.scorecard.statuses import NO_COVARIATE_MOMENTS, statuses, unusable_moments
from configs.schema import Experiment, Metric


def scorecard(
    moments: pd.DataFrame,
    experiments: Mapping[str, Experiment],
    metrics: Mapping[str, Metric],
    blocked: pd.DataFrame,
    as_of_dates: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """A row per as-of date × experiment × metric × treatment × segment, with `SCORECARD_COLUMNS`, sorted.

    `moments` is fct_metric_moments; rows of experiments that are not given are ignored. `blocked`
    (`as_of_date, experiment_id, metric_id, status, reason`) names comparisons that must not be computed,
    or with status no_covariate only without adjustment. Every listed metric has a row at each as-of date
    found in `moments`, `blocked` or `as_of_dates` (`as_of_date, experiment_id`). Raises ValueError for
    missing columns and for a moment row that occurs twice.
    """
    moments = checked_moments(moments)
    requests = [blocked] if as_of_dates is None else [blocked, as_of_dates]
    rows = comparison_rows(comparison_plan(experiments, metrics), all_slices(moments, *requests))
    rows = _with_blocks(rows, blocked)
    positions = [arm_rows(moments, rows, variant) for variant in ("baseline_id", "variant_id")]
    baseline, treatment = (arm_columns(moments, position) for position in positions)
    unusable = unusable_moments(rows, baseline, treatment)
    rows = _with_estimator(rows, baseline, treatment)
    rows["family"] = _families(rows)
    results = infer(rows, *(_blanked(arm, unusable[0] != "") for arm in (baseline, treatment)))
    results |= adjust(rows, results)
    status, reason = statuses(rows, results, unusable)
    return typed_frame(
        {name: rows[name] for name in rows.columns}
        | results
        | _counts(baseline, treatment, status, rows)
        | {
            "confidence_level": 1 - rows["alpha"],
            "significant": _significance(results["p_value_adjusted"], rows["alpha"].to_numpy()),
            "method": rows["estimator"],
            "status": status,
            "reason": reason,
            "last_cohort_date": _latest(moments["last_cohort_date"], positions),
            "metric_hash": _either(moments["metric_hash"], positions),
        }
    )


def _with_blocks(rows: pd.DataFrame, blocked: pd.DataFrame) -> pd.DataFrame:
    """The rows with `blocked_status`, `blocked_reason` and `covariate_reason`, missing where not blocked."""
    keys = ["as_of_date", "experiment_id", "metric_id"]
    typed = blocked[[*keys, "status", "reason"]].astype(
        dict.fromkeys(("experiment_id", "metric_id", "status", "reason"), "str")
    )
    typed["as_of_date"] = pd.to_datetime(typed["as_of_date"]).astype("datetime64[us]")
    is_covariate = typed["status"] == NO_COVARIATE
    forbidden = typed[~is_covariate].drop_duplicates(keys)
    unadjusted = typed[is_covariate].drop_duplicates(keys)
    forbidden = forbidden.rename(columns={"status": "blocked_status", "reason": "blocked_reason"})
    unadjusted = unadjusted.drop(columns="status").rename(columns={"reason": "covariate_reason"})
    return rows.merge(forbidden, on=keys, how="left").merge(unadjusted, on=keys, how="left")


def _with_estimator(rows: pd.DataFrame, baseline: Arrays, treatment: Arrays) -> pd.DataFrame:
    """The rows with the estimator chosen: adjusted where asked for and the covariate is there."""
    wanted = rows["is_adjusted"].to_numpy()
    has_units = np.minimum(baseline["n_units"], treatment["n_units"]) >= 2
    lacking = has_units & np.logical_or.reduce(
        [np.isnan(arm[name]) for arm in (baseline, treatment) for name in COVARIATE_MOMENTS]
    )
    reason = rows["covariate_reason"].mask(rows["covariate_reason"].isna() & lacking, NO_COVARIATE_MOMENTS)
    adjusted = wanted & reason.isna().to_numpy()
    return rows.assign(
        covariate_reason=reason.where(wanted),
        is_adjusted=adjusted,
        estimator=rows["adjusted_estimator"].where(adjusted, rows["estimator"]),
    )


def _families(rows: pd.DataFrame) -> NDArray[np.int64]:
    """A number for each family: primaries, secondaries, each guardrail alone; each segment dimension."""
    is_segment = rows["segment_name"] != "all"
    is_guardrail = (rows["role"] == "guardrail") & ~is_segment
    member = rows["role"].mask(is_segment, "segment").mask(is_guardrail, "guardrail " + rows.index.astype(str))
    keys = rows[["as_of_date", "experiment_id", "segment_name"]].assign(member=member)
    return keys.groupby(list(keys), sort=False).ngroup().to_numpy(dtype=np.int64)


def _blanked(arm: Arrays, unusable: NDArray[np.bool_]) -> Arrays:
    """The arm without the numbers of rows that must not be computed."""
    return {name: np.where(unusable, np.nan, values) for name, values in arm.items()}


def _counts(
    baseline: Arrays, treatment: Arrays, status: NDArray, rows: pd.DataFrame
) -> dict[str, pd.arrays.IntegerArray]:
    """Units of both arms; missing where data were blocked, since such a count would be wrong too."""
    unknown = rows["blocked_status"].notna().to_numpy()
    return {
        f"n_{name}": pd.array(np.where(unknown, np.nan, arm["n_units"]), dtype="Float64").astype("Int64")
        for name, arm in (("baseline", baseline), ("treatment", treatment))
    }


def _significance(p_adjusted: NDArray, alpha: NDArray) -> pd.arrays.BooleanArray:
    return pd.arrays.BooleanArray(p_adjusted <= alpha, np.isnan(p_adjusted))


def _latest(dates: pd.Series, positions: list[NDArray[np.intp]]) -> NDArray:
    """The later of the two arms' dates, NaT where neither has any."""
    return np.fmax(*(_taken(dates, position) for position in positions))


def _either(values: pd.Series, positions: list[NDArray[np.intp]]) -> pd.Series:
    """The treatment's value, or the baseline's where the treatment has no moments."""
    baseline, treatment = (pd.Series(_taken(values, position)) for position in positions)
    return treatment.where(treatment.notna(), baseline)


def _taken(values: pd.Series, position: NDArray[np.intp]) -> NDArray:
    return pd.Series(values).reset_index(drop=True).reindex(position).to_numpy()
