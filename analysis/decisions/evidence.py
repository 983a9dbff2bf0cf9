"""What a decision rule reads of one experiment at one as-of date."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

import pandas as pd

from analysis.completeness import INCOMPLETE, headline
from analysis.periods import as_days
from analysis.scorecard import ESTIMATED_STATUSES, SKEWED, SKEWED_MARGIN
from configs.schema import Experiment, Metric

NAN = math.nan
NUMBERS = (
    "n_baseline",
    "n_treatment",
    "baseline_mean",
    "effect",
    "effect_se",
    "effect_se_pooled",
    "ci_low",
    "ci_high",
    "ci_low_adjusted",
    "ci_high_adjusted",
    "effect_relative",
    "p_value",
    "p_value_adjusted",
    "p_value_non_inferiority",
    "p_value_deterioration",
    "margin",
    "probability_better",
    "expected_loss",
    "expected_loss_relative",
    "is_futile",
)
TEXTS = ("metric_id", "variant_id", "status", "reason", "margin_type")


@dataclass(frozen=True)
class Comparison:
    """A metric of a treatment against the baseline; a number that does not exist is NaN.

    `sign` is +1 where an increase is better, else −1; `is_quantile` says that standard errors are half an interval's
    width over its normal quantile. `is_futile` is 1 where a sequential test has crossed its
    futility bound.
    """

    metric_id: str
    label: str
    role: str
    variant_id: str
    sign: int
    status: str
    reason: str
    n_baseline: float = NAN
    n_treatment: float = NAN
    baseline_mean: float = NAN
    effect: float = NAN
    effect_se: float = NAN
    effect_se_pooled: float = NAN
    ci_low: float = NAN
    ci_high: float = NAN
    ci_low_adjusted: float = NAN
    ci_high_adjusted: float = NAN
    effect_relative: float = NAN
    p_value: float = NAN
    p_value_adjusted: float = NAN
    p_value_non_inferiority: float = NAN
    p_value_deterioration: float = NAN
    margin: float = NAN
    probability_better: float = NAN
    expected_loss: float = NAN
    expected_loss_relative: float = NAN
    is_futile: float = NAN
    margin_type: str = ""
    is_quantile: bool = False

    @property
    def is_computed(self) -> bool:
        """Whether the effect's inference stands: a p-value, or a posterior probability."""
        has_inference = math.isfinite(self.p_value) or math.isfinite(self.probability_better)
        return self.status in ESTIMATED_STATUSES and has_inference

    @property
    def is_skewed(self) -> bool:
        """Whether the tails of the effect's tests are off."""
        return SKEWED in self.reason

    @property
    def is_margin_skewed(self) -> bool:
        """Whether the test of its margin may pass too often."""
        return SKEWED_MARGIN in self.reason

    @property
    def plain_reason(self) -> str:
        """Why there is no result, without paths and errors of file readers."""
        return headline(self.reason) if self.status == INCOMPLETE else self.reason

    @property
    def improvement_bound(self) -> float:
        """The adjusted bound of the effect nearest to harm, positive if even that is an improvement."""
        return self.ci_low_adjusted if self.sign > 0 else -self.ci_high_adjusted

    @property
    def plain_improvement_bound(self) -> float:
        """The unadjusted bound of the effect nearest to harm, positive if even that is an improvement."""
        return self.ci_low if self.sign > 0 else -self.ci_high


@dataclass(frozen=True)
class FailedCheck:
    """A health check that makes the experiment invalid."""

    name: str
    message: str
    statistic: float
    threshold: float


@dataclass(frozen=True)
class Alarm:
    """A metric that the rollback monitor has found worse: the smallest p-value so far, and its level."""

    metric_id: str
    variant_id: str
    p_value: float
    level: float


@dataclass(frozen=True)
class Evidence:
    """An experiment with its comparisons at `as_of`, by metric and treatment, and its failed checks.

    `is_checked` says whether any health check was computed: absence of evidence never passes. `alarms` are the
    (metric, treatment) that the rollback monitor has found worse by `as_of`.
    """

    experiment: Experiment
    as_of: date
    comparisons: Mapping[tuple[str, str], Comparison]
    failed_checks: tuple[FailedCheck, ...]
    is_checked: bool
    alarms: tuple[Alarm, ...] = ()

    def of_role(self, role: str, variant_id: str) -> list[Comparison]:
        """The comparisons of one treatment in metrics of one role, in the configured order."""
        roles = self.experiment.metrics.roles
        return [self.comparisons[id_, variant_id] for id_ in roles if roles[id_] == role]


class EvidenceFrames:
    """The scorecard and the health checks, indexed by experiment and as-of date."""

    def __init__(self, scorecard: pd.DataFrame, health: pd.DataFrame, monitor: pd.DataFrame) -> None:
        """Keep whole-population rows of the scorecard, what fails gravely, and the monitor's alarms."""
        whole = scorecard.assign(as_of_date=as_days(scorecard["as_of_date"]))
        whole = whole[whole["segment_name"] == "all"]
        self._rows_at = whole.groupby(["experiment_id", "as_of_date"]).indices
        whole = whole.reindex(columns=[*whole.columns, *(set(NUMBERS + TEXTS) - set(whole.columns))])
        text = {name: whole[name].tolist() for name in TEXTS}
        numbers = {name: whole[name].astype("float64").tolist() for name in NUMBERS}
        self._columns: dict[str, list[Any]] = text | numbers
        self._days = whole.groupby("experiment_id")["as_of_date"].unique().map(sorted).to_dict()
        health = health.assign(as_of_date=as_days(health["as_of_date"]))
        self._checked = set(zip(health["experiment_id"], health["as_of_date"], strict=True))
        failed = ~health["passed"].fillna(False).astype(bool) & (health["severity"] == "error")
        self._failed: dict[tuple[str, pd.Timestamp], list[FailedCheck]] = {}
        for row in health[failed].itertuples():
            check = FailedCheck(row.check_name, row.message, row.statistic, getattr(row, "threshold", NAN))
            self._failed.setdefault((row.experiment_id, row.as_of_date), []).append(check)

        self._alarms: dict[tuple[str, pd.Timestamp], list[Alarm]] = {}
        alarmed = monitor[monitor["is_harmful"].fillna(False).astype(bool)]
        for row in alarmed.itertuples():
            alarm = Alarm(row.metric_id, row.variant_id, row.p_value, row.level)
            self._alarms.setdefault((row.experiment_id, row.as_of_date), []).append(alarm)

    def scored_days(self, experiment_id: str) -> list[date]:
        """The as-of dates with scorecard rows, in order."""
        return [day.date() for day in self._days.get(experiment_id, [])]

    def has_alarm(self, experiment_id: str, as_of: date) -> bool:
        """Whether the rollback monitor has found harm by an as-of date."""
        return (experiment_id, _timestamp(as_of)) in self._alarms

    def at(self, experiment: Experiment, metrics: Mapping[str, Metric], as_of: date) -> Evidence:
        """All there is on an experiment at an as-of date; a comparison without a row has status `missing`."""
        key = (experiment.id, _timestamp(as_of))
        found = {}
        for position in self._rows_at.get(key, ()):
            row = {name: values[position] for name, values in self._columns.items()}
            found[row["metric_id"], row["variant_id"]] = row
        comparisons = {
            (metric_id, variant.id): _comparison(
                metrics[metric_id], role, variant.id, found.get((metric_id, variant.id))
            )
            for metric_id, role in experiment.metrics.roles.items()
            for variant in experiment.treatments
        }
        failed = tuple(self._failed.get(key, ()))
        alarms = tuple(self._alarms.get(key, ()))
        return Evidence(experiment, as_of, comparisons, failed, key in self._checked, alarms)


def _timestamp(day: date) -> pd.Timestamp:
    return pd.Timestamp(day).as_unit("us")


def _comparison(metric: Metric, role: str, variant_id: str, row: Mapping[str, Any] | None) -> Comparison:
    named: dict[str, Any] = {
        "metric_id": metric.id,
        "label": metric.label or metric.id,
        "role": role,
        "variant_id": variant_id,
        "is_quantile": metric.type == "quantile",
    }
    sign = 1 if metric.direction == "increase" else -1
    if row is None:
        return Comparison(**named, sign=sign, status="missing", reason="the scorecard has no row for it")
    texts = {name: row[name] if isinstance(row[name], str) else "" for name in ("status", "reason", "margin_type")}
    return Comparison(**(named | texts), sign=sign, **{name: row[name] for name in NUMBERS})
