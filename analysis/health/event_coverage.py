"""Whether units have events at all: logs that do not join, and events lost in one arm more than in another."""

import numpy as np
import pandas as pd

from analysis.health.arm_pairs import arm_pairs
from analysis.health.inputs import LOOK, HealthInputs, and_others, worst_at_looks
from analysis.statistics.event_loss import anytime_loss_p

UNITS_JUDGED = 1_000
"""Matured units over all arms before the share of units with events is judged."""

KEY = ["experiment_id", "source_id", "as_of_date"]
IDLE = "no unit has been exposed for a whole window yet"


def no_events(inputs: HealthInputs) -> pd.DataFrame:
    """`no_events`: of each source, hardly any unit has an event within the window: warns."""
    coverage = inputs.at_looks(_usable(inputs.data.event_coverage))
    sources = coverage.groupby([*KEY, "window_days"], dropna=False, as_index=False)[["n_units", "n_with_event"]].sum()
    sources = sources[sources["n_units"] > 0]
    share = sources["n_with_event"] / sources["n_units"]
    minimum = inputs.limit("event_share_minimum", sources["experiment_id"])
    fails = (share < minimum) & (sources["n_units"] >= UNITS_JUDGED)
    worst = worst_at_looks(inputs, sources.assign(share=share, threshold=minimum, fails=fails, badness=minimum - share))
    messages = [
        f"{row.n_with_event:,.0f} of {row.n_units:,.0f} units have an event of {row.source_id}"
        f"{_window(row.window_days)} ({row.share:.2%}, from {UNITS_JUDGED:,} units on warns below {row.threshold:.2%})"
        + (": are unit ids the same in both logs, and is it being logged?" if row.fails else "")
        + and_others(row.n_failing, "source")
        if row.n_units > 0
        else IDLE
        for row in worst.itertuples()
    ]
    return worst.assign(severity="warning", passed=~worst["fails"], statistic=worst["share"], message=messages)


def event_loss(inputs: HealthInputs) -> pd.DataFrame:
    """`event_loss`: the share of units without any event of a source differs between arms.

    Tested day by day of maturity, so that neither a changing allocation nor a sample ratio mismatch looks like a loss.
    """
    coverage = _usable(inputs.data.event_coverage)
    coverage = coverage.assign(n_lost=coverage["n_units"] - coverage["n_with_event"]).sort_values(KEY, kind="stable")
    by_arm = coverage.groupby(["experiment_id", "source_id", "variant_id"], sort=False)[["n_units", "n_lost"]]
    # Few units leave an arm or get a late event: they are not taken out of the days before.
    own = by_arm.diff().fillna(coverage[["n_units", "n_lost"]]).clip(lower=0)
    coverage = coverage.assign(own_units=own["n_units"], own_lost=own[["n_units", "n_lost"]].min(axis=1))
    pairs = arm_pairs(coverage[coverage["n_units"] > 0], inputs.experiments, KEY)
    pairs = pairs.sort_values(["experiment_id", "source_id", "variant_id_treatment", "as_of_date"], ignore_index=True)
    series = pairs.groupby(["experiment_id", "source_id", "variant_id_treatment"], sort=False).ngroup().to_numpy()
    p = anytime_loss_p(
        (pairs["own_lost_baseline"], pairs["own_lost_treatment"]),
        (pairs["own_units_baseline"], pairs["own_units_treatment"]),
        series,
    )
    n_tests = pairs.groupby(LOOK)["source_id"].transform("size").to_numpy()
    shares = {arm: pairs[f"n_lost_{arm}"] / pairs[f"n_units_{arm}"] for arm in ("baseline", "treatment")}
    difference = (shares["treatment"] - shares["baseline"]).abs()
    threshold = inputs.limit("event_loss_p", pairs["experiment_id"]) / n_tests
    large = difference >= inputs.limit("event_loss_difference", pairs["experiment_id"])
    fails = (p < threshold) & large
    severe = fails & (difference >= inputs.limit("event_loss_difference_error", pairs["experiment_id"]))
    worst = worst_at_looks(
        inputs,
        pairs.assign(
            **{f"share_{arm}": share for arm, share in shares.items()},
            p_value=p,
            threshold=threshold,
            difference=difference,
            fails=fails,
            severe=severe,
            badness=difference.fillna(0) + severe,
        ),
    )
    is_severe = worst["severe"].astype("boolean").fillna(False).astype(bool)
    messages = [
        f"units without an event of {row.source_id}{_window(row.window_days_treatment)}: {row.share_treatment:.2%} of"
        f" {row.variant_id_treatment}, {row.share_baseline:.2%} of {row.variant_id_baseline}, sequential p"
        f" {row.p_value:.4g} (fails below {row.threshold:.2g}, and if they differ by"
        f" {inputs.thresholds[row.experiment_id].event_loss_difference:.2%} of units)"
        + and_others(row.n_failing, "comparison")
        if not np.isnan(row.p_value)
        else IDLE
        for row in worst.itertuples()
    ]
    return worst.assign(
        severity=np.where(is_severe, "error", "warning"),
        passed=~worst["fails"],
        statistic=worst["difference"],
        message=messages,
    )


def _usable(coverage: pd.DataFrame) -> pd.DataFrame:
    """Rows that were computed: a source's units are counted whole or not at all."""
    counts = ["n_units", "n_with_event", "n_not_computed", "window_days"]
    coverage = coverage.astype(dict.fromkeys(counts, "float64"))
    return coverage[coverage["n_not_computed"] == 0]


def _window(days: float) -> str:
    return " since exposure" if np.isnan(days) else f" within {days:.0f} days of exposure"
