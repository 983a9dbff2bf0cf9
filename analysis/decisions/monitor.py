"""The rollback monitor: harm found at any as-of date, beside whatever method decides.

A one-sided confidence sequence for every metric and treatment at level α_d/(M·T), so that all of them together
raise a false alarm with probability at most α_d over any number of looks.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.decisions.levels import deterioration_level
from analysis.periods import as_days
from analysis.scorecard import ESTIMATED_STATUSES, SKEWED
from analysis.statistics.confidence_sequence import (
    best_rho2,
    burn_in_reached,
    lower_bound,
    running_minimum,
    upper_tail_p,
)
from analysis.statistics.estimate import Arm, Contrast
from analysis.statistics.registry import SHARE_TYPES
from analysis.statistics.status import Status
from configs.schema import Experiment, Metric

# The sequence starts with this many units in each arm, of a share with this many events and non-events.
BURN_IN_UNITS, BURN_IN_EVENTS = 1_000, 100

GROWS = "the metric has no window: it grows for units counted before"
# Simulated: docs/error_rates.md, under Quantiles.
OF_QUANTILE = "of a quantile: its standard error is half the 95 % interval over 1.96"

MONITOR_COLUMNS = {
    "as_of_date": "datetime64[us]",
    "experiment_id": "str",
    "metric_id": "str",
    "variant_id": "str",
    "n_baseline": "Int64",
    "n_treatment": "Int64",
    "effect": "float64",
    "effect_se": "float64",
    "least_harm": "float64",
    "p_value": "float64",
    "level": "float64",
    "is_harmful": "boolean",
    "status": "str",
    "reason": "str",
}
KEYS = ["as_of_date", "experiment_id", "metric_id", "variant_id"]


def rollback_monitor(
    scorecard: pd.DataFrame, experiments: Mapping[str, Experiment], metrics: Mapping[str, Metric]
) -> pd.DataFrame:
    """A row per as-of date × experiment × metric × treatment of the scorecard's whole-population rows, sorted.

    `p_value` is the smallest so far of H0 "not worse"; `is_harmful` says whether it has come below `level`, and
    stays. `least_harm` is the sequence's bound of the harm in the metric's unit, signed as worsening: positive if
    even that is harm. `status` is `ok`, `burn_in` before the sequence starts, or the scorecard's failure. Rows of
    later dates never change those of earlier ones.
    """
    rows = _monitored_rows(scorecard, experiments, metrics)
    plan = _plan(experiments, metrics)
    rows = rows.merge(plan, on=["experiment_id", "metric_id"], how="inner").sort_values(KEYS, ignore_index=True)
    harm = Contrast(
        -rows["sign"].to_numpy() * rows["effect"].to_numpy(),
        rows["effect_se"].to_numpy(),
        np.full(len(rows), np.inf),
        np.full(len(rows), np.int8(Status.OK)),
    )
    started, status, reason = _started(rows)
    n = (rows["n_baseline"] + rows["n_treatment"]).to_numpy()
    level, rho2 = rows["level"].to_numpy(), rows["rho2"].to_numpy()
    looked = np.where(started, upper_tail_p(harm, n, rho2), np.nan)
    series = rows.groupby(["experiment_id", "metric_id", "variant_id"]).ngroup().to_numpy(dtype=np.int64)
    smallest = running_minimum(looked, series, rows["as_of_date"].to_numpy())
    frame = rows.assign(
        p_value=smallest,
        least_harm=np.where(started, lower_bound(harm, n, rho2, level), np.nan),
        is_harmful=smallest <= level,
        status=status,
        reason=reason,
    )
    return frame[list(MONITOR_COLUMNS)].astype(MONITOR_COLUMNS)


def _monitored_rows(
    scorecard: pd.DataFrame, experiments: Mapping[str, Experiment], metrics: Mapping[str, Metric]
) -> pd.DataFrame:
    chosen = (scorecard["segment_name"] == "all") & scorecard["experiment_id"].isin(list(experiments))
    rows = scorecard.loc[chosen & scorecard["metric_id"].isin(list(metrics))]
    numbers = ["n_baseline", "n_treatment", "baseline_mean", "treatment_mean", "effect", "effect_se"]
    rows = rows.reindex(columns=[*KEYS, *numbers, "status", "reason"])
    typed = dict.fromkeys(numbers, "float64") | dict.fromkeys([*KEYS[1:], "status", "reason"], "str")
    return rows.astype(typed).assign(as_of_date=as_days(rows["as_of_date"]))


def _plan(experiments: Mapping[str, Experiment], metrics: Mapping[str, Metric]) -> pd.DataFrame:
    """Level and tuning of every series. ρ² is best at the size from which a decision may be taken."""
    planned = [
        (
            experiment.id,
            metric_id,
            1.0 if metrics[metric_id].direction == "increase" else -1.0,
            metrics[metric_id].type in SHARE_TYPES,
            metrics[metric_id].window is None,
            metrics[metric_id].type == "quantile",
            deterioration_level(experiment),
            2.0 * experiment.analysis.minimum_units,
        )
        for experiment in experiments.values()
        # A bandit's own allocation takes units away from what does harm; the sequence is of units, not of clusters.
        if experiment.compares_units
        for metric_id in experiment.metrics.roles
        if metric_id in metrics and metrics[metric_id].type != "categorical"  # categories have no worse way
    ]
    columns = ["experiment_id", "metric_id", "sign", "is_share", "is_open_ended", "is_quantile", "level", "tuned_to"]
    types = dict.fromkeys(columns[:2], "str") | dict.fromkeys(["is_share", "is_open_ended", "is_quantile"], "bool")
    frame = pd.DataFrame(planned, columns=columns).astype(
        types | dict.fromkeys(["sign", "level", "tuned_to"], "float64")
    )
    return frame.assign(rho2=best_rho2(frame["tuned_to"], frame["level"], sides=1))


def _started(rows: pd.DataFrame) -> tuple[NDArray[np.bool_], NDArray, NDArray]:
    """Where the sequence may be looked at; status and reason of every row."""
    arms = [
        Arm(rows[f"n_{name}"].to_numpy(), rows[f"{name}_mean"].to_numpy(), np.full(len(rows), np.nan))
        for name in ("baseline", "treatment")
    ]
    grown = burn_in_reached(arms[0], arms[1], rows["is_share"].to_numpy(), BURN_IN_EVENTS, BURN_IN_UNITS)
    # A sequential method that has not begun, or not looked, shows the effect and its error all the same.
    shown = rows["status"].isin([*ESTIMATED_STATUSES, "burn_in", "no_look"]).to_numpy()
    estimated = shown & rows["effect_se"].gt(0).to_numpy()
    # Heavy tails in unequal arms: .19 of harmless experiments were rolled back instead of .025.
    skewed = rows["reason"].str.contains(SKEWED, regex=False, na=False).to_numpy(dtype=bool)
    waits = f"fewer than {BURN_IN_UNITS:,} units (of a share: {BURN_IN_EVENTS} with and without the event) in an arm"
    grows, width = rows["is_open_ended"].to_numpy(), rows["is_quantile"].to_numpy()
    marked = np.select([grows & width, grows, width], [f"{GROWS}; {OF_QUANTILE}", GROWS, OF_QUANTILE], "")
    given = rows["reason"].fillna("").to_numpy(object)
    status = np.select([~estimated, ~grown, skewed], [rows["status"].to_numpy(object), "burn_in", "skewed"], "ok")
    reason = np.select([~estimated, ~grown, skewed], [given, waits, given], marked)
    return estimated & grown & ~skewed, status, reason
