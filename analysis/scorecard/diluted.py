"""What an effect on triggered units means for everyone exposed."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.scorecard.columns import COUNT, DATE, ESTIMATED_STATUSES, NUMBER, TEXT
from analysis.scorecard.comparisons import arm_columns, arm_rows, checked_moments
from analysis.statistics.dilution import Diluted, Everybody, diluted
from analysis.statistics.further_covariates import n_further, restricted
from analysis.statistics.registry import ESTIMATORS, STRATIFIED
from analysis.statistics.relative import WEAK_BASELINE
from analysis.statistics.sampling import variance_of_mean
from analysis.statistics.status import REASONS, Status
from analysis.statistics.student_t import interval
from configs.schema import DILUTABLE, Experiment, Metric

DILUTED_COLUMNS: dict[str, str] = {
    "as_of_date": DATE,
    "experiment_id": TEXT,
    "metric_id": TEXT,
    "variant_id": TEXT,
    "baseline_id": TEXT,
    "n_triggered": COUNT,
    "n_everyone": COUNT,
    "triggered_share": NUMBER,
    "baseline_mean": NUMBER,
    "effect": NUMBER,
    "effect_se": NUMBER,
    "ci_low": NUMBER,
    "ci_high": NUMBER,
    "effect_relative": NUMBER,
    "relative_ci_low": NUMBER,
    "relative_ci_high": NUMBER,
    "confidence_level": NUMBER,
    "method": TEXT,
    "status": TEXT,
    "reason": TEXT,
    "metric_hash": TEXT,
}
FIGURES = tuple(name for name, kind in DILUTED_COLUMNS.items() if kind == NUMBER and name != "confidence_level")
NOT_COUNTERFACTUAL = "the trigger is not logged alike in every variant (counterfactual: false)"
NOT_DILUTABLE = "an effect on a {} does not dilute by a share of units"
NO_ESTIMATE = "method {} has no dilution"
NO_UNITS = "everyone's moments are missing: run its dates again"
MANY_LOOKS = "no intervals: method {} looks more than once"


def diluted_effects(
    scorecard: pd.DataFrame,
    moments: pd.DataFrame,
    experiments: Mapping[str, Experiment],
    metrics: Mapping[str, Metric],
) -> pd.DataFrame:
    """A row with `DILUTED_COLUMNS` for each scorecard row of everyone triggered, of experiments with a trigger.

    `moments` is fct_metric_moments, with the rows of everyone. `effect` is share · effect, in the metric's unit a unit
    exposed, `triggered_share` of units whose windows have closed; `baseline_mean` is of the whole baseline.
    """
    triggered = {id_: one for id_, one in experiments.items() if one.trigger is not None}
    rows = scorecard[(scorecard["segment_name"] == "all") & scorecard["experiment_id"].isin(list(triggered))]
    rows = rows.reset_index(drop=True)
    keys = ["as_of_date", "experiment_id", "metric_id", "variant_id", "baseline_id", "confidence_level", "method"]
    frame = rows[[*keys, "metric_hash", "status", "reason"]].assign(
        **dict.fromkeys(FIGURES, np.nan), n_triggered=pd.NA, n_everyone=pd.NA
    )
    frame["reason"] = frame["reason"].where(~frame["status"].isin(ESTIMATED_STATUSES), "")
    refused = _refused(rows, triggered, metrics)
    frame["reason"] = frame["reason"].mask(refused != "", refused)
    frame["status"] = frame["status"].mask(refused != "", "not_computed")
    computed = np.flatnonzero(frame["status"].isin(ESTIMATED_STATUSES))
    if len(computed):
        populations = {one.id: one.everyone_id for one in triggered.values()}
        _compute(frame, rows, checked_moments(moments), computed, populations)
    return frame[list(DILUTED_COLUMNS)].astype(DILUTED_COLUMNS)


def _refused(rows: pd.DataFrame, experiments: Mapping[str, Experiment], metrics: Mapping[str, Metric]) -> pd.Series:
    """Why an effect cannot be diluted; "" where it can."""
    reasons = []
    for row in rows[["experiment_id", "metric_id", "method"]].itertuples():
        trigger, metric = experiments[row.experiment_id].trigger, metrics.get(row.metric_id)
        estimator = str(row.method).partition(" ")[0]
        if trigger is not None and not trigger.counterfactual:
            reasons.append(NOT_COUNTERFACTUAL)
        elif metric is not None and metric.type not in DILUTABLE:
            reasons.append(NOT_DILUTABLE.format(metric.type))
        elif estimator not in ESTIMATORS or estimator in STRATIFIED:
            reasons.append(NO_ESTIMATE.format(estimator) if estimator else "")
        else:
            reasons.append("")
    return pd.Series(reasons, index=rows.index, dtype="object")


def _compute(
    frame: pd.DataFrame,
    rows: pd.DataFrame,
    moments: pd.DataFrame,
    computed: NDArray[np.intp],
    populations: Mapping[str, str],
) -> None:
    """Put the figures, statuses and reasons of the computed rows into the frame; `populations` has everyone's ids."""
    estimators = frame["method"].str.partition(" ")[0]
    judged = frame["method"].str.partition(" ")[2]
    counts = n_further(arm_columns(moments, arm_rows(moments, rows.iloc[computed], "baseline_id")))
    for (estimator, count), index in pd.Series(computed).groupby([estimators.iloc[computed].to_numpy(), counts]):
        at = index.to_numpy()
        some = rows.iloc[at]
        of_everyone = some.assign(experiment_id=some["experiment_id"].map(populations))
        arms, everybody = (
            [arm_columns(moments, arm_rows(moments, one, variant)) for variant in ("baseline_id", "variant_id")]
            for one in (some, of_everyone)
        )
        with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
            n = everybody[0]["n_units"] + everybody[1]["n_units"]
            mean, variance = everybody[0]["mean"], variance_of_mean(everybody[0]["variance"], everybody[0]["n_units"])
            arms = [restricted(arm, np.arange(len(at)), count) for arm in arms]
            found = diluted(ESTIMATORS[str(estimator)](*arms), Everybody(n, mean, variance))
            is_weak = np.abs(mean) < WEAK_BASELINE * np.sqrt(variance)
        alpha = 1 - some["confidence_level"].to_numpy()
        figures = {
            "n_triggered": pd.array(arms[0]["n_units"] + arms[1]["n_units"], dtype="Float64").astype("Int64"),
            "n_everyone": pd.array(n, dtype="Float64").astype("Int64"),
            "triggered_share": found.share,
            "baseline_mean": mean,
            "effect": found.effect.value,
            "effect_se": found.effect.se,
            "effect_relative": found.relative.value,
        }
        once = (judged.iloc[at] == "").to_numpy()
        for prefix, contrast in (("ci", found.effect), ("relative_ci", found.relative)):
            ends = interval(contrast, alpha)
            figures |= {f"{prefix}_{end}": np.where(once, getattr(ends, end), np.nan) for end in ("low", "high")}
        for name, values in figures.items():
            frame.loc[at, name] = values
        missing = n == 0
        status, reason = _statuses(found, is_weak & ~missing)
        many = np.array([MANY_LOOKS.format(method) for method in judged.iloc[at]], dtype=object)
        frame.loc[at, "status"] = np.where(missing, "not_computed", status)
        frame.loc[at, "reason"] = np.where(missing, NO_UNITS, np.where((reason == "") & ~once, many, reason))


def _statuses(found: Diluted, is_weak: NDArray[np.bool_]) -> tuple[NDArray, NDArray]:
    """The status of each effect, and the reason of those without one."""
    code = found.effect.status
    names = np.array([Status(one).name.lower() for one in code], dtype=object)
    warned = np.select(
        [found.relative.status == Status.ZERO_BASELINE, is_weak], ["zero_baseline", "weak_baseline"], "ok"
    )
    reasons = np.array([REASONS[Status(one)] for one in code], dtype=object)
    return np.where(code == Status.OK, warned, names), np.where(code == Status.OK, "", reasons)
