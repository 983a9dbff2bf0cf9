"""How many units an experiment needs, how long that takes, and what it can find in the time planned.

Every primary is planned at α/(S·T), every guardrail one-sided at α with no true effect, both at the power
1 − (β − α_d)/(G + 1) that `risk_aware` asks of them; secondaries at their own family's level and plain power.
"""

import math
from collections.abc import Iterator, Mapping
from datetime import timedelta

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import ndtri

from analysis.decisions.levels import deterioration_alpha
from analysis.periods import window_days
from analysis.statistics.power import (
    mean_detectable_effect,
    mean_power,
    mean_sample_size,
    per_test_power,
)
from analysis.statistics.registry import SHARE_TYPES
from configs.schema import Experiment, Guardrail, Metric

Floats = NDArray[np.float64]
PLAN_COLUMNS = {
    "experiment_id": "str",
    "metric_id": "str",
    "role": "str",
    "variant_id": "str",
    "test": "str",
    "mean": "float64",
    "planned_effect": "float64",
    "planned_effect_relative": "float64",
    "alpha": "float64",
    "power": "float64",
    "n_baseline": "float64",
    "n_treatment": "float64",
    "n_total": "float64",
    "exposure_days": "float64",
    "days": "float64",
    "planned_days": "Int64",
    "planned_power": "float64",
    "detectable_effect": "float64",
    "detectable_effect_relative": "float64",
    "status": "str",
    "reason": "str",
}


def plan(
    experiment: Experiment, metrics: Mapping[str, Metric], history: pd.DataFrame, units_per_day: float
) -> pd.DataFrame:
    """A row per metric and treatment: units and days needed, and what the planned duration can find.

    `history` has metric_id, mean, variance (of a unit; linearised for a ratio) and variance_reduction (share that
    covariates take away, 0 for none). `units_per_day` new units enter the experiment. n are units per arm, whole;
    `exposure_days` until they are in, `days` until their windows have passed too. `detectable_effect` is the
    smallest effect found with `power` in the planned duration; for a guardrail the smallest margin.
    """
    if not units_per_day > 0:
        raise ValueError(f"units_per_day must be positive, not {units_per_day:g}")
    frame = pd.DataFrame(_tests(experiment, metrics)).merge(
        history.drop_duplicates("metric_id"), how="left", on="metric_id"
    )
    frame["planned_effect"] = _planned_effect(frame)
    variances = _variances(frame, adjusted=experiment.analysis.covariate_adjustment)
    frame = frame.assign(**_needed(frame, variances, units_per_day))
    frame = frame.assign(**_in_planned_days(frame, variances, units_per_day, experiment))
    frame["status"], frame["reason"] = _status(frame)
    return frame[list(PLAN_COLUMNS)].astype(PLAN_COLUMNS)


def _tests(experiment: Experiment, metrics: Mapping[str, Metric]) -> Iterator[dict[str, object]]:
    """What is tested, at which level and power, and the shares of the arms compared."""
    analysis, listed = experiment.analysis, experiment.metrics
    n_arms, n_guardrails = len(experiment.treatments), len(listed.guardrail)
    decisive = float(per_test_power(analysis.power, deterioration_alpha(experiment), n_guardrails))
    margins = {guardrail.metric: guardrail for guardrail in listed.guardrail}
    shares = _shares(experiment)
    for metric_id, role in listed.roles.items():
        metric, guardrail = metrics[metric_id], margins.get(metric_id)
        family = len(listed.primary if role == "primary" else listed.secondary) * n_arms
        for variant in experiment.treatments:
            yield {
                "experiment_id": experiment.id,
                "metric_id": metric_id,
                "role": role,
                "variant_id": variant.id,
                "test": "superiority" if guardrail is None else "non_inferiority",
                "alpha": analysis.alpha if guardrail else analysis.alpha / family,
                "power": analysis.power if role == "secondary" else decisive,
                "sign": 1.0 if metric.direction == "increase" else -1.0,
                "is_share": metric.type in SHARE_TYPES,
                "window_days": window_days(metric),
                "share_baseline": shares[experiment.baseline.id],
                "share_treatment": shares[variant.id],
                **_planning_effect(analysis.minimum_detectable_effect, guardrail),
            }


def _planning_effect(detectable: float | None, guardrail: Guardrail | None) -> dict[str, float]:
    """The effect to plan for: relative, absolute, or the distance to a level."""
    effect = {"relative": math.nan, "absolute": math.nan, "level": math.nan}
    if guardrail is None:
        return effect | {"relative": math.nan if detectable is None else detectable}
    chosen = {
        "relative": guardrail.non_inferiority_margin,
        "absolute": guardrail.absolute_margin,
        "level": guardrail.level,
    }
    return effect | {name: value for name, value in chosen.items() if value is not None}


def _shares(experiment: Experiment) -> dict[str, float]:
    """Each arm's share of units, averaged over the planned days of a changing allocation."""
    if not experiment.allocation:
        return {variant.id: variant.weight for variant in experiment.variants}
    starts = [epoch.from_ for epoch in experiment.allocation]
    ends = [*starts[1:], experiment.end + timedelta(days=1)]
    days = [(end - start).days for start, end in zip(starts, ends, strict=True)]
    return {
        variant.id: sum(epoch.weights[variant.id] * n for epoch, n in zip(experiment.allocation, days, strict=True))
        / sum(days)
        for variant in experiment.variants
    }


def _planned_effect(frame: pd.DataFrame) -> Floats:
    """The absolute effect to find, or the distance to the margin; NaN if it is 0 or a level is missed already."""
    to_level = frame["sign"] * (frame["mean"] - frame["level"])
    effect = (frame["relative"] * frame["mean"].abs()).fillna(frame["absolute"]).fillna(to_level)
    return effect.where(effect > 0).to_numpy(dtype=float)


def _variances(frame: pd.DataFrame, *, adjusted: bool) -> tuple[Floats, Floats]:
    """Variances of a unit of the baseline and of the treatment, as the test weighs them.

    A share's variance follows from the share the treatment is planned to have. A relative margin moves with
    the baseline, which scales its noise (Kieser & Hauschke 1999); a level has no baseline noise and no use for
    covariates, and a share is held against it under the level's own variance.
    """
    history = frame["variance"].to_numpy(dtype=float)
    lifted = frame["mean"] + (frame["sign"] * frame["planned_effect"]).fillna(0.0)
    is_lifted_share = frame["is_share"] & (frame["test"] == "superiority") & lifted.between(0, 1)
    treatment = np.where(is_lifted_share, lifted * (1 - lifted), history)
    is_relative_margin = (frame["test"] == "non_inferiority") & frame["relative"].notna()
    moving = 1 - frame["sign"] * frame["relative"] * np.sign(frame["mean"])
    baseline = np.where(is_relative_margin, moving**2, 1.0) * history
    is_level = frame["level"].notna()
    reduction = frame["variance_reduction"].fillna(0.0) if adjusted else 0.0
    left = np.where(is_level, 1.0, 1 - reduction)
    treatment = np.where(is_level & frame["is_share"], _share_level_variance(frame), treatment * left)
    return np.where(is_level, 0.0, baseline * left), treatment


def _share_level_variance(frame: pd.DataFrame) -> Floats:
    """The variance with which a t test needs as many units as the binomial test of a share against its level.

    ((z_α·σ₀ + z_β·σ₁)/(z_α + z_β))², σ₀ at the level and σ₁ at the share expected; exact for normal tails, at
    the power planned for.
    """
    level, share = (frame[name].where(frame["is_share"]).to_numpy() for name in ("level", "mean"))
    z_alpha, z_beta = -ndtri(frame["alpha"].to_numpy()), ndtri(frame["power"].to_numpy())
    spread = z_alpha * np.sqrt(level * (1 - level)) + z_beta * np.sqrt(share * (1 - share))
    return np.asarray((spread / (z_alpha + z_beta)) ** 2)


def _needed(frame: pd.DataFrame, variances: tuple[Floats, Floats], units_per_day: float) -> dict[str, Floats]:
    """Units and days that the planned effect needs at the planned power."""
    with np.errstate(divide="ignore", invalid="ignore"):
        n_baseline = mean_sample_size(
            frame["planned_effect"],
            *variances,
            frame["alpha"],
            frame["power"],
            treatment_per_baseline=frame["share_treatment"] / frame["share_baseline"],
            sides=_sides(frame),
        )
        total = n_baseline / frame["share_baseline"].to_numpy()
    exposure_days = np.ceil(total / units_per_day)
    return {
        "n_baseline": np.ceil(n_baseline),
        "n_treatment": np.ceil(total * frame["share_treatment"].to_numpy()),
        "n_total": np.ceil(total),
        "exposure_days": exposure_days,
        "days": exposure_days + frame["window_days"].to_numpy(),
    }


def _in_planned_days(
    frame: pd.DataFrame, variances: tuple[Floats, Floats], units_per_day: float, experiment: Experiment
) -> dict[str, Floats | int]:
    """What the planned duration gives: power for the planned effect, and the effect found with planned power."""
    planned_days = (experiment.end - experiment.start).days + 1
    exposed = units_per_day * planned_days
    n_baseline, n_treatment = (exposed * frame[f"share_{arm}"].to_numpy() for arm in ("baseline", "treatment"))
    detectable = mean_detectable_effect(
        *variances, n_baseline, n_treatment, frame["alpha"], frame["power"], _sides(frame)
    )
    mean = frame["mean"].abs().to_numpy()
    with np.errstate(divide="ignore", invalid="ignore"):
        relative = np.where(mean > 0, detectable / mean, np.nan)
    return {
        "planned_days": planned_days,
        "planned_power": mean_power(
            frame["planned_effect"], *variances, n_baseline, n_treatment, frame["alpha"], _sides(frame)
        ),
        "detectable_effect": detectable,
        "detectable_effect_relative": relative,
        "planned_effect_relative": frame["planned_effect"].to_numpy() / np.where(mean > 0, mean, np.nan),
    }


def _status(frame: pd.DataFrame) -> tuple[Floats, Floats]:
    """Why a row has no sample size: the first that applies."""
    no_effect = frame["relative"].isna() & frame["absolute"].isna() & frame["level"].isna()
    absent = (frame["share_baseline"] <= 0) | (frame["share_treatment"] <= 0)
    found = [
        (frame["mean"].isna() | frame["variance"].isna(), "no_history", "no mean and variance from history"),
        (absent, "no_traffic", "an arm gets no units"),
        (frame["power"].isna(), "impossible_power", "1 − power is not above α/2: no sample size reaches it"),
        (no_effect, "no_planning_effect", "set analysis.minimum_detectable_effect"),
        (frame["planned_effect"].isna(), "no_distance", "the baseline is 0, or beyond the level already"),
        (frame["variance"] == 0, "zero_variance", "history does not vary"),
    ]
    conditions = [np.asarray(condition, dtype=bool) for condition, _, _ in found]
    status = np.select(conditions, [name for _, name, _ in found], "ok")
    return status, np.select(conditions, [reason for _, _, reason in found], "")


def _sides(frame: pd.DataFrame) -> NDArray[np.int64]:
    return np.where(frame["test"] == "superiority", 2, 1)
