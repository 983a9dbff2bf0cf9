"""Exposure checks: units seen in several variants, and arms without units."""

from datetime import date
from typing import Any

import numpy as np
import pandas as pd

from analysis.health.inputs import HealthInputs
from analysis.health.ratio_tests import ratio_tests
from analysis.health.thresholds import MIXED_CONCENTRATION
from configs.schema import HealthThresholds

Row = dict[str, Any]


def mixed_exposures(inputs: HealthInputs) -> list[Row]:
    """`mixed_exposures`: how many units were seen in several variants, and if that differs by first variant.

    If it does not, mixed units split by first variant as the configured weights say; the sequential test of
    that split may be looked at daily.
    """
    counts = _whole_population(inputs)
    mixed = ratio_tests(counts.assign(units=counts["n_mixed_excluded"]), inputs.experiments, MIXED_CONCENTRATION)
    totals = counts.assign(units=counts["n_units"] + counts["n_mixed_excluded"])
    totals = totals.groupby(["experiment_id", "as_of_date"])["units"].sum()
    exposed = totals.reindex(pd.MultiIndex.from_frame(mixed.rows[["experiment_id", "as_of_date"]])).to_numpy()
    rows = []
    for look, n_exposed in zip(mixed.rows.itertuples(), exposed, strict=True):
        experiment = inputs.experiments[str(look.experiment_id)]
        if look.as_of_date.date() not in inputs.days[experiment.id]:
            continue
        n_mixed = mixed.observed[look.Index].sum()
        by_arm = ", ".join(
            f"{variant.id} {units:,.0f}"
            for variant, units in zip(experiment.variants, mixed.observed[look.Index], strict=False)
        )
        share = n_mixed / n_exposed if n_exposed else np.nan
        judged = _judge_mixing(inputs.thresholds[experiment.id], share, look.anytime_p)
        detail = f"{n_mixed:,.0f} of {n_exposed:,.0f} units were seen in several variants"
        if n_mixed:
            detail += f" ({share:.2%}; by first variant: {by_arm})"
        rows.append(
            {
                "as_of_date": look.as_of_date,
                "experiment_id": experiment.id,
                "statistic": share,
                "p_value": look.anytime_p,
                **judged,
                "message": f"{detail}: {judged['message']}",
            }
        )
    return rows


def _judge_mixing(limits: HealthThresholds, share: float, p_value: float) -> Row:
    fails, warns = f"fails from {limits.mixed_share_error:.0%}", f"warns from {limits.mixed_share_warning:.0%}"
    severity, passed, threshold, message = "error", True, limits.mixed_share_warning, warns
    if p_value < limits.mixed_difference_p:
        passed, threshold = False, limits.mixed_difference_p
        message = (
            f"their first variants are not split as configured (sequential p {p_value:.4g}, fails below"
            f" {limits.mixed_difference_p:g}), so leaving them out biases the comparison"
        )
    elif share >= limits.mixed_share_error:
        passed, threshold, message = False, limits.mixed_share_error, fails
    elif share >= limits.mixed_share_warning:
        severity, passed, message = "warning", False, f"{warns}, {fails}"
    return {"severity": severity, "passed": passed, "threshold": threshold, "message": message}


def no_exposures(inputs: HealthInputs) -> list[Row]:
    """`no_exposures`: an arm of positive weight without units.

    It is an error unless chance explains it: the p-value is the chance that so small an arm is still empty.
    """
    counts = _whole_population(inputs)
    counts = counts.assign(units=counts["n_units"] + counts["n_mixed_excluded"])
    key = ["experiment_id", "as_of_date"]
    in_epoch = counts.groupby([*key, "epoch"])["units"].transform("sum")
    with np.errstate(divide="ignore", invalid="ignore"):
        log_chance = np.where(in_epoch > 0, in_epoch * np.log1p(-counts["weight"]), 0.0)
    arms = counts.assign(log_chance=log_chance).groupby([*key, "variant_id"], as_index=False)
    arms = arms.agg(units=("units", "sum"), weight=("weight", "max"), log_chance=("log_chance", "sum"))
    looks: dict[tuple[str, date], list[Any]] = {}
    for arm in arms.itertuples():
        looks.setdefault((str(arm.experiment_id), arm.as_of_date.date()), []).append(arm)
    return [
        {"as_of_date": day, "experiment_id": id_} | _judge_absence(looked, inputs.thresholds[id_].absent_arm_p)
        for (id_, day), looked in looks.items()
        if day in inputs.days[id_]
    ]


def _judge_absence(arms: list[Any], limit: float) -> Row:
    empty = [arm for arm in arms if arm.units == 0 and arm.weight > 0]
    n_units = sum(arm.units for arm in arms)
    row: Row = {
        "severity": "error",
        "passed": not empty,
        "statistic": float(len(empty)),
        "threshold": 0.0,
    }
    if not empty:
        return row | {"message": f"every arm of positive weight has units, {n_units:,} in all"}
    if n_units == 0:
        return row | {"message": "no unit has been exposed: check that the experiment is on and logs exposures"}
    chance = float(np.exp(min(arm.log_chance for arm in empty)))
    listed = ", ".join(sorted(arm.variant_id for arm in empty))
    message = f"no unit in {listed} among {n_units:,} (chance {chance:.2g}, an error below {limit:g})"
    severity = "error" if chance < limit else "warning"
    return row | {"severity": severity, "p_value": chance, "threshold": limit, "message": message}


def _whole_population(inputs: HealthInputs) -> pd.DataFrame:
    return inputs.epoch_counts[inputs.epoch_counts["segment_name"] == "all"]
