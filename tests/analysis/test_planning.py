"""Plans against textbook figures, the power gate, and simulation of what they promise."""

import math
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.special import ndtri
from scipy.stats import binom

from analysis.planning import PLAN_COLUMNS, plan, power_curves
from analysis.statistics import spending
from analysis.statistics.confidence_sequence import best_rho2, unit_margin
from analysis.statistics.cuped import cuped
from analysis.statistics.group_sequential.boundaries import boundaries
from analysis.statistics.group_sequential.design import planned_inflation
from analysis.statistics.moments import JointMoments
from analysis.statistics.non_inferiority import relative_margin
from analysis.statistics.power import mean_power, mean_sample_size
from configs.schema import Experiment, Metric

METRICS = {
    "conversion": Metric(id="conversion", type="proportion", source="s", event="e", window={"end_days": 7}),
    "revenue": Metric(id="revenue", type="mean", aggregate="count", source="s", event="e"),
    "latency": Metric(id="latency", type="mean", aggregate="count", source="s", event="e", direction="decrease"),
}
HISTORY = pd.DataFrame(
    [("conversion", 0.1, 0.09, 0.0), ("revenue", 20.0, 900.0, 0.4), ("latency", 5.0, 4.0, 0.0)],
    columns=["metric_id", "mean", "variance", "variance_reduction"],
)


def experiment(**changes: Any) -> Experiment:
    """28 days, two arms, two-sided .05, power .8."""
    base: dict[str, Any] = {
        "id": "banner",
        "start": date(2026, 9, 1),
        "end": date(2026, 9, 28),
        "variants": [{"id": "a", "weight": 0.5, "baseline": True}, {"id": "b", "weight": 0.5}],
        "metrics": {"primary": ["revenue"]},
        "analysis": {"minimum_detectable_effect": 0.05},
    }
    return Experiment(**base | changes)


def only(subject: Experiment, metric_id: str, units_per_day: float = 1_000) -> Any:
    rows = plan(subject, METRICS, HISTORY, units_per_day).set_index("metric_id")
    return rows.loc[metric_id]


def test_a_mean_needs_what_the_textbook_says() -> None:
    """2 (1.95996 + .93459)² · 900 · .6 / 1² = 9,048 and a bit: 5 % of 20, power .825, CUPED takes 40 %."""
    row = only(experiment(), "revenue")
    assert (row["test"], row["status"]) == ("superiority", "ok")
    assert row["planned_effect"] == 1.0
    assert row["power"] == pytest.approx(0.825)
    textbook = 2 * (ndtri(0.975) + ndtri(0.825)) ** 2 * 540
    assert row["n_baseline"] == row["n_treatment"] == pytest.approx(textbook, abs=2.5)
    assert row["exposure_days"] == row["days"] == 19
    assert row["n_total"] == pytest.approx(2 * row["n_baseline"], abs=1)


def test_without_adjustment_covariates_save_nothing() -> None:
    subject = experiment(analysis={"minimum_detectable_effect": 0.05, "covariate_adjustment": False})
    assert only(subject, "revenue")["n_baseline"] == pytest.approx(
        only(experiment(), "revenue")["n_baseline"] / 0.6, rel=1e-3
    )


def test_a_window_is_waited_for() -> None:
    row = only(experiment(metrics={"primary": ["conversion"]}), "conversion")
    assert row["days"] == row["exposure_days"] + 7


def test_a_share_has_the_variance_of_the_share_it_is_planned_to_reach() -> None:
    row = only(experiment(metrics={"primary": ["conversion"]}), "conversion")
    expected = mean_sample_size(0.005, 0.09, 0.105 * 0.895, 0.05, 0.825)
    assert row["n_baseline"] == math.ceil(expected)


def test_primaries_and_treatments_share_alpha() -> None:
    variants = [{"id": "a", "weight": 0.5, "baseline": True}, {"id": "b", "weight": 0.4}, {"id": "c", "weight": 0.1}]
    subject = experiment(variants=variants, metrics={"primary": ["revenue", "conversion"]})
    rows = plan(subject, METRICS, HISTORY, 1_000)
    assert len(rows) == 4
    assert (rows["alpha"] == 0.0125).all()
    revenue = rows[rows["metric_id"] == "revenue"].set_index("variant_id")
    assert revenue.loc["c", "n_treatment"] == pytest.approx(revenue.loc["c", "n_baseline"] / 5, abs=1)
    assert revenue.loc["c", "n_total"] > revenue.loc["b", "n_total"]


def test_guardrails_are_one_sided_and_raise_the_power_of_all() -> None:
    """1 − (.2 − .025)/2 = .9125; latency may rise by 4 %: V_T + 1.04² V_B (s = −1)."""
    subject = experiment(
        metrics={"primary": ["revenue"], "guardrail": [{"metric": "latency", "non_inferiority_margin": 0.04}]}
    )
    rows = plan(subject, METRICS, HISTORY, 1_000).set_index("metric_id")
    assert rows["power"].tolist() == pytest.approx([0.9125, 0.9125])
    guardrail = rows.loc["latency"]
    assert (guardrail["test"], guardrail["alpha"]) == ("non_inferiority", 0.05)
    assert guardrail["planned_effect"] == pytest.approx(0.2)
    textbook = (ndtri(0.95) + ndtri(0.9125)) ** 2 * 4 * (1 + 1.04**2) / 0.2**2
    assert guardrail["n_baseline"] == pytest.approx(textbook, abs=2.5)


@pytest.mark.parametrize(("margin", "effect"), [({"absolute_margin": 0.5}, 0.5), ({"level": 5.25}, 0.25)])
def test_margins_may_be_absolute_or_a_level(margin: dict[str, float], effect: float) -> None:
    subject = experiment(metrics={"primary": ["revenue"], "guardrail": [{"metric": "latency"} | margin]})
    row = only(subject, "latency")
    assert row["planned_effect"] == pytest.approx(effect)
    variance_of_baseline = 0 if "level" in margin else 4
    textbook = (ndtri(0.95) + ndtri(0.9125)) ** 2 * (4 + variance_of_baseline) / effect**2
    assert row["n_treatment"] == pytest.approx(textbook, abs=2.5)


def test_a_changing_allocation_is_averaged_over_its_days() -> None:
    """7 days at 90/10 and 21 at 50/50 are 60/40."""
    ramp = [
        {"from": date(2026, 9, 1), "weights": {"a": 0.9, "b": 0.1}},
        {"from": date(2026, 9, 8), "weights": {"a": 0.5, "b": 0.5}},
    ]
    row = only(experiment(allocation=ramp), "revenue")
    assert row["n_baseline"] / row["n_total"] == pytest.approx(0.6, abs=1e-3)


def test_the_planned_days_give_a_power_and_a_detectable_effect_that_agree() -> None:
    row = only(experiment(), "revenue", 500)
    assert row["planned_days"] == 28
    assert row["planned_power"] == pytest.approx(mean_power(1.0, 540, 540, 7_000, 7_000, 0.05))
    assert mean_power(row["detectable_effect"], 540, 540, 7_000, 7_000, 0.05) == pytest.approx(row["power"])
    assert row["detectable_effect_relative"] == row["detectable_effect"] / 20
    assert row["planned_power"] < row["power"]
    assert row["detectable_effect"] > row["planned_effect"]


def test_the_needed_units_have_the_planned_power() -> None:
    needed = only(experiment(), "revenue")["n_total"]
    row = only(experiment(), "revenue", needed / 28)
    assert row["planned_power"] == pytest.approx(row["power"], abs=1e-4)


@pytest.mark.parametrize(
    ("changes", "history", "status"),
    [
        ({}, HISTORY.iloc[:1], "no_history"),
        ({"analysis": {}}, HISTORY, "no_planning_effect"),
        ({"analysis": {"power": 0.98, "minimum_detectable_effect": 0.05}}, HISTORY, "impossible_power"),
        ({}, HISTORY.assign(mean=0.0), "no_distance"),
        ({}, HISTORY.assign(variance=0.0), "zero_variance"),
        (
            {"variants": [{"id": "a", "weight": 1, "baseline": True}, {"id": "b", "weight": 0}]},
            HISTORY,
            "no_traffic",
        ),
    ],
)
def test_what_cannot_be_planned_says_why(changes: dict[str, Any], history: pd.DataFrame, status: str) -> None:
    frame = plan(experiment(**changes), METRICS, history, 1_000)
    row = frame.iloc[0]
    assert row["status"] == status
    assert row["reason"]
    if status != "zero_variance":
        assert np.isnan(row["n_baseline"])
    assert frame.dtypes.astype(str).to_dict() == PLAN_COLUMNS


def test_a_level_missed_from_the_start_cannot_be_proven() -> None:
    subject = experiment(metrics={"primary": ["revenue"], "guardrail": [{"metric": "latency", "level": 4.9}]})
    assert only(subject, "latency")["status"] == "no_distance"


def test_no_traffic_at_all_is_refused() -> None:
    with pytest.raises(ValueError, match="units_per_day must be positive"):
        plan(experiment(), METRICS, HISTORY, 0)


@pytest.mark.parametrize("share", [0.002, 0.006])
def test_the_units_planned_for_a_share_at_a_level_give_the_binomial_test_its_power(share: float) -> None:
    """Power .9125 for at most 1 %; the count is discrete, which moves it by up to .025."""
    crashes = Metric(id="crashes", type="proportion", source="s", event="e", direction="decrease")
    roles = {"primary": ["revenue"], "guardrail": [{"metric": "crashes", "level": 0.01}]}
    history = pd.concat(
        [HISTORY, pd.DataFrame([("crashes", share, share * (1 - share), 0.0)], columns=HISTORY.columns)]
    )
    rows = plan(experiment(metrics=roles), METRICS | {"crashes": crashes}, history, 1_000)
    row = rows.set_index("metric_id").loc["crashes"]
    assert row["status"] == "ok"
    n = int(row["n_treatment"])
    proven_up_to = binom.ppf(0.05, n, 0.01) - 1
    assert binom.cdf(proven_up_to, n, share) == pytest.approx(row["power"], abs=0.025)


GOALS = {"primary": ["revenue", "conversion"], "guardrail": [{"metric": "latency", "non_inferiority_margin": 0.04}]}


def test_clear_signals_plans_every_goal_at_the_full_alpha() -> None:
    """1 − (.2 − .025)/(2 + 1) = .94167, two-sided .05 however many goals."""
    subject = experiment(metrics=GOALS, decision={"rule": "clear_signals"})
    rows = plan(subject, METRICS, HISTORY, 1_000).set_index("metric_id")
    assert rows["power"].tolist() == pytest.approx([1 - 0.175 / 3] * 3)
    assert rows["alpha"].tolist() == [0.05] * 3
    assert rows["test"].tolist() == ["superiority", "superiority", "non_inferiority"]
    assert rows.loc["revenue", "n_baseline"] == pytest.approx(
        2 * (ndtri(0.975) + ndtri(1 - 0.175 / 3)) ** 2 * 540, abs=2.5
    )


def test_do_no_harm_plans_goals_against_their_margins() -> None:
    subject = experiment(metrics=GOALS, decision={"rule": "do_no_harm"})
    rows = plan(subject, METRICS, HISTORY, 1_000).set_index("metric_id")
    assert rows["test"].tolist() == ["non_inferiority"] * 3
    assert rows["power"].tolist() == pytest.approx([1 - 0.175 / 3] * 3)
    assert rows.loc["latency", "status"] == "ok"
    assert rows.loc["revenue", "status"] == "no_planning_effect"


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_a_relative_margin_is_planned_with_the_variance_that_its_test_has(sign: float) -> None:
    """A covariate correlated by .8 with the value: a margin of 30 % of the raw mean keeps the raw mean's noise."""
    n, mean, variance, margin = 1e6, 20.0, 900.0, 0.3
    covariance = np.array([[variance, 0.8 * 30], [0.8 * 30, 1.0]])
    arm = JointMoments(np.array(n), np.array([mean, 0.0]), covariance)
    tested = relative_margin(cuped(arm, arm), np.asarray(sign), np.asarray(margin))
    metrics = {"revenue": METRICS["revenue"].model_copy(update={"direction": "increase" if sign > 0 else "decrease"})}
    subject = experiment(
        metrics={"primary": ["visits"], "guardrail": [{"metric": "revenue", "non_inferiority_margin": margin}]}
    )
    history = pd.DataFrame([("revenue", mean, variance, 0.64)], columns=HISTORY.columns)
    visits = METRICS["latency"].model_copy(update={"id": "visits"})
    row = plan(subject, metrics | {"visits": visits}, history, 1_000).set_index("metric_id").loc["revenue"]
    of_unit = float(tested.se**2 * n)
    n_b = (ndtri(0.95) + ndtri(row["power"])) ** 2 * of_unit / (margin * mean) ** 2
    assert row["n_baseline"] == pytest.approx(n_b, abs=2.5)


@pytest.mark.parametrize(("rule", "primary_sides"), [("risk_aware", 1), ("clear_signals", 2)])
def test_one_sided_tests_of_improvement_are_planned_one_sided(rule: str, primary_sides: int) -> None:
    """Of what adjusted p-values decide: goals of risk_aware, secondaries; clear_signals reads plain intervals."""
    subject = experiment(
        metrics={"primary": ["revenue"], "secondary": ["conversion"]},
        decision={"rule": rule},
        analysis={"minimum_detectable_effect": 0.05, "alternative": "improvement"},
    )
    size = mean_sample_size(1.0, 540.0, 540.0, 0.05, 0.825, sides=primary_sides)
    assert only(subject, "revenue")["n_baseline"] == np.ceil(size)
    lifted = 0.105 * 0.895
    size = mean_sample_size(0.005, 0.09, lifted, 0.05, 0.8, sides=1)
    assert only(subject, "conversion")["n_baseline"] == np.ceil(size)


def test_a_quantile_is_planned_with_its_asymptotic_variance() -> None:
    """The median of a standard normal: (1/4)/φ(0)² = π/2 times the mean's units."""
    median = Metric(
        id="median_time", type="quantile", quantile=0.5, source="s", event="e", aggregate="sum", measure="m"
    )
    history = pd.DataFrame([("median_time", 20.0, 900 * math.pi / 2, 0.0)], columns=HISTORY.columns)
    rows = plan(experiment(metrics={"primary": ["median_time"]}), {"median_time": median}, history, 1_000)
    assert rows.loc[0, "n_baseline"] == pytest.approx(2 * (ndtri(0.975) + ndtri(0.825)) ** 2 * 450 * math.pi, abs=2.5)


def test_a_bayesian_goal_is_planned_one_sided() -> None:
    subject = experiment(analysis={"method": "bayesian", "minimum_detectable_effect": 0.05})
    assert only(subject, "revenue")["n_baseline"] == pytest.approx(2 * (ndtri(0.95) + ndtri(0.825)) ** 2 * 540, abs=2.5)


SEQUENTIAL = {
    "always_valid": {"method": "always_valid", "always_valid": {"planned_units": 20_000}},
    "group_sequential": {"method": "group_sequential", "group_sequential": {"planned_units": 20_000}},
    "pocock": {"method": "group_sequential", "group_sequential": {"planned_units": 20_000, "spending": "pocock"}},
}


def sequential(name: str, **changes: Any) -> Experiment:
    return experiment(analysis={"minimum_detectable_effect": 0.05} | SEQUENTIAL[name], **changes)


def test_group_sequential_needs_the_fixed_size_times_its_inflation() -> None:
    for name, function in (("group_sequential", spending.obrien_fleming), ("pocock", spending.pocock)):
        fixed = 2 * (ndtri(0.975) + ndtri(0.825)) ** 2 * 540
        inflation = planned_inflation(28, 0.05, 0.825, function)[0]
        assert only(sequential(name), "revenue")["n_baseline"] == pytest.approx(fixed * inflation, rel=1e-4, abs=1)


@pytest.mark.parametrize("name", SEQUENTIAL)
def test_sequential_sizes_powers_and_effects_agree(name: str) -> None:
    needed = only(sequential(name), "revenue")["n_total"]
    row = only(sequential(name), "revenue", needed / 28)
    assert row["planned_power"] == pytest.approx(0.825, abs=1e-4)
    assert row["detectable_effect"] == pytest.approx(row["planned_effect"], rel=1e-3)
    assert needed > only(experiment(), "revenue")["n_total"]


@pytest.mark.parametrize("name", SEQUENTIAL)
def test_the_planned_size_gives_the_planned_power_over_all_looks(name: str) -> None:
    """4,000 experiments, 28 daily looks by the scorecard's own boundaries; power .825 within 2 points and 3.29 SE."""
    needed = only(sequential(name), "revenue")["n_total"]
    runs, days = 4_000, 28
    n = needed / days * np.arange(1, days + 1)
    drift = 1.0 / np.sqrt(540 * 4 / needed)
    steps = np.random.default_rng(3).normal(drift / days, 1 / np.sqrt(days), (runs, days))
    z = np.cumsum(steps, axis=1) / np.sqrt(np.arange(1, days + 1) / days)
    if name == "always_valid":
        upper = unit_margin(n, best_rho2(20_000, 0.05), 0.05) * np.sqrt(n)
    else:
        function = spending.pocock if name == "pocock" else spending.obrien_fleming
        upper = boundaries(np.arange(1, days + 1)[None, :] / days, 0.05, function).upper[0]
    assert (z > upper).any(axis=1).mean() == pytest.approx(0.825, abs=0.02 + 3.29 * math.sqrt(0.825 * 0.175 / runs))


def test_sequential_guardrails_are_one_sided() -> None:
    roles = {"primary": ["revenue"], "guardrail": [{"metric": "latency", "absolute_margin": 0.2}]}
    row = only(sequential("group_sequential", metrics=roles), "latency")
    inflation = planned_inflation(28, 0.05, 0.9125, spending.obrien_fleming, sides=1)[0]
    fixed = (ndtri(0.95) + ndtri(0.9125)) ** 2 * 8 / 0.2**2
    assert row["n_baseline"] == pytest.approx(fixed * inflation, rel=1e-3, abs=1)


@pytest.mark.parametrize("name", SEQUENTIAL)
def test_what_cannot_be_planned_says_why_also_sequentially(name: str) -> None:
    row = plan(sequential(name), METRICS, HISTORY.iloc[:1], 1_000).iloc[0]
    assert row["status"] == "no_history"
    assert np.isnan([row["n_total"], row["planned_power"], row["detectable_effect"]]).all()


@pytest.mark.parametrize("name", [None, *SEQUENTIAL])
def test_power_curves_rise_to_the_planned_power_at_the_needed_day(name: str | None) -> None:
    subject = experiment() if name is None else sequential(name)
    curve = power_curves(subject, METRICS, HISTORY, 1_000)
    needed = only(subject, "revenue")
    assert curve["power"].is_monotonic_increasing
    assert set(curve["planned_power"]) == {needed["power"]}
    reached = float(np.interp(needed["n_total"], curve["n_total"], curve["power"]))
    assert reached == pytest.approx(needed["power"], abs=0.01)
    assert curve["days"].max() >= subject_days(subject)


def subject_days(subject: Experiment) -> int:
    return (subject.end - subject.start).days + 1


def test_clusters_need_more_units_and_some_effects_more_clusters() -> None:
    """By hand: n independent units are n(1 − ρ)/(1 − nρ(1 + cv²)/K); here 1 + cv² is 1.25, ρ .01, K 400."""
    history = HISTORY.assign(variance_reduction=0.0, intracluster_correlation=0.01, n_clusters=400.0, unevenness=1.25)
    alone = only(experiment(analysis={"minimum_detectable_effect": 0.05, "covariate_adjustment": False}), "revenue")
    clustered = experiment(cluster={"attribute": "city"})
    row = plan(clustered, METRICS, history, 1_000).iloc[0]
    expected = alone["n_total"] * 0.99 / (1 - alone["n_total"] * 0.01 * 1.25 / 400)
    assert row["n_total"] == pytest.approx(expected, rel=1e-3) and row["status"] == "ok"
    effect = 1 + (row["n_total"] / 400 * 1.25 - 1) * 0.01
    assert row["n_total"] / effect == pytest.approx(alone["n_total"], rel=1e-3)
    assert row["reason"] == f"design effect {effect:.3g}: correlation 0.01 in 400 clusters"
    worth = 28_000 / (1 + (28_000 / 400 * 1.25 - 1) * 0.01)
    planned = mean_power(1.0, 900.0, 900.0, worth / 2, worth / 2, 0.05, 2)
    assert row["planned_power"] == pytest.approx(float(planned))
    few = plan(clustered, METRICS, history.assign(n_clusters=40.0), 1_000).iloc[0]
    assert few["status"] == "too_few_clusters" and np.isnan(few["n_total"]) and few["planned_power"] < 0.5
    unknown = plan(clustered, METRICS, HISTORY, 1_000).iloc[0]
    assert unknown["status"] == "no_history" and "--intracluster" in unknown["reason"]
    assert np.isfinite(power_curves(clustered, METRICS, history.assign(n_clusters=40.0), 1_000)["power"]).all()
