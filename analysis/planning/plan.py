"""How many units an experiment needs, how long that takes, and what it can find in the time planned.

Levels and powers are those that the decision rule asks of each test (`analysis.planning.planned_tests`), sample
sizes those of the method of analysis: sequential methods need more units at most, and often stop before.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import ndtri

from analysis.clusters.intracluster import Intracluster
from analysis.planning.methods import SequentialPower, sequential_power
from analysis.planning.planned_tests import planned_tests
from analysis.statistics.power import mean_detectable_effect, mean_power, mean_sample_size
from configs.schema import Experiment, Metric

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


CURVE_COLUMNS = {
    "metric_id": "str",
    "role": "str",
    "variant_id": "str",
    "n_total": "float64",
    "days": "float64",
    "power": "float64",
    "planned_power": "float64",
}
CURVE_POINTS = 60


def plan(
    experiment: Experiment, metrics: Mapping[str, Metric], history: pd.DataFrame, units_per_day: float
) -> pd.DataFrame:
    """A row per metric and treatment: units and days needed, and what the planned duration can find.

    `history` has metric_id, mean, variance (of a unit; linearised for a ratio, the asymptotic q(1 − q)/f² for a
    quantile) and variance_reduction (share that covariates take away, 0 for none). `units_per_day` new units enter
    the experiment. n are units per arm, whole; `exposure_days` until they are in, `days` until their windows have
    passed too. `detectable_effect` is the smallest effect found with `power` in the planned duration; for a test
    of a margin the smallest margin.
    """
    tests = _Tests(experiment, metrics, history, units_per_day)
    frame = tests.frame.assign(**tests.needed())
    frame = frame.assign(**tests.in_planned_days())
    frame["status"], frame["reason"] = _status(frame, tests.clusters)
    return frame[list(PLAN_COLUMNS)].astype(PLAN_COLUMNS)


def power_curves(
    experiment: Experiment, metrics: Mapping[str, Metric], history: pd.DataFrame, units_per_day: float
) -> pd.DataFrame:
    """The chance of each test to find its planned effect after up to twice the planned days, or the needed ones.

    A row per metric, treatment and day, `CURVE_COLUMNS`; a comparison without a planned effect has none.
    `planned_power` is the one it is planned for. Of a sequential method the chance to have found it by then.
    """
    tests = _Tests(experiment, metrics, history, units_per_day)
    longest = np.nanmax(np.append(tests.needed()["exposure_days"], tests.planned_days))
    days = np.unique(np.linspace(1, 1.2 * max(longest, tests.planned_days), CURVE_POINTS))
    curves = [
        tests.frame.assign(n_total=units_per_day * day, days=day, planned_power=tests.frame["power"]).assign(
            power=tests.power_at(np.full(len(tests.frame), units_per_day * day))
        )
        for day in days
    ]
    frame = pd.concat(curves, ignore_index=True).dropna(subset=["power"])
    return frame.sort_values(["metric_id", "variant_id", "days"], ignore_index=True)[list(CURVE_COLUMNS)].astype(
        CURVE_COLUMNS
    )


class _Tests:
    """The planned tests with their variances and the power of the experiment's method."""

    def __init__(
        self, experiment: Experiment, metrics: Mapping[str, Metric], history: pd.DataFrame, units_per_day: float
    ) -> None:
        if not units_per_day > 0:
            raise ValueError(f"units_per_day must be positive, not {units_per_day:g}")
        frame = planned_tests(experiment, metrics).merge(
            history.drop_duplicates("metric_id"), how="left", on="metric_id"
        )
        frame["planned_effect"] = _planned_effect(frame)
        self.frame, self.units_per_day = frame, units_per_day
        self.variances = _variances(frame, adjusted=experiment.analysis.covariate_adjustment)
        self.clusters = _clusters(frame, is_clustered=experiment.cluster is not None)
        self.planned_days = (experiment.end - experiment.start).days + 1
        self.alpha, self.sides = frame["alpha"].to_numpy(dtype=float), frame["sides"].to_numpy()
        self.share_b, self.share_t = (frame[f"share_{arm}"].to_numpy(dtype=float) for arm in ("baseline", "treatment"))
        both = self.share_b + self.share_t
        self.sequential: SequentialPower | None = sequential_power(
            experiment, self.alpha, self.sides, both, self.planned_days
        )

    def needed(self) -> dict[str, Floats]:
        """Units and days that the planned effect needs at the planned power."""
        effect, power = self.frame["planned_effect"].to_numpy(), self.frame["power"].to_numpy()
        with np.errstate(divide="ignore", invalid="ignore"):
            if self.sequential is None:
                ratio = self.share_t / self.share_b
                n_b = mean_sample_size(
                    effect, *self.variances, self.alpha, power, treatment_per_baseline=ratio, sides=self.sides
                )
                total = n_b / self.share_b
            else:
                both = self.share_b + self.share_t
                total = self.sequential.needed(effect / self._deviation() / np.sqrt(both), power) / both
            if self.clusters is not None:
                total = self.clusters.units_for(total)
                total = np.where(np.isinf(total), np.nan, total)
            exposure_days = np.ceil(total / self.units_per_day)
        return {
            "n_baseline": np.ceil(total * self.share_b),
            "n_treatment": np.ceil(total * self.share_t),
            "n_total": np.ceil(total),
            "exposure_days": exposure_days,
            "days": exposure_days + self.frame["window_days"].to_numpy(),
        }

    def power_at(self, total: Floats) -> Floats:
        """The chance to find the planned effect with this many units of all arms together."""
        total = self._worth(total)
        effect, n_b, n_t = self.frame["planned_effect"].to_numpy(), total * self.share_b, total * self.share_t
        if self.sequential is None:
            return mean_power(effect, *self.variances, n_b, n_t, self.alpha, self.sides)
        with np.errstate(divide="ignore", invalid="ignore"):
            return self.sequential.at(effect / self._deviation() * np.sqrt(total), n_b + n_t)

    def in_planned_days(self) -> dict[str, Floats | int]:
        """What the planned duration gives: power for the planned effect, and the effect found with planned power."""
        total = np.full(len(self.frame), self.units_per_day * self.planned_days)
        worth = self._worth(total)
        n_b, n_t = worth * self.share_b, worth * self.share_t
        power, mean = self.frame["power"].to_numpy(), self.frame["mean"].abs().to_numpy()
        if self.sequential is None:
            detectable = mean_detectable_effect(*self.variances, n_b, n_t, self.alpha, power, self.sides)
        else:
            drift = self.sequential.drift_for(np.where(self._deviation() > 0, power, np.nan), n_b + n_t)
            detectable = drift * self._deviation() / np.sqrt(worth)
        with np.errstate(divide="ignore", invalid="ignore"):
            relative = np.where(mean > 0, detectable / mean, np.nan)
        return {
            "planned_days": self.planned_days,
            "planned_power": self.power_at(total),
            "detectable_effect": detectable,
            "detectable_effect_relative": relative,
            "planned_effect_relative": self.frame["planned_effect"].to_numpy() / np.where(mean > 0, mean, np.nan),
        }

    def _worth(self, total: Floats) -> Floats:
        """How many independent units so many are worth."""
        return total if self.clusters is None else total / self.clusters.design_effect(total)

    def _deviation(self) -> Floats:
        """Standard error of the effect times the root of the units of all arms together."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.sqrt(self.variances[0] / self.share_b + self.variances[1] / self.share_t)


def _clusters(frame: pd.DataFrame, *, is_clustered: bool) -> Intracluster | None:
    """How units are alike by cluster, an entry a row; None where they are independent."""
    names = ("intracluster_correlation", "n_clusters", "unevenness")
    if not is_clustered:
        return None
    return Intracluster(*frame.reindex(columns=list(names)).to_numpy(dtype=float).T)


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
    moving = np.where(is_relative_margin, frame["sign"] * frame["relative"] * np.sign(frame["mean"]), 0.0)
    is_level = frame["level"].notna()
    reduction = frame["variance_reduction"].fillna(0.0) if adjusted else 0.0
    left = np.where(is_level, 1.0, 1 - reduction)
    # Of -(1 - m)·ȳ + θ'x̄: covariates explain the effect's part, the margin moves with the raw mean.
    baseline = ((1 - 2 * moving) * left + moving**2) * history
    treatment = np.where(is_level & frame["is_share"], _share_level_variance(frame), treatment * left)
    return np.where(is_level, 0.0, baseline), treatment


def _share_level_variance(frame: pd.DataFrame) -> Floats:
    """The variance with which a t test needs as many units as the binomial test of a share against its level.

    ((z_α·σ₀ + z_β·σ₁)/(z_α + z_β))², σ₀ at the level and σ₁ at the share expected; exact for normal tails, at
    the power planned for.
    """
    level, share = (frame[name].where(frame["is_share"]).to_numpy() for name in ("level", "mean"))
    z_alpha, z_beta = -ndtri(frame["alpha"].to_numpy()), ndtri(frame["power"].to_numpy())
    spread = z_alpha * np.sqrt(level * (1 - level)) + z_beta * np.sqrt(share * (1 - share))
    return np.asarray((spread / (z_alpha + z_beta)) ** 2)


def _status(frame: pd.DataFrame, clusters: Intracluster | None) -> tuple[Floats, Floats]:
    """Why a row has no sample size: the first that applies. Of clusters what the size stands on, where there is one."""
    no_effect = frame["relative"].isna() & frame["absolute"].isna() & frame["level"].isna()
    absent = (frame["share_baseline"] <= 0) | (frame["share_treatment"] <= 0)
    found = [
        (~frame["has_mean"], "no_planning_effect", "categories have no mean, and no effect of it to plan for"),
        (frame["mean"].isna() | frame["variance"].isna(), "no_history", "no mean and variance from history"),
        (absent, "no_traffic", "an arm gets no units"),
        (frame["power"].isna(), "impossible_power", "1 − power is not above α/2: no sample size reaches it"),
        (no_effect, "no_planning_effect", "set analysis.minimum_detectable_effect, or the margin"),
        (frame["planned_effect"].isna(), "no_distance", "the baseline is 0, or beyond the level already"),
        (frame["variance"] == 0, "zero_variance", "history does not vary"),
    ]
    default: list[str] = [""] * len(frame)
    if clusters is not None:
        units = frame["n_total"].to_numpy(dtype=float)
        found += [
            (np.isnan(clusters.correlation), "no_history", "no intracluster correlation: give --intracluster"),
            (
                np.isnan(units),
                "too_few_clusters",
                "no number of units in these clusters is enough: it takes more of them",
            ),
        ]
        default = [
            f"design effect {effect:.3g}: correlation {correlation:.3g} in {number:.0f} clusters"
            for effect, correlation, number in zip(
                clusters.design_effect(units),
                np.asarray(clusters.correlation),
                np.asarray(clusters.clusters),
                strict=True,
            )
        ]
    conditions = [np.asarray(condition, dtype=bool) for condition, _, _ in found]
    status = np.select(conditions, [name for _, name, _ in found], "ok")
    return status, np.select(conditions, [reason for _, _, reason in found], np.array(default, dtype=object))
