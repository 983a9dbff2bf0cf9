"""Quantile metrics on the scorecard: from counts per value to rows, beside metrics of other kinds."""

from collections.abc import Callable
from datetime import date
from math import hypot
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from analysis.scorecard import SCORECARD_COLUMNS, scorecard
from configs.schema import Experiment, Metric

ROLES = {"primary": ["p90_load"], "secondary": ["median_load", "load_time"]}


@pytest.fixture
def quantiles() -> dict[str, Metric]:
    common = {"source": "shop", "event": "load", "aggregate": "max", "measure": "seconds", "direction": "decrease"}
    definitions: list[dict[str, Any]] = [
        {"id": "p90_load", "type": "quantile", "quantile": 0.9, **common},
        {"id": "median_load", "type": "quantile", "quantile": 0.5, **common},
        {"id": "load_time", "type": "mean", **common},
    ]
    return {definition["id"]: Metric.model_validate(definition) for definition in definitions}


@pytest.fixture
def arms() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(3)
    return {
        "control": rng.gamma(4, 1, 400).round(2),
        "treatment_1": rng.gamma(4, 0.9, 500).round(2),
        "treatment_2": rng.gamma(4, 1.1, 450).round(2),
    }


def moments(arms: dict[str, np.ndarray], metrics: dict[str, Metric]) -> pd.DataFrame:
    names = [
        "covariate_mean", "covariate_variance", "covariate_covariance", "no_history_share", "no_history_covariance",
        "covariate_no_history_covariance", "denominator_mean", "denominator_variance", "denominator_covariance",
    ]  # fmt: skip
    rows = [
        {
            **keys(metric_id, variant),
            **dict.fromkeys(names, np.nan),
            "n_units": len(x),
            "mean": x.mean(),
            "variance": x.var(ddof=1),
            "third_central_moment": ((x - x.mean()) ** 3).mean(),
            "n_overflow": 0,
            "n_not_computed": 0,
            "last_cohort_date": date(2026, 10, 14),
            "metric_hash": "0a1b2c3d",
        }
        for metric_id in metrics
        for variant, x in arms.items()
    ]
    return pd.DataFrame(rows)


def value_counts(arms: dict[str, np.ndarray], metrics: dict[str, Metric]) -> pd.DataFrame:
    rows = [
        {**keys(metric.id, variant), "value": value, "n_units": n}
        for metric in metrics.values()
        if metric.type == "quantile"
        for variant, x in arms.items()
        for value, n in zip(*np.unique(x, return_counts=True), strict=True)
    ]
    return pd.DataFrame(rows).sample(frac=1, random_state=1)


def keys(metric_id: str, variant: str) -> dict[str, Any]:
    return {
        "as_of_date": date(2026, 10, 21),
        "experiment_id": "checkout",
        "variant_id": variant,
        "metric_id": metric_id,
        "segment_name": "all",
        "segment_value": "all",
    }


@pytest.fixture
def card(
    quantiles: dict[str, Metric],
    arms: dict[str, np.ndarray],
    experiment: Callable[..., Experiment],
    not_blocked: pd.DataFrame,
) -> Callable[..., pd.DataFrame]:
    """The scorecard indexed by metric and treatment, of the arms or of others."""

    def build(
        own: dict[str, np.ndarray] | None = None,
        values: pd.DataFrame | None = None,
        blocked: pd.DataFrame | None = None,
        roles: dict[str, Any] | None = None,
        **analysis: Any,
    ) -> pd.DataFrame:
        own = own or arms
        config = {"checkout": experiment(len(own) - 1, roles or ROLES, **analysis)}
        counts = value_counts(own, quantiles) if values is None else values
        frame = scorecard(
            moments(own, quantiles), config, quantiles, not_blocked if blocked is None else blocked, values=counts
        )
        assert list(frame.columns) == list(SCORECARD_COLUMNS)
        return frame.set_index(["metric_id", "variant_id"])

    return build


def arm_interval(x: np.ndarray, q: float, confidence: float) -> tuple[float, float, float]:
    """Value and order-statistic interval by scipy's quantile_test."""
    ci = stats.quantile_test(x, p=q).confidence_interval(confidence)
    return float(np.quantile(x, q, method="inverted_cdf")), ci.low, ci.high


def test_a_row_is_mover_of_scipys_intervals(card, arms):
    row = card().loc[("p90_load", "treatment_1")]
    b, b_low, b_high = arm_interval(arms["control"], 0.9, 0.95)
    t, t_low, t_high = arm_interval(arms["treatment_1"], 0.9, 0.95)

    assert (row["baseline_mean"], row["treatment_mean"], row["effect"]) == (b, t, pytest.approx(t - b))
    assert row["ci_low"] == pytest.approx(t - b - hypot(t - t_low, b_high - b))
    assert row["ci_high"] == pytest.approx(t - b + hypot(t_high - t, b - b_low))
    assert row["effect_relative"] == pytest.approx(t / b - 1)
    assert row["relative_ci_low"] < t / b - 1 < row["relative_ci_high"]
    assert (row["n_baseline"], row["n_treatment"]) == (400, 500)
    assert (row["method"], row["status"], row["reason"]) == ("quantile", "ok", "")


def test_tests_agree_with_intervals(card):
    rows = card().loc[["p90_load", "median_load"]]

    excludes = (rows["ci_low"] > 0) | (rows["ci_high"] < 0)
    assert ((rows["p_value"] <= 0.05) == excludes).all()
    assert excludes.any()
    assert not excludes.all()
    # A smaller load time is better: the tests of improvement and deterioration are the two halves.
    assert ((rows["p_value_improvement"] < 0.5) == (rows["effect"] < 0)).all()
    assert np.allclose(rows["p_value"], 2 * rows[["p_value_improvement", "p_value_deterioration"]].min(axis=1))


def test_quantiles_are_corrected_with_the_other_metrics_of_their_family(card):
    rows = card().loc[["median_load", "load_time"]]

    # Holm over two metrics and two treatments.
    assert rows["p_value_adjusted"].min() == pytest.approx(4 * rows["p_value"].min())
    assert (rows["ci_low_adjusted"] <= rows["ci_low"]).all()
    assert (rows["ci_high_adjusted"] >= rows["ci_high"]).all()


@pytest.mark.parametrize("margin", [{"non_inferiority_margin": 0.1}, {"absolute_margin": 0.6}, {"level": 6.9}])
def test_a_guardrail_is_proven_where_its_bound_holds_back_the_margin(card, margin):
    roles = {"primary": ["median_load"], "guardrail": [{"metric": "p90_load", **margin}]}
    rows = card(roles=roles).loc["p90_load"]
    others = card(roles=roles, alpha=0.1).loc["p90_load"]  # whose intervals end where one-sided tests at 0.05 do

    level = margin.get("absolute_margin", margin.get("non_inferiority_margin"))
    bound = {"absolute_margin": "ci_high", "non_inferiority_margin": "relative_ci_high"}.get(next(iter(margin)))
    assert (rows["p_value_non_inferiority"] < 1).all()
    if bound is not None:
        assert ((rows["p_value_non_inferiority"] <= 0.05) == (others[bound] < level)).all()
    assert rows.loc["treatment_1", "p_value_non_inferiority"] < 0.05
    assert rows.loc["treatment_2", "p_value_non_inferiority"] > 0.05


def test_too_few_units_beyond_the_quantile_are_refused(card):
    few = {"control": np.arange(99.0), "treatment_1": np.arange(500.0)}
    row = card(few).loc[("p90_load", "treatment_1")]

    assert row["status"] == "too_few_units"
    assert row["reason"] == "an arm has fewer than 10 units beyond the quantile, so no interval holds its level"
    assert row["effect"] == 449 - 89
    assert row[["p_value", "ci_low", "ci_high", "p_value_adjusted", "ci_low_adjusted"]].isna().all()


def test_a_value_that_most_units_share_leaves_no_interval(card):
    zeros = {"control": np.repeat([0.0, 9.0], [900, 100]), "treatment_1": np.repeat([0.0, 7.0], [850, 150])}
    row = card(zeros).loc[("median_load", "treatment_1")]

    assert row["status"] == "zero_variance"
    assert "share one value" in row["reason"]
    assert row[["p_value", "p_value_deterioration", "ci_low"]].isna().all()


def test_counts_that_are_not_the_metrics_units_are_refused(card, arms, quantiles):
    counts = value_counts(arms, quantiles)
    for wrong in (counts[(counts["metric_id"] != "p90_load") | (counts["value"] > 1)], counts.iloc[:0]):
        rows = card(values=wrong)
        assert (rows.loc["p90_load", "status"] == "failed").all()
        assert rows.loc["p90_load", "reason"].str.contains("build fct_value_counts again").all()
        assert (rows.loc["load_time", "status"] == "ok").all()


def test_blocked_rows_show_no_numbers(card):
    blocked = pd.DataFrame(
        [(pd.Timestamp("2026-10-21"), "checkout", "p90_load", "incomplete", "a log is missing")],
        columns=["as_of_date", "experiment_id", "metric_id", "status", "reason"],
    )
    rows = card(blocked=blocked).loc["p90_load"]

    assert (rows["status"] == "incomplete").all()
    assert rows[["baseline_mean", "treatment_mean", "effect", "effect_se", "p_value", "ci_low"]].isna().all(axis=None)


def test_a_zero_baseline_has_an_effect_and_no_relative_one(card):
    rng = np.random.default_rng(5)
    low = {"control": np.round(rng.normal(0, 1, 1001), 1), "treatment_1": np.round(rng.normal(1, 1, 1001), 1)}
    low["control"] -= np.quantile(low["control"], 0.5, method="inverted_cdf")
    row = card(low).loc[("median_load", "treatment_1")]

    assert row["status"] == "zero_baseline"
    assert row["p_value"] < 0.001
    assert np.isnan(row["effect_relative"])


def test_other_methods_than_fixed_say_why_they_cannot(card):
    row = card(method="always_valid").loc[("p90_load", "treatment_1")]

    assert row["status"] == "failed"
    assert row["reason"] == "a quantile has no always_valid analysis; use method fixed, or another metric"
    assert np.isnan(row["p_value"])
