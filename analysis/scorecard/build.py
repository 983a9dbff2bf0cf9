"""The scorecard from moments and configuration."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.scorecard.best import probability_best
from analysis.scorecard.bootstraps import BOOTSTRAP, infer_bootstraps
from analysis.scorecard.bucket_table import BucketTable
from analysis.scorecard.cap_tails import CapTails
from analysis.scorecard.categorical import infer_categories
from analysis.scorecard.columns import FAILED, NO_COVARIATE, typed_frame
from analysis.scorecard.comparisons import (
    COVARIATE_MOMENTS,
    RATIO_COVARIATE_MOMENTS,
    all_slices,
    arm_columns,
    arm_rows,
    checked_moments,
    comparison_rows,
)
from analysis.scorecard.covariates import dropped_covariates, lacks_further
from analysis.scorecard.event_quantiles import EventTables, infer_event_quantiles
from analysis.scorecard.families import adjust, families
from analysis.scorecard.inference import Arrays, infer
from analysis.scorecard.looks import with_looks
from analysis.scorecard.plan import comparison_plan
from analysis.scorecard.quantiles import infer_quantiles
from analysis.scorecard.running import earlier_rows, projected_dates, run_on, run_on_adjusted
from analysis.scorecard.statuses import NO_COVARIATE_MOMENTS, statuses, unusable_moments
from analysis.scorecard.strata import strata_of, with_strata
from analysis.statistics.registry import STRATIFIED
from configs.schema import Experiment, Metric


def scorecard(
    moments: pd.DataFrame,
    experiments: Mapping[str, Experiment],
    metrics: Mapping[str, Metric],
    blocked: pd.DataFrame,
    as_of_dates: pd.DataFrame | None = None,
    history: pd.DataFrame | None = None,
    values: pd.DataFrame | None = None,
    bucket_sums: pd.DataFrame | None = None,
    cap_tails: pd.DataFrame | None = None,
    categories: pd.DataFrame | None = None,
    strata: pd.DataFrame | None = None,
    events: EventTables | None = None,
) -> pd.DataFrame:
    """A row per as-of date × experiment × metric × treatment × segment, with `SCORECARD_COLUMNS`, sorted.

    `moments` is fct_metric_moments (`with_covariates`); rows of experiments that are not given are ignored. `blocked`
    (`as_of_date, experiment_id, metric_id, status, reason`) names comparisons that must not be computed,
    or with status no_covariate only without adjustment; with status failed nothing is tried. Every listed metric
    has a row at each as-of date found in `moments`, `blocked` or `as_of_dates` (`as_of_date, experiment_id`).
    `history` is the scorecard of earlier as-of dates: methods that hold at every look go on from it, and dates
    computed one by one are those computed at once. `values` is fct_value_counts, which quantile metrics need,
    `bucket_sums` and `cap_tails` are fct_bucket_sums and fct_cap_tails, which bootstrapped ones do, `categories` is
    fct_category_counts, `strata` fct_stratum_moments,
    `events` are the tables that quantiles of events need.
    Raises ValueError for missing columns and for a moment row that occurs twice.
    """
    moments = checked_moments(moments)
    requests = [blocked] if as_of_dates is None else [blocked, as_of_dates]
    rows = comparison_rows(comparison_plan(experiments, metrics), all_slices(moments, *requests))
    rows = _with_blocks(rows, blocked)
    positions = [arm_rows(moments, rows, variant) for variant in ("baseline_id", "variant_id")]
    baseline, treatment = (arm_columns(moments, position) for position in positions)
    within = strata_of(rows, strata)
    rows = with_strata(rows, within, (baseline["n_units"], treatment["n_units"]))
    unusable = unusable_moments(rows, baseline, treatment)
    rows = _with_estimator(rows, baseline, treatment)
    rows["estimator"] = rows["estimator"].mask(rows["blocked_status"] == FAILED, "")  # it may be what failed
    rows["family"], rows["family_correction"] = families(rows), _corrections(rows)
    usable = unusable[0] == ""
    arms = _blanked(baseline, ~usable), _blanked(treatment, ~usable)
    earlier = earlier_rows(history, rows)
    n = arms[0]["n_units"] + arms[1]["n_units"]
    rows, schedules = with_looks(rows, n, earlier)
    results, compared = infer(rows, *arms, schedules, within.without(~usable))
    rows["dropped_reason"] = dropped_covariates(rows, arms)
    units = (arms[0]["n_units"], arms[1]["n_units"])
    of_quantiles, quantiles = infer_quantiles(rows, values, metrics, units)
    of_events, event_quantiles = infer_event_quantiles(rows, events, metrics, (_n_events(arms[0]), _n_events(arms[1])))
    of_categories, categorical = infer_categories(rows, categories, units)
    bootstraps = list(infer_bootstraps(rows, BucketTable(bucket_sums), CapTails(cap_tails), metrics, arms))
    for computed, index in (
        (of_quantiles, quantiles.index),
        (of_events, event_quantiles.index),
        (of_categories, categorical),
        *((numbers, one.index) for one, numbers in bootstraps),
    ):
        for name, numbers in computed.items():
            results[name][index] = numbers
    results = run_on(rows, results, earlier)
    results |= adjust(rows, results, [*compared, quantiles, event_quantiles, *(one for one, _ in bootstraps)])
    results = run_on_adjusted(rows, results, earlier)
    status, reason = statuses(rows, results, unusable)
    return typed_frame(
        {name: rows[name] for name in rows.columns}
        | results
        | _counts(baseline, treatment, status, rows)
        | {
            "confidence_level": 1 - rows["alpha"],
            "significant": _significance(results["p_value_adjusted"], rows["alpha"].to_numpy()),
            "is_futile": pd.arrays.BooleanArray(results["is_futile"] > 0, np.isnan(results["is_futile"])),
            "probability_best": probability_best(rows, results),
            "method": method_names(rows),
            "relative_method": _relative_methods(rows, results),
            "projected_date": projected_dates(rows, results, n),
            "status": status,
            "reason": reason,
            "last_cohort_date": _latest(moments["last_cohort_date"], positions),
            "metric_hash": _either(moments["metric_hash"], positions),
        }
    )


def method_names(rows: pd.DataFrame) -> pd.Series:
    """The estimator; behind it how it is judged, unless that is Student's t at the planned end."""
    plain = rows["inference"] == "fixed"
    return rows["estimator"].where(plain, rows["estimator"] + " " + rows["inference"])


def _relative_methods(rows: pd.DataFrame, results: Arrays) -> NDArray:
    is_bootstrapped = (rows["estimator"] == BOOTSTRAP).to_numpy()
    return np.select([is_bootstrapped, results["is_fieller"] > 0], [BOOTSTRAP, "fieller"], "delta")


def _corrections(rows: pd.DataFrame) -> pd.Series:
    return rows["correction"].where(rows["segment_name"] == "all", rows["segment_correction"])


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
    """The rows with the estimator chosen: adjusted where asked for and the covariate is there.

    Of bootstrapped metrics the whole population is bootstrapped; segments keep the closed form.
    """
    wanted = rows["is_adjusted"].to_numpy()
    has_units = np.minimum(baseline["n_units"], treatment["n_units"]) >= 2
    arms = (baseline, treatment)
    lacking = np.logical_or.reduce([np.isnan(arm[name]) for arm in arms for name in COVARIATE_MOMENTS])
    of_ratio = np.logical_or.reduce([np.isnan(arm[name]) for arm in arms for name in RATIO_COVARIATE_MOMENTS])
    lacking |= of_ratio & (rows["estimator"] == "delta_ratio").to_numpy()
    lacking |= lacks_further(rows, arms)
    lacking &= has_units & ~rows["adjusted_estimator"].isin(STRATIFIED).to_numpy()
    reason = rows["covariate_reason"].mask(rows["covariate_reason"].isna() & lacking, NO_COVARIATE_MOMENTS)
    adjusted = wanted & reason.isna().to_numpy()
    is_bootstrapped = (rows["replicates"].notna() & (rows["segment_name"] == "all")).to_numpy()
    estimator = rows["adjusted_estimator"].where(adjusted, rows["estimator"])
    return rows.assign(
        covariate_reason=reason.where(wanted),
        is_adjusted=adjusted,
        n_further=rows["n_further"].where(adjusted, 0),
        estimator=estimator.mask(is_bootstrapped, BOOTSTRAP),
        # A score interval is of shares as they are.
        inference=rows["inference"].mask(rows["is_score"] & ~adjusted & ~is_bootstrapped, "newcombe"),
    )


def _blanked(arm: Arrays, unusable: NDArray[np.bool_]) -> Arrays:
    """The arm without the numbers of rows that must not be computed."""
    return {name: np.where(unusable, np.nan, values) for name, values in arm.items()}


def _n_events(arm: Arrays) -> NDArray:
    """The events of a quantile of events, whose moments are of their number."""
    with np.errstate(over="ignore"):
        return np.rint(arm["n_units"] * np.where(arm["n_units"] > 0, arm["mean"], 0.0))


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
