"""Every branch of `risk_aware`, and what never happens.

The baseline mean is 10 and a standard error .1 unless said otherwise, so an effect of .3 is +3 % and 3 standard
errors; guardrail margins are .5.
"""

import math
from typing import Any

import pytest

from analysis.decisions.criteria import is_better_adjusted
from analysis.decisions.evidence import Comparison
from tests.analysis.decisions.examples import Case, Result, make_experiment

WIN, FLAT, HARM = 0.3, 0.0, -0.3


def outcomes(decision: Any) -> set[tuple[str, str]]:
    return {(reason["rule"], reason["outcome"]) for reason in decision["reasons"]}


def test_a_better_primary_without_guardrails_ships() -> None:
    decision = Case(make_experiment(), {("conversion", "b"): Result(WIN)}).decide()
    assert decision["recommendation"] == "ship"
    assert decision["variant_id"] == "b"
    assert decision["rule"] == "risk_aware"
    assert decision["summary"] == "Ship b: Conversion is better (+3.0%, between +1.0% and +5.0%)."
    assert decision["reasons"] == [
        {
            "rule": "primary_better",
            "outcome": "ship",
            "message": "Conversion is better in b (+3.0%, between +1.0% and +5.0%)",
            "metric_id": "conversion",
            "variant_id": "b",
            "value": pytest.approx(0.3 - 0.1959964),
            "threshold": 0.0,
        }
    ]


def test_a_proven_guardrail_is_named_when_shipping() -> None:
    decision = Case(
        make_experiment(guardrail=["latency"]), {("conversion", "b"): Result(WIN), ("latency", "b"): Result(0.1)}
    ).decide()
    assert decision["recommendation"] == "ship"
    assert decision["summary"] == (
        "Ship b: Conversion is better (+3.0%, between +1.0% and +5.0%), and Latency is proven to be within its margin."
    )
    assert outcomes(decision) == {("primary_better", "ship"), ("guardrail_non_inferior", "ship")}


def test_a_win_with_an_unproven_guardrail_is_reviewed() -> None:
    """Latency .2 of a margin of .5 with SE .1 is 3 standard errors inside: p .00135, not below .0001."""
    decision = Case(
        make_experiment(guardrail=["latency"], alpha=0.0001),
        {("conversion", "b"): Result(0.6), ("latency", "b"): Result(0.2)},
    ).decide()
    assert decision["recommendation"] == "review"
    assert decision["variant_id"] == "b"
    assert decision["summary"].endswith("but Latency is not proven to be within its margin.")
    assert ("guardrail_non_inferior", "review") in outcomes(decision)


def test_non_inferiority_is_one_sided_at_alpha_unadjusted() -> None:
    """1.7 standard errors inside the margin is p .0446: proven at .05 for each of four guardrails."""
    four = ["latency", "tickets", "revenue", "visits"]
    signs = {"latency": 1, "tickets": 1, "revenue": -1, "visits": -1}
    at = {(id_, "b"): Result(0.16 * signs[id_], margin=0.33) for id_ in four}
    decision = Case(make_experiment(guardrail=four), {("conversion", "b"): Result(WIN)} | at).decide()
    assert decision["recommendation"] == "ship"
    at[("visits", "b")] = Result(-0.17, margin=0.33)
    decision = Case(make_experiment(guardrail=four), {("conversion", "b"): Result(WIN)} | at).decide()
    assert decision["recommendation"] == "review"


def test_no_win_stops() -> None:
    decision = Case(make_experiment(), {("conversion", "b"): Result(FLAT)}).decide()
    assert decision["recommendation"] == "stop"
    assert decision["variant_id"] is None or math.isnan(decision["variant_id"])
    assert decision["summary"] == (
        "Stop: no primary metric is proven better (Conversion +0.0%, between -2.0% and +2.0%)."
    )


def test_an_unproven_guardrail_without_a_win_stops() -> None:
    results = {("conversion", "b"): Result(FLAT), ("latency", "b"): Result(0.2, margin=0.25)}
    assert Case(make_experiment(guardrail=["latency"]), results).decide()["recommendation"] == "stop"


@pytest.mark.parametrize("metric", ["conversion", "visits", "latency"])
def test_any_deteriorated_metric_rolls_back(metric: str) -> None:
    subject = make_experiment(primary=["conversion", "revenue"], secondary=["visits"], guardrail=["latency"])
    results = {("conversion", "b"): Result(FLAT), ("revenue", "b"): Result(0.5), ("visits", "b"): Result(FLAT)}
    results |= {("latency", "b"): Result(FLAT)}
    results[metric, "b"] = Result(-HARM if metric == "latency" else HARM, margin=5)
    decision = Case(subject, results).decide()
    assert decision["recommendation"] == "rollback"
    assert decision["variant_id"] == "b"
    assert ("deterioration", "rollback") in outcomes(decision)


@pytest.mark.parametrize(("z", "recommendation"), [(2.49, "stop"), (2.51, "rollback")])
def test_deterioration_is_one_sided_bonferroni_at_half_alpha(z: float, recommendation: str) -> None:
    """.05/2 over 2 metrics × 2 treatments is .00625, which is 2.4977 standard errors."""
    subject = make_experiment(secondary=["visits"], treatments=["b", "c"])
    results = {(id_, arm): Result(FLAT) for id_ in ("conversion", "visits") for arm in ("b", "c")}
    results["visits", "c"] = Result(-0.1 * z)
    decision = Case(subject, results).decide()
    assert decision["recommendation"] == recommendation
    if recommendation == "rollback":
        (harm,) = [reason for reason in decision["reasons"] if reason["rule"] == "deterioration"]
        assert harm["threshold"] == pytest.approx(0.00625)
        assert (harm["metric_id"], harm["variant_id"]) == ("visits", "c")


@pytest.mark.parametrize(("z", "recommendation"), [(2.49, "stop"), (2.51, "ship")])
def test_alpha_is_split_over_primaries_and_treatments(z: float, recommendation: str) -> None:
    """Two-sided .05 over 2 × 2 is .0125, which is 2.4977 standard errors."""
    subject = make_experiment(primary=["conversion", "revenue"], treatments=["b", "c"])
    results = {(id_, arm): Result(FLAT) for id_ in ("conversion", "revenue") for arm in ("b", "c")}
    results["revenue", "c"] = Result(0.1 * z)
    assert Case(subject, results).decide()["recommendation"] == recommendation


def test_a_correction_that_does_not_control_the_family_is_made_up_for() -> None:
    """With `none` the adjusted interval is the plain one, here above 0; 2.2 standard errors are not 2.4977."""
    subject = make_experiment(primary=["conversion", "revenue"], treatments=["b", "c"], correction="none")
    results = {(id_, arm): Result(FLAT) for id_ in ("conversion", "revenue") for arm in ("b", "c")}
    results["revenue", "c"] = Result(0.22)
    plain = {"ci_low_adjusted": 0.024, "ci_high_adjusted": 0.416}
    assert Case(subject, results, extra=plain).decide()["recommendation"] == "stop"
    results["revenue", "c"] = Result(0.25)
    assert Case(subject, results, extra=plain).decide()["recommendation"] == "ship"


def test_a_failed_quality_check_goes_before_everything() -> None:
    decision = Case(
        make_experiment(), {("conversion", "b"): Result(HARM)}, failed_check="sample_ratio_mismatch"
    ).decide()
    assert decision["recommendation"] == "invalid"
    assert decision["summary"] == ("Do not use these results: the check sample_ratio_mismatch fails: a 6,000, b 4,000.")
    assert decision["reasons"][0]["rule"] == "sample_ratio_mismatch"
    assert decision["reasons"][0]["threshold"] == 0.001


def test_several_winners_the_highest_lower_bound_ships() -> None:
    """b: .6 ± 2.39·.2 has bound .12; c: .5 ± 2.39·.1 has .26."""
    subject = make_experiment(treatments=["b", "c", "d"])
    results = {("conversion", "b"): Result(0.6, se=0.2), ("conversion", "c"): Result(0.5)}
    results["conversion", "d"] = Result(FLAT)
    decision = Case(subject, results).decide()
    assert (decision["recommendation"], decision["variant_id"]) == ("ship", "c")


def test_winners_in_different_metrics_are_compared_in_the_first_listed() -> None:
    subject = make_experiment(primary=["conversion", "revenue"], treatments=["b", "c"])
    results = {("conversion", "b"): Result(0.4), ("revenue", "b"): Result(FLAT)}
    results |= {("conversion", "c"): Result(FLAT), ("revenue", "c"): Result(9.0)}
    assert Case(subject, results).decide()["variant_id"] == "b"


def test_a_winner_ships_though_another_one_needs_review() -> None:
    subject = make_experiment(treatments=["b", "c"], guardrail=["latency"])
    results = {("conversion", "b"): Result(0.9), ("latency", "b"): Result(0.2, margin=0.25)}
    results |= {("conversion", "c"): Result(0.4), ("latency", "c"): Result(FLAT)}
    decision = Case(subject, results).decide()
    assert (decision["recommendation"], decision["variant_id"]) == ("ship", "c")


def test_harm_in_one_treatment_goes_before_another_ones_win() -> None:
    subject = make_experiment(treatments=["b", "c"])
    results = {("conversion", "b"): Result(0.4), ("conversion", "c"): Result(-0.4)}
    decision = Case(subject, results).decide()
    assert (decision["recommendation"], decision["variant_id"]) == ("rollback", "c")
    assert decision["summary"] == (
        "Roll back c: Conversion is worse (-4.0%), beyond what chance explains."
        " b meets every condition to ship by itself."
    )


@pytest.mark.parametrize("effect", [WIN, FLAT])
def test_too_few_units_are_an_underpowered_end(effect: float) -> None:
    decision = Case(make_experiment(), {("conversion", "b"): Result(effect, n=999)}).decide()
    assert decision["recommendation"] == "review"
    assert ("minimum_units", "review") in outcomes(decision)
    assert "999 units in its smaller arm, 1,000 are the minimum" in decision["summary"]


def test_too_few_units_do_not_hold_back_a_rollback() -> None:
    decision = Case(make_experiment(), {("conversion", "b"): Result(HARM, n=999)}).decide()
    assert decision["recommendation"] == "rollback"


def test_too_few_days_are_an_underpowered_end() -> None:
    """14 days of exposure; the week that the window adds does not count."""
    assert (
        Case(make_experiment(minimum_days=14), {("conversion", "b"): Result(WIN)}).decide()["recommendation"] == "ship"
    )
    decision = Case(make_experiment(minimum_days=15), {("conversion", "b"): Result(WIN)}).decide()
    assert decision["recommendation"] == "review"
    assert ("minimum_days", "review") in outcomes(decision)


@pytest.mark.parametrize(("se", "recommendation"), [(0.0685, "stop"), (0.0695, "review")])
def test_the_power_gate_asks_the_standard_error(se: float, recommendation: str) -> None:
    """2 % of 10 is .2; power .825 at .05 needs .2/(1.95996 + .93459) = .0691. The observed effect plays no part."""
    subject = make_experiment(minimum_detectable_effect=0.02)
    for effect in (0.0, 0.05):
        decision = Case(subject, {("conversion", "b"): Result(effect, se=se)}).decide()
        assert decision["recommendation"] == recommendation
    if recommendation == "review":
        (gate,) = [reason for reason in decision["reasons"] if reason["rule"] == "planned_power"]
        assert gate["threshold"] == pytest.approx(0.825)


@pytest.mark.parametrize(("se", "recommendation"), [(0.077, "stop"), (0.078, "review")])
def test_the_power_gate_of_a_one_sided_test_is_one_sided(se: float, recommendation: str) -> None:
    """.2/(1.64485 + .93459) = .0775."""
    subject = make_experiment(minimum_detectable_effect=0.02, alternative="improvement")
    assert Case(subject, {("conversion", "b"): Result(0.0, se=se)}).decide()["recommendation"] == recommendation


def test_guardrails_raise_the_power_that_was_planned() -> None:
    """1 − (.2 − .025)/2 = .9125 needs .2/(1.95996 + 1.35631) = .0603."""
    subject = make_experiment(minimum_detectable_effect=0.02, guardrail=["latency"])
    recommendations = [
        Case(subject, {("conversion", "b"): Result(0.0, se=se), ("latency", "b"): Result(0.0)}).decide()
        for se in (0.060, 0.0606)
    ]
    assert [decision["recommendation"] for decision in recommendations] == ["stop", "review"]


def test_the_power_gate_asks_the_standard_error_with_pooled_variance() -> None:
    subject, results = make_experiment(minimum_detectable_effect=0.02), {("conversion", "b"): Result(0.0, se=0.0685)}
    assert Case(subject, results).decide()["recommendation"] == "stop"
    assert Case(subject, results, extra={"effect_se_pooled": 0.0695}).decide()["recommendation"] == "review"


def test_an_impossible_plan_is_never_met() -> None:
    """β .02 is below α_d .025."""
    subject = make_experiment(minimum_detectable_effect=0.02, power=0.98)
    assert Case(subject, {("conversion", "b"): Result(WIN, se=1e-6)}).decide()["recommendation"] == "review"


@pytest.mark.parametrize("status", ["incomplete", "overflow", "zero_variance", "missing"])
def test_a_primary_without_result_is_an_underpowered_end(status: str) -> None:
    results = {("conversion", "b"): Result(WIN, status=status), ("revenue", "b"): Result(WIN)}
    decision = Case(make_experiment(primary=["conversion", "revenue"]), results).decide()
    assert decision["recommendation"] == "review"
    assert ("primary_not_computed", "review") in outcomes(decision)


def test_the_sentence_says_once_what_is_missing_and_the_reasons_keep_the_details() -> None:
    results = {("conversion", arm): Result(WIN, status="incomplete") for arm in ("b", "c")}
    case = Case(
        make_experiment(treatments=["b", "c"]), results, extra={"n_baseline": math.nan, "n_treatment": math.nan}
    )
    decision = case.decide()
    assert decision["summary"] == (
        "Review: the experiment ended before it could tell."
        " Conversion has no result: logs of s (2026-09-03) are missing."
    )
    details = [reason["message"] for reason in decision["reasons"] if reason["rule"] == "primary_not_computed"]
    assert len(details) == 2
    assert all("/logs/s.csv: no header" in detail for detail in details)


def test_a_win_beside_a_primary_without_result_says_so() -> None:
    results = {("conversion", "b"): Result(WIN), ("revenue", "b"): Result(WIN, status="incomplete")}
    decision = Case(make_experiment(primary=["conversion", "revenue"]), results).decide()
    assert decision["summary"].startswith("Review b: Conversion is better")
    assert decision["summary"].endswith(", but Revenue has no result: logs of s (2026-09-03) are missing.")


def test_a_guardrail_without_result_is_unproven() -> None:
    results = {("conversion", "b"): Result(WIN), ("latency", "b"): Result(0.0, status="incomplete")}
    decision = Case(make_experiment(guardrail=["latency"]), results).decide()
    assert decision["recommendation"] == "review"
    assert ("guardrail_non_inferior", "review") in outcomes(decision)


def test_a_secondary_without_result_is_noted_and_does_not_decide() -> None:
    results = {("conversion", "b"): Result(WIN), ("visits", "b"): Result(0.0, status="incomplete")}
    decision = Case(make_experiment(secondary=["visits"]), results).decide()
    assert decision["recommendation"] == "ship"
    assert ("secondary_not_computed", "note") in outcomes(decision)


@pytest.mark.parametrize(("correction", "wins"), [("dunnett", True), ("benjamini_hochberg", False)])
def test_simultaneous_intervals_are_enough_where_they_control_the_family(correction: str, wins: bool) -> None:
    """Two primaries × two treatments: p .0127 is above .05/4, and Dunnett's level is a little above that."""
    subject = make_experiment(primary=["conversion", "revenue"], treatments=["b", "c"], correction=correction)
    row = Comparison(
        "revenue", "Revenue", "primary", "b", 1, "ok", "", p_value=0.0127, ci_low_adjusted=0.001, ci_high_adjusted=0.5
    )
    assert is_better_adjusted(row, subject) == wins
