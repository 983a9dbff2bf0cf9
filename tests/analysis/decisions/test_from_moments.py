"""From moments through the scorecard to a decision: the two halves agree on columns and statuses."""

import json
from datetime import timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest

from analysis.decisions import decisions
from analysis.decisions.monitor import rollback_monitor
from analysis.scorecard import scorecard
from configs.schema import Experiment, Guardrail
from tests.analysis.decisions.examples import END, METRICS, Case, make_experiment

OPTIONAL = [
    "total", "denominator_mean", "denominator_variance", "denominator_covariance", "covariate_mean",
    "covariate_variance", "covariate_covariance", "no_history_share", "no_history_covariance",
    "covariate_no_history_covariance", "cap_value",
]  # fmt: skip
NOTHING_BLOCKED = pd.DataFrame(columns=["as_of_date", "experiment_id", "metric_id", "status", "reason"])


def moments(means: dict[tuple[str, str], float], n: int = 10_000, variance: float = 4.0) -> pd.DataFrame:
    rows = [
        {
            "as_of_date": pd.Timestamp(END), "experiment_id": "banner", "variant_id": variant, "metric_id": metric_id,
            "segment_name": "all", "segment_value": "all", "n_units": n, "mean": mean, "variance": variance,
            "third_central_moment": 0.0, "last_cohort_date": pd.Timestamp(END), "n_overflow": 0,
            "n_not_computed": 0, "metric_hash": "h", **dict.fromkeys(OPTIONAL, np.nan),
        }
        for (metric_id, variant), mean in means.items()
    ]  # fmt: skip
    return pd.DataFrame(rows)


def with_arm(frame: pd.DataFrame, variant: str, **values: float) -> pd.DataFrame:
    chosen = frame["variant_id"] == variant
    return frame.assign(**{name: frame[name].mask(chosen, value) for name, value in values.items()})


def decide(subject: Experiment, frame: pd.DataFrame, blocked: pd.DataFrame = NOTHING_BLOCKED) -> Any:
    scored = scorecard(frame, {"banner": subject}, METRICS, blocked)
    health = Case(subject, {}, as_of=END).health()
    (decision,) = decisions(scored, health, {"banner": subject}, METRICS, [END]).itertuples()
    return decision


MEANS = {("revenue", "a"): 10.0, ("revenue", "b"): 10.2, ("latency", "a"): 5.0, ("latency", "b"): 5.02}


def test_a_win_with_a_proven_guardrail_ships() -> None:
    """SE √(2·4/10,000) = .0283: revenue +7.1 of them; latency may rise by .25 and rose by .02."""
    subject = make_experiment(primary=["revenue"], guardrail=["latency"], minimum_detectable_effect=0.01)
    decision = decide(subject, moments(MEANS))
    assert decision.recommendation == "ship"
    assert decision.summary == (
        "Ship b: Revenue is better (+2.0%, between +1.4% and +2.6%), and Latency is proven to be within its margin."
    )


def test_a_blocked_guardrail_is_reviewed_with_its_reason() -> None:
    subject = make_experiment(primary=["revenue"], guardrail=["latency"])
    blocked = pd.DataFrame(
        [(pd.Timestamp(END), "banner", "latency", "incomplete", "logs of s (2026-09-03) are missing: no file")],
        columns=NOTHING_BLOCKED.columns,
    )
    decision = decide(subject, moments(MEANS), blocked)
    assert decision.recommendation == "review"
    (guardrail,) = [r for r in json.loads(decision.reasons) if r["rule"] == "guardrail_non_inferior"]
    assert guardrail["value"] is None
    assert "logs of s (2026-09-03) are missing: no file" in guardrail["message"]


@pytest.mark.parametrize(("n", "recommendation"), [(3_300, "review"), (3_450, "stop")])
def test_the_power_gate_reads_the_scorecards_standard_error(n: int, recommendation: str) -> None:
    """1.4 % of 10 is .14 and needs SE .14/2.89455 = .0484: 2·4/.0484² = 3,420 units an arm."""
    subject = make_experiment(primary=["revenue"], minimum_detectable_effect=0.014)
    decision = decide(subject, moments({("revenue", "a"): 10.0, ("revenue", "b"): 10.0}, n=n))
    assert decision.recommendation == recommendation


@pytest.mark.parametrize(("n_treatment", "recommendation"), [(5_350, "review"), (5_470, "stop")])
def test_the_power_gate_pools_the_variance_of_unequal_arms(n_treatment: int, recommendation: str) -> None:
    """10,000 units of variance 4 and n of variance 16: s²_p(1/n + 1/10,000) = .0484² needs n = 5,410.

    Not pooled, 16/n + 4/10,000 = .0484² would need 8,250.
    """
    subject = make_experiment(primary=["revenue"], minimum_detectable_effect=0.014)
    even = moments({("revenue", "a"): 10.0, ("revenue", "b"): 10.0})
    decision = decide(subject, with_arm(even, "b", n_units=n_treatment, variance=16.0))
    assert decision.recommendation == recommendation


def test_a_guardrail_level_is_proven_by_no_failure_in_either_arm() -> None:
    """No ticket in 10,000 units rules out more than 1 %, though no effect can be estimated."""
    subject = make_experiment(primary=["revenue"])
    roles = subject.metrics.model_copy(update={"guardrail": (Guardrail(metric="tickets", level=0.01),)})
    frame = moments({("revenue", "a"): 10.0, ("revenue", "b"): 10.2})
    none = moments({("tickets", "a"): 0.0, ("tickets", "b"): 0.0}, variance=0.0)
    decision = decide(subject.model_copy(update={"metrics": roles}), pd.concat([frame, none]))
    assert decision.recommendation == "ship"
    (guardrail,) = [r for r in json.loads(decision.reasons) if r["rule"] == "guardrail_non_inferior"]
    assert guardrail["message"] == "Tickets is within its margin in b (+0; one-sided p 2.2e-44, below 0.05)"


WINDOWED = {id_: metric.model_copy(update={"window": METRICS["conversion"].window}) for id_, metric in METRICS.items()}


def test_the_monitor_watches_before_the_first_planned_look() -> None:
    options = {"group_sequential": {"planned_units": 20_000, "looks": [END]}, "correction": "bonferroni"}
    subject = make_experiment(primary=["revenue"], method="group_sequential", **options)
    early = moments({("revenue", "a"): 10.0, ("revenue", "b"): 9.8}).assign(
        as_of_date=pd.Timestamp(END - timedelta(days=4))
    )
    scored = scorecard(early, {"banner": subject}, WINDOWED, NOTHING_BLOCKED)
    assert scored["status"].tolist() == ["no_look"]
    (row,) = rollback_monitor(scored, {"banner": subject}, WINDOWED).itertuples()
    assert (row.status, row.is_harmful) == ("ok", True)


@pytest.mark.parametrize(("third", "status"), [(0.0, "ok"), (100.0, "skewed")])
def test_a_longer_burn_in_of_the_method_does_not_hide_skewness(third: float, status: str) -> None:
    """9,000 v 1,000 units; the method begins later, the monitor could, and must know what not to trust."""
    options = {"always_valid": {"burn_in_units": 20_000}}
    subject = make_experiment(primary=["revenue"], method="always_valid", **options)
    uneven = moments({("revenue", "a"): 10.0, ("revenue", "b"): 9.5}).assign(third_central_moment=third)
    uneven["n_units"] = np.where(uneven["variant_id"] == "a", 9_000, 1_000)
    scored = scorecard(uneven, {"banner": subject}, WINDOWED, NOTHING_BLOCKED)
    assert scored["status"].tolist() == ["burn_in"]
    (row,) = rollback_monitor(scored, {"banner": subject}, WINDOWED).itertuples()
    assert (row.status, row.is_harmful) == (status, status == "ok")
