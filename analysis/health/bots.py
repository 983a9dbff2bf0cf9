"""Units with more events in a day than a person has: how many, in which arm, and what of each metric they bring.

The limit (`bot_daily_events`) is a fact about the product, so there is no default. A bot is told by the whole window of
the metric: its busiest day in it, all events of the metric's source counted.
"""

from typing import Any

import numpy as np
import pandas as pd

from analysis.health.arm_pairs import arm_pairs
from analysis.health.inputs import HealthInputs, and_others, worst_at_looks
from analysis.statistics.event_loss import anytime_loss_p

UNITS_JUDGED = 1_000
"""Units of an arm before its share of bots, or theirs of a metric, is judged."""

KEY = ["experiment_id", "metric_id", "as_of_date"]
SERIES = ["experiment_id", "metric_id", "variant_id"]


def bots(inputs: HealthInputs) -> pd.DataFrame:
    """`bots`: more than a share of an arm's units are bots, they bring too much of a metric, or arms differ; warns."""
    probes = _probes(inputs)
    arms, pairs = _judged_arms(inputs, probes), _judged_pairs(inputs, probes)
    worst = worst_at_looks(inputs, pd.concat([arms, pairs], ignore_index=True))
    carried = _carried(inputs.at_looks(arms))
    messages = [
        _message(row, inputs.thresholds[row.experiment_id].bot_daily_events, carried) for row in worst.itertuples()
    ]
    return worst.assign(severity="warning", passed=~worst["fails"], message=messages)


def _probes(inputs: HealthInputs) -> pd.DataFrame:
    """Units and bots of each arm and metric, with what bots bring as a share of the arm's total."""
    probes, moments = inputs.data.metric_probes, inputs.data.moments
    probes = probes[(probes["probe"] == "bots") & (probes["n_not_computed"] == 0)]
    probes = probes.astype(dict.fromkeys(["n_units", "n_found", "total"], "float64"))
    probes = probes[probes["n_units"] > 0]
    totals = moments.loc[moments["segment_name"] == "all", [*KEY, "variant_id", "total"]]
    probes = probes.merge(totals, how="left", on=[*KEY, "variant_id"], suffixes=("", "_of_arm"))
    whole = probes["total_of_arm"].astype("float64")
    return probes.assign(
        share=probes["n_found"] / probes["n_units"], carried=probes["total"] / whole.where(whole > 0)
    ).sort_values([*SERIES, "as_of_date"], ignore_index=True)


def _judged_arms(inputs: HealthInputs, probes: pd.DataFrame) -> pd.DataFrame:
    limits = {name: inputs.limit(name, probes["experiment_id"]) for name in ("bot_share", "bot_metric_share")}
    is_judged = probes["n_units"] >= UNITS_JUDGED
    excess = probes["share"] / np.maximum(limits["bot_share"], 1e-9)
    excess_carried = (probes["carried"] / np.maximum(limits["bot_metric_share"], 1e-9)).fillna(0)
    is_carried = excess_carried > excess
    return probes.assign(
        statistic=np.where(is_carried, probes["carried"], probes["share"]),
        threshold=np.where(is_carried, limits["bot_metric_share"], limits["bot_share"]),
        fails=is_judged & (np.maximum(excess, excess_carried) > 1),
        badness=np.maximum(excess, excess_carried).where(is_judged, 0),
        baseline_id="",
    )


def _judged_pairs(inputs: HealthInputs, probes: pd.DataFrame) -> pd.DataFrame:
    """Each treatment against its baseline: bots among the units of each day, tested as lost events are."""
    is_open = probes["metric_id"].map({id_: metric.window is None for id_, metric in inputs.metrics.items()})
    before = probes.groupby(SERIES, sort=False)[["n_units", "n_found"]].shift(fill_value=0)
    new = probes["n_found"] - before["n_found"]
    # With a window, units that matured on the day are judged for good; without one, any that was no bot may become one.
    own = (probes["n_units"] - before["n_units"]).where(~is_open.astype(bool), probes["n_units"] - before["n_found"])
    own = own.clip(lower=0)
    probes = probes.assign(own_units=own, own_found=np.minimum(new.clip(lower=0), own))
    changing = [id_ for id_, one in inputs.experiments.items() if one.changes_weights or one.bandit]
    probes = probes[~(is_open.astype(bool) & probes["experiment_id"].isin(changing))]
    pairs = arm_pairs(probes, inputs.experiments, KEY)
    by_treatment = ["experiment_id", "metric_id", "variant_id_treatment"]
    pairs = pairs.sort_values([*by_treatment, "as_of_date"], ignore_index=True)
    p = anytime_loss_p(
        (pairs["own_found_baseline"], pairs["own_found_treatment"]),
        (pairs["own_units_baseline"], pairs["own_units_treatment"]),
        pairs.groupby(by_treatment, sort=False).ngroup().to_numpy(),
    )
    family = {id_: len(one.treatments) * len(one.metrics.roles) for id_, one in inputs.experiments.items()}
    sizes = pairs["experiment_id"].map(family).to_numpy(dtype=float)
    threshold = inputs.limit("bot_difference_p", pairs["experiment_id"]) / sizes
    return pd.DataFrame(
        {
            **{column: pairs[column] for column in KEY},
            "variant_id": pairs["variant_id_treatment"],
            "baseline_id": pairs["variant_id_baseline"],
            "n_units": pairs["n_units_treatment"],
            "n_found": pairs["n_found_treatment"],
            "share": pairs["share_treatment"],
            "baseline_share": pairs["share_baseline"],
            "statistic": pairs["share_treatment"] - pairs["share_baseline"],
            "p_value": p,
            "threshold": threshold,
            "fails": p < threshold,
            "badness": np.where(p < threshold, 1.0, -1.0),
        }
    )


def _carried(arms: pd.DataFrame) -> dict[tuple[Any, ...], str]:
    """What bots bring of each metric, largest first, by look and arm."""
    arms = arms[(arms["n_found"] > 0) & arms["carried"].notna()].sort_values("carried", ascending=False, kind="stable")
    found: dict[tuple[Any, ...], list[str]] = {}
    for row in arms.itertuples():
        key = (row.experiment_id, row.as_of_date, row.variant_id)
        found.setdefault(key, []).append(f"{row.carried:.1%} of {row.metric_id}")
    return {key: ", ".join(parts) for key, parts in found.items()}


def _message(row: Any, limit: int | None, carried: dict[tuple[Any, ...], str]) -> str:
    if limit is None:
        return "not tested: no `health.bot_daily_events` says how many events a day no person has"
    if np.isnan(row.share):
        return "no unit has been exposed for a whole window yet"
    text = f"{row.n_found:,.0f} of {row.n_units:,.0f} units of {row.variant_id} ({row.share:.2%}"
    text += f", {row.baseline_share:.2%} of {row.baseline_id}" if row.baseline_id else ""
    text += f") had more than {limit:,} events in a day of the window of {row.metric_id}"
    brought = carried.get((row.experiment_id, row.as_of_date, row.variant_id))
    text += f", and bring {brought}" if brought else ""
    if row.baseline_id:
        return f"{text}: arms differ, sequential p {row.p_value:.4g} (warns below {row.threshold:.2g})" + and_others(
            row.n_failing, "comparison"
        )
    is_share = row.statistic == row.share
    what = "of units" if is_share else "of a metric"
    return f"{text} (warns above {row.threshold:.2%} {what})" + and_others(row.n_failing, "comparison")
