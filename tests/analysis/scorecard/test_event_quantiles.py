"""Quantiles of events on the scorecard: from counts by value and sums over units to rows."""

from collections.abc import Callable
from datetime import date
from math import ceil, hypot
from typing import Any

import numpy as np
import pandas as pd
import pytest

from analysis.scorecard import EventTables, scorecard
from configs.schema import Experiment, Metric
from tests.analysis.scorecard.outer_interval import Events, outer_interval


@pytest.fixture
def metrics() -> dict[str, Metric]:
    common = {"source": "shop", "event": "load", "measure": "seconds", "direction": "decrease"}
    definitions: list[dict[str, Any]] = [
        {"id": "p90_load", "type": "quantile", "quantile": 0.9, "of": "events", **common},
        {"id": "slowest_load", "type": "quantile", "quantile": 0.5, "aggregate": "max", **common},
    ]
    return {definition["id"]: Metric.model_validate(definition) for definition in definitions}


@pytest.fixture
def arms() -> dict[str, Events]:
    rng = np.random.default_rng(3)
    return {
        "control": visits(rng, 400, 1.0),
        "treatment_1": visits(rng, 500, 0.8),
        "treatment_2": visits(rng, 450, 1.05),
    }


def visits(rng: np.random.Generator, n_units: int, factor: float) -> Events:
    """Units of 0 to 8 page loads each, alike within a unit."""
    speeds = rng.gamma(4, factor, n_units)
    return [(rng.gamma(8, speed / 8, rng.integers(0, 9))).round(2) for speed in speeds]


def keys(variant: str, metric_id: str = "p90_load") -> dict[str, Any]:
    return {
        "as_of_date": date(2026, 10, 21),
        "experiment_id": "checkout",
        "variant_id": variant,
        "metric_id": metric_id,
        "segment_name": "all",
        "segment_value": "all",
    }


def moments(arms: dict[str, Events]) -> pd.DataFrame:
    names = [
        "covariate_mean", "covariate_variance", "covariate_covariance", "no_history_share", "no_history_covariance",
        "covariate_no_history_covariance", "denominator_mean", "denominator_variance", "denominator_covariance",
    ]  # fmt: skip
    return pd.DataFrame(
        {
            **keys(variant),
            **dict.fromkeys(names, np.nan),
            "n_units": len(units),
            "mean": np.mean([len(events) for events in units]),
            "variance": np.var([len(events) for events in units], ddof=1),
            "third_central_moment": 0.0,
            "n_overflow": 0,
            "n_not_computed": 0,
            "last_cohort_date": date(2026, 10, 14),
            "metric_hash": "0a1b2c3d",
        }
        for variant, units in arms.items()
    )


def tables(arms: dict[str, Events], q: float = 0.9) -> EventTables:
    counts, clusters = [], []
    for variant, units in arms.items():
        values = np.sort(np.concatenate(units))
        distinct, number = np.unique(values, return_counts=True)
        counts += [{**keys(variant), "value": x, "n_events": n} for x, n in zip(distinct, number, strict=True)]
        if not len(values):
            continue
        quantile = values[ceil(q * len(values) - 1e-9) - 1]
        n = np.array([len(events) for events in units if len(events)])
        s = np.array([(events <= quantile).sum() for events in units if len(events)])
        clusters.append(
            {**keys(variant), "n_units": len(n), "n_events": n.sum(), "n_up_to": s.sum(),
             "sum_events_squared": float((n**2).sum()), "sum_up_to_squared": float((s**2).sum()),
             "sum_product": float((n * s).sum())}
        )  # fmt: skip
    shuffled = pd.DataFrame(counts).sample(frac=1, random_state=1)
    return EventTables(shuffled, pd.DataFrame(clusters).sample(frac=1, random_state=1))


@pytest.fixture
def card(
    metrics: dict[str, Metric],
    arms: dict[str, Events],
    experiment: Callable[..., Experiment],
    not_blocked: pd.DataFrame,
) -> Callable[..., pd.DataFrame]:
    """The scorecard's rows of the quantile of events, by treatment."""

    def build(
        own: dict[str, Events] | None = None,
        events: EventTables | None = None,
        roles: dict[str, Any] | None = None,
        **analysis: Any,
    ) -> pd.DataFrame:
        own = own or arms
        config = {"checkout": experiment(len(own) - 1, roles or {"primary": ["p90_load"]}, **analysis)}
        frame = scorecard(moments(own), config, metrics, not_blocked, events=events or tables(own))
        return frame[frame["metric_id"] == "p90_load"].set_index("variant_id")

    return build


def test_a_row_is_mover_of_the_arms_outer_intervals(card, arms):
    row = card().loc["treatment_1"]
    b, b_low, b_high = outer_interval(arms["control"], 0.9, 0.05)
    t, t_low, t_high = outer_interval(arms["treatment_1"], 0.9, 0.05)

    assert (row["baseline_mean"], row["treatment_mean"], row["effect"]) == (b, t, pytest.approx(t - b))
    assert row["ci_low"] == pytest.approx(t - b - hypot(t - t_low, b_high - b))
    assert row["ci_high"] == pytest.approx(t - b + hypot(t_high - t, b - b_low))
    assert row["relative_ci_low"] < t / b - 1 < row["relative_ci_high"]
    assert (row["n_baseline"], row["n_treatment"]) == (400, 500), "units, those without an event too"
    assert (row["method"], row["status"], row["reason"]) == ("event_quantile", "ok", "")


def test_events_of_a_unit_are_no_independent_events(card, arms):
    """The half-widths of intervals that hold each event for a unit of its own are far smaller."""
    row = card().loc["treatment_1"]
    alone = card({name: [np.array([x]) for x in np.concatenate(units)] for name, units in arms.items()})
    naive = alone.loc["treatment_1"]

    assert naive["effect"] == row["effect"]
    assert row["ci_high"] - row["ci_low"] > 1.5 * (naive["ci_high"] - naive["ci_low"])


def test_margins_corrections_and_tests_are_those_of_all_quantiles(card):
    roles = {"primary": ["p90_load"]}
    rows = card(roles=roles)
    excludes = (rows["ci_low"] > 0) | (rows["ci_high"] < 0)

    assert ((rows["p_value"] <= 0.05) == excludes).all()
    assert rows["p_value_adjusted"].min() == pytest.approx(2 * rows["p_value"].min()), "Holm over two treatments"
    assert (rows["ci_low_adjusted"] <= rows["ci_low"]).all()
    guarded = card(roles={"primary": ["slowest_load"], "guardrail": [{"metric": "p90_load", "absolute_margin": 1.0}]})
    assert guarded.loc["treatment_1", "p_value_non_inferiority"] < 0.001


def test_too_few_events_beyond_by_what_they_are_worth(card):
    """99 events beyond the quantile of 1,000, but of 50 units whose events are all alike."""
    rng = np.random.default_rng(5)
    same = [np.full(20, round(x, 2)) for x in rng.gamma(4, 1, 50)]
    row = card({"control": same, "treatment_1": visits(rng, 500, 1.0)}).loc["treatment_1"]

    assert row["status"] == "too_few_units"
    assert row["reason"].startswith("an arm's events beyond the quantile are worth fewer than 10 independent ones")
    assert np.isfinite(row["effect"])
    assert np.isnan(row["p_value"])


def test_an_arm_without_events_has_no_quantile(card):
    rng = np.random.default_rng(5)
    row = card({"control": [np.array([])] * 40, "treatment_1": visits(rng, 500, 1.0)}).loc["treatment_1"]

    assert row["status"] == "no_units"
    assert "none of these has an event" in row["reason"]
    assert row[["baseline_mean", "effect", "p_value", "ci_low"]].isna().all()
    assert (row["n_baseline"], row["n_treatment"]) == (40, 500)


def test_counts_and_sums_that_do_not_fit_are_refused(card, arms):
    good = tables(arms)
    fewer = good.value_counts[good.value_counts["value"] > 1]
    wrong_sums = good.clusters.assign(n_up_to=good.clusters["n_up_to"] + 1)
    for events in (
        EventTables(fewer, good.clusters),
        EventTables(good.value_counts, wrong_sums),
        EventTables(good.value_counts, good.clusters.iloc[:0]),
        EventTables(good.value_counts.iloc[:0], good.clusters.iloc[:0]),
    ):
        rows = card(events=events)
        assert (rows["status"] == "failed").all()
        assert rows["reason"].str.contains("build fct_event_value_counts again").all()


def test_without_the_tables_there_is_a_reason(metrics, arms, experiment, not_blocked):
    config = {"checkout": experiment(2, {"primary": ["p90_load"]})}
    frame = scorecard(moments(arms), config, metrics, not_blocked)

    assert (frame["status"] == "failed").all()


def test_other_methods_than_fixed_say_why_they_cannot(card):
    row = card(method="always_valid").loc["treatment_1"]

    assert row["status"] == "failed"
    assert row["reason"] == "a quantile has no always_valid analysis; use method fixed, or another metric"
