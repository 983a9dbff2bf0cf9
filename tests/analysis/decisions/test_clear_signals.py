"""Every branch of `clear_signals`; the baseline mean is 10 and a standard error .1."""

import pytest

from tests.analysis.decisions.examples import Case, Result, make_experiment

GOALS = ("conversion", "revenue")


def decide(effects: dict[str, float], guardrail: Result | None = None, **options: object):
    subject = make_experiment(
        primary=GOALS, guardrail=["latency"] if guardrail else [], rule="clear_signals", **options
    )
    results = {(id_, "b"): Result(effect) for id_, effect in effects.items()}
    return Case(subject, results | ({("latency", "b"): guardrail} if guardrail else {})).decide()


def test_every_goal_better_ships() -> None:
    decision = decide({"conversion": 0.3, "revenue": 0.25})
    assert (decision["recommendation"], decision["variant_id"], decision["rule"]) == ("ship", "b", "clear_signals")
    assert decision["summary"] == (
        "Ship b: Conversion is better (+3.0%, between +1.0% and +5.0%)"
        " and Revenue is better (+2.5%, between +0.5% and +4.5%)."
    )


def test_one_goal_that_is_not_better_stops() -> None:
    decision = decide({"conversion": 0.9, "revenue": 0.1})
    assert decision["recommendation"] == "stop"
    assert decision["summary"].startswith("Stop: not every primary metric is proven better (Conversion +9.0%")


@pytest.mark.parametrize(("z", "recommendation"), [(1.95, "stop"), (1.97, "ship")])
def test_alpha_is_not_split_over_goals(z: float, recommendation: str) -> None:
    """All must pass, so each is tested two-sided at .05: 1.96 standard errors, not 2.24."""
    assert decide({"conversion": 0.1 * z, "revenue": 0.1 * z})["recommendation"] == recommendation


def test_an_unproven_guardrail_needs_review() -> None:
    decision = decide({"conversion": 0.3, "revenue": 0.3}, Result(0.2, margin=0.25))
    assert decision["recommendation"] == "review"
    assert decision["summary"].endswith("but Latency is not proven to be within its margin.")
    assert decide({"conversion": 0.3, "revenue": 0.3}, Result(0.0))["recommendation"] == "ship"


def test_harm_rolls_back() -> None:
    assert decide({"conversion": 0.9, "revenue": -0.3})["recommendation"] == "rollback"


def test_power_is_planned_for_every_goal_and_guardrail() -> None:
    """1 − (.2 − .025)/(2 + 1) = .94167 at α .05 unsplit: .2/(1.95996 + 1.56884) = .05668."""
    for se, recommendation in ((0.0565, "stop"), (0.0569, "review")):
        subject = make_experiment(
            primary=GOALS, guardrail=["latency"], rule="clear_signals", minimum_detectable_effect=0.02
        )
        results = {(id_, "b"): Result(0.0, se=se) for id_ in GOALS} | {("latency", "b"): Result(0.0)}
        decision = Case(subject, results).decide()
        assert decision["recommendation"] == recommendation
    (gate, _) = [reason for reason in decision["reasons"] if reason["rule"] == "planned_power"]
    assert gate["threshold"] == pytest.approx(1 - 0.175 / 3)


def test_several_winners_the_highest_lower_bound_ships() -> None:
    subject = make_experiment(primary=GOALS, treatments=["b", "c"], rule="clear_signals")
    results = {("conversion", "b"): Result(0.6, se=0.2), ("conversion", "c"): Result(0.5)}
    results |= {("revenue", "b"): Result(0.9), ("revenue", "c"): Result(0.3)}
    decision = Case(subject, results).decide()
    assert (decision["recommendation"], decision["variant_id"]) == ("ship", "c")


def test_a_goal_without_result_is_an_underpowered_end() -> None:
    subject = make_experiment(primary=GOALS, rule="clear_signals")
    results = {("conversion", "b"): Result(0.3), ("revenue", "b"): Result(0.3, status="incomplete")}
    decision = Case(subject, results).decide()
    assert decision["recommendation"] == "review"
    assert "Revenue has no result" in decision["summary"]
