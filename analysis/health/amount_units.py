"""Amounts in another currency or unit than the measure's, where a source says which column tells.

Such an amount is not counted: it is no amount of this measure. The event itself is, since it happened. So a sum lacks
it, and what that may do to a comparison is for the share of such amounts in each arm to say.
"""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from analysis.completeness import BLOCKED_COLUMNS, INCOMPLETE
from analysis.health.inputs import LOOK, HealthInputs, and_others, worst_at_looks
from analysis.periods import as_days
from configs.schema import HealthThresholds

KEY = [*LOOK, "metric_id"]


def amount_units(inputs: HealthInputs) -> pd.DataFrame:
    """`amount_units`: amounts of a metric are in another unit than the measure's; warns.

    Beyond a larger share the metric is incomplete, and no decision stands on it: see `metrics_in_mixed_units`.
    """
    arms = inputs.at_looks(shares_in_other_units(inputs.data.metric_probes))
    threshold = inputs.limit("other_unit_share", arms["experiment_id"])
    by_arm: dict[tuple[Any, ...], list[str]] = {}
    for row in arms.itertuples():
        counts = f"{row.variant_id} {row.n_found:,.0f} of {row.n_amounts:,.0f}"
        by_arm.setdefault((row.experiment_id, row.as_of_date, row.metric_id), []).append(counts)
    items = arms.assign(threshold=threshold, fails=arms["share"] > threshold, badness=arms["share"])
    worst = worst_at_looks(inputs, items)
    messages = [
        f"{row.share:.2%} of the amounts of {row.metric_id} in {row.variant_id} are in another unit than the measure's"
        f" and are not counted (warns above {row.threshold:.2%}; above"
        f" {inputs.thresholds[row.experiment_id].other_unit_share_incomplete:.2%} the metric is incomplete); by arm:"
        f" {', '.join(by_arm[row.experiment_id, row.as_of_date, row.metric_id])}" + and_others(row.n_failing, "arm")
        if row.share >= 0
        else "no amount yet of a measure that says by which column its unit is told"
        for row in worst.itertuples()
    ]
    return worst.assign(severity="warning", passed=~worst["fails"], statistic=worst["share"], message=messages)


def shares_in_other_units(probes: pd.DataFrame) -> pd.DataFrame:
    """Of each arm and metric with amounts, how many there are (`n_amounts`) and the share in another unit."""
    arms = probes[(probes["probe"] == "other_unit") & (probes["n_not_computed"] == 0)]
    arms = arms.astype(dict.fromkeys(["n_found", "total"], "float64"))
    arms = arms.assign(n_amounts=arms["n_found"] + arms["total"])
    arms = arms[arms["n_amounts"] > 0].sort_values([*KEY, "variant_id"], kind="stable")
    return arms.assign(share=arms["n_found"] / arms["n_amounts"])


def metrics_in_mixed_units(probes: pd.DataFrame, thresholds: Mapping[str, HealthThresholds]) -> pd.DataFrame:
    """Metrics that cannot be compared, with the reason: too many of an arm's amounts are in another unit.

    Columns as of `blocked_metrics`; a row for a metric and as-of date.
    """
    arms = shares_in_other_units(probes)
    limits = {id_: one.other_unit_share_incomplete for id_, one in thresholds.items()}
    arms = arms[arms["share"] > arms["experiment_id"].map(limits).astype("float64")]
    arms = arms.sort_values([*KEY, "share"], kind="stable").drop_duplicates(KEY, keep="last")
    reasons = [
        f"amounts are in other units: {row.n_found:,.0f} of {row.n_amounts:,.0f} in {row.variant_id} ({row.share:.2%},"
        f" at most {limits[row.experiment_id]:.2%}); correct the log, then `equipoise run --from` its first such day"
        for row in arms.itertuples()
    ]
    frame = arms.assign(status=INCOMPLETE, reason=reasons)[BLOCKED_COLUMNS]
    frame = frame.astype(dict.fromkeys(BLOCKED_COLUMNS[1:], "str"))
    return frame.assign(as_of_date=as_days(frame["as_of_date"]))
