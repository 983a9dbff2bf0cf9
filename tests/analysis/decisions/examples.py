"""A scorecard as estimates and standard errors, and what decides on it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from math import exp, pi, sqrt
from typing import Any

import pandas as pd
from scipy.special import ndtr, ndtri

from analysis.decisions import decisions
from analysis.scorecard import ESTIMATED_STATUSES, SCORECARD_COLUMNS
from configs.schema import Experiment, Metric

START, END = date(2026, 9, 1), date(2026, 9, 14)
DUE = END + timedelta(days=7)
BASELINE_MEAN = 10.0
METRICS = {
    "conversion": Metric(id="conversion", label="Conversion", type="proportion", source="s", event="e",
                         window={"end_days": 7}),
    "revenue": Metric(id="revenue", label="Revenue", type="mean", aggregate="count", source="s", event="e"),
    "visits": Metric(id="visits", label="Visits", type="mean", aggregate="count", source="s", event="e"),
    "latency": Metric(id="latency", label="Latency", type="mean", aggregate="count", source="s", event="e",
                      direction="decrease"),
    "tickets": Metric(id="tickets", label="Tickets", type="proportion", source="s", event="e",
                      direction="decrease"),
}  # fmt: skip


def make_experiment(
    *,
    primary: Sequence[str] = ("conversion",),
    secondary: Sequence[str] = (),
    guardrail: Sequence[str] = (),
    treatments: Sequence[str] = ("b",),
    rule: str = "risk_aware",
    **analysis: Any,
) -> Experiment:
    """1 to 14 September; due on the 21st when conversion, with its 7 days, is among the metrics."""
    if analysis.get("method") == "group_sequential":
        analysis = {"group_sequential": {"planned_units": 20_000}} | analysis
    weight = 1 / (len(treatments) + 1)
    return Experiment(
        id="banner",
        start=START,
        end=END,
        exposure_source="web",
        variants=[
            {"id": "a", "weight": weight, "baseline": True},
            *({"id": name, "weight": weight} for name in treatments),
        ],
        metrics={
            "primary": primary,
            "secondary": secondary,
            "guardrail": [{"metric": id_, "non_inferiority_margin": 0.05} for id_ in guardrail],
        },
        analysis={"minimum_days": 7, "minimum_units": 1000} | analysis,
        decision={"rule": rule},
    )


@dataclass(frozen=True)
class Result:
    """What was observed of a metric in a treatment: effect and standard error, in the metric's unit."""

    effect: float
    se: float = 0.1
    n: int = 5_000
    status: str = "ok"
    margin: float = 0.5
    is_futile: bool = False
    reason: str = ""


@dataclass(frozen=True)
class Case:
    """An experiment with its results by (metric, treatment) at the deciding date; `extra` columns overwrite."""

    experiment: Experiment
    results: Mapping[tuple[str, str], Result]
    failed_check: str | None = None
    as_of: date = DUE
    extra: Mapping[str, float] = field(default_factory=dict)

    def scorecard(self) -> pd.DataFrame:
        """The rows of the scorecard, by a normal approximation and Bonferroni."""
        rows = [self._row(*key, result) for key, result in self.results.items() if result.status != "missing"]
        return scorecard_frame(rows).assign(**self.extra)

    def _row(self, metric_id: str, variant_id: str, result: Result) -> dict[str, Any]:
        experiment = self.experiment
        alpha, sign = experiment.analysis.alpha, 1 if METRICS[metric_id].direction == "increase" else -1
        role = experiment.metrics.roles[metric_id]
        family = len(getattr(experiment.metrics, role)) * len(experiment.treatments)
        row: dict[str, Any] = {
            "as_of_date": self.as_of,
            "experiment_id": experiment.id,
            "metric_id": metric_id,
            "role": role,
            "variant_id": variant_id,
            "baseline_id": "a",
            "segment_name": "all",
            "segment_value": "all",
            "n_baseline": result.n,
            "n_treatment": result.n,
            "status": result.status,
            "reason": result.reason
            if result.reason or result.status == "ok"
            else "logs of s (2026-09-03) are missing: s 2026-09-03 (failed: /logs/s.csv: no header)",
        }
        if result.status not in ESTIMATED_STATUSES:
            return row
        half, z = result.se * ndtri(1 - alpha / 2 / family), result.effect / result.se
        plain, better = result.se * ndtri(1 - alpha / 2), sign * z
        loss = result.se * (exp(-z * z / 2) / sqrt(2 * pi) - better * ndtr(-better))
        return row | {
            "baseline_mean": BASELINE_MEAN,
            "effect": result.effect,
            "effect_se": result.se,
            "effect_se_pooled": result.se,
            "ci_low": result.effect - plain,
            "ci_high": result.effect + plain,
            "ci_low_adjusted": result.effect - half,
            "ci_high_adjusted": result.effect + half,
            "effect_relative": result.effect / BASELINE_MEAN,
            "p_value": 2 * ndtr(-abs(z)),
            "p_value_non_inferiority": ndtr(-(sign * result.effect + result.margin) / result.se),
            "p_value_deterioration": ndtr(sign * z),
            "margin": result.margin,
            "margin_type": "absolute",
            "is_futile": result.is_futile,
            "probability_better": ndtr(better),
            "expected_loss": loss,
            "expected_loss_relative": loss / BASELINE_MEAN,
        }

    def health(self) -> pd.DataFrame:
        """One check, failed with severity error if `failed_check` names it."""
        name = self.failed_check or "sample_ratio_mismatch"
        row = {
            "as_of_date": self.as_of, "experiment_id": self.experiment.id, "check_name": name,
            "severity": "error", "passed": self.failed_check is None, "statistic": 20.0, "p_value": 1e-5,
            "threshold": 0.001, "message": "a 6,000, b 4,000",
        }  # fmt: skip
        return pd.DataFrame([row])

    def decide(self) -> pd.Series:
        """The decision of the deciding date, its reasons parsed."""
        frame = decisions(self.scorecard(), self.health(), {"banner": self.experiment}, METRICS, [self.as_of])
        assert len(frame) == 1
        row = frame.iloc[0].copy()
        row["reasons"] = json.loads(row["reasons"])
        return row


def scorecard_frame(rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Rows as a scorecard with its published columns and types."""
    frame = pd.DataFrame(rows).reindex(columns=list(SCORECARD_COLUMNS))
    return frame.assign(as_of_date=pd.to_datetime(frame["as_of_date"])).astype(SCORECARD_COLUMNS)
