"""Every branch of `do_no_harm`; the baseline mean is 10, a standard error .1, margins are .5 unless said otherwise."""

import pytest

from tests.analysis.decisions.examples import Case, Result, make_experiment


def decide(goals: dict[str, Result], guardrails: dict[str, Result] | None = None, **options: object):
    subject = make_experiment(primary=list(goals), guardrail=list(guardrails or {}), rule="do_no_harm", **options)
    return Case(subject, {(id_, "b"): result for id_, result in (goals | (guardrails or {})).items()}).decide()


def test_goals_and_guardrails_within_their_margins_ship() -> None:
    """No change at all is 5 standard errors inside the margin."""
    decision = decide({"conversion": Result(0.0), "revenue": Result(-0.1)}, {"latency": Result(0.1)})
    assert (decision["recommendation"], decision["variant_id"]) == ("ship", "b")
    assert decision["summary"] == (
        "Ship b: Conversion is proven to be within its margin (+0.0%; one-sided p 2.9e-07) and Revenue is proven"
        " to be within its margin (-1.0%; one-sided p 3.2e-05), and Latency is proven to be within its margin."
    )
    assert {(r["rule"], r["outcome"]) for r in decision["reasons"]} == {
        ("primary_non_inferior", "ship"),
        ("guardrail_non_inferior", "ship"),
    }


@pytest.mark.parametrize(("z", "recommendation"), [(1.63, "stop"), (1.66, "ship")])
def test_each_goal_is_tested_one_sided_at_alpha(z: float, recommendation: str) -> None:
    """1.6449 standard errors inside the margin, however many goals there are."""
    one = Result(0.0, margin=0.1 * z)
    assert decide({"conversion": one, "revenue": one, "visits": one})["recommendation"] == recommendation


def test_a_goal_that_is_not_proven_harmless_stops() -> None:
    decision = decide({"conversion": Result(0.0), "revenue": Result(-0.1, margin=0.2)})
    assert decision["recommendation"] == "stop"
    assert decision["summary"].startswith("Stop: not every primary metric is proven to be within its margin (")


def test_an_unproven_guardrail_needs_review() -> None:
    decision = decide({"conversion": Result(0.0)}, {"latency": Result(0.2, margin=0.25)})
    assert decision["recommendation"] == "review"


def test_a_margin_does_not_excuse_proven_harm() -> None:
    """−.3 is within the margin of .9, and is worse beyond chance."""
    assert decide({"conversion": Result(-0.3, margin=0.9)})["recommendation"] == "rollback"


def test_without_a_test_of_its_margin_a_goal_proves_nothing() -> None:
    subject = make_experiment(rule="do_no_harm")
    case = Case(subject, {("conversion", "b"): Result(0.9)}, extra={"p_value_non_inferiority": float("nan")})
    assert case.decide()["recommendation"] == "stop"


def test_the_power_gate_asks_at_the_margin() -> None:
    """One-sided .05, power 1 − .175/(1 + 1) = .9125, margin .3: .3/(1.64485 + 1.35631) = .09996."""
    for se, recommendation in ((0.0995, "ship"), (0.1005, "review")):
        goal, guardrail = Result(0.0, se=se, margin=0.3), Result(0.0, margin=5)
        decision = decide({"conversion": goal}, {"latency": guardrail}, minimum_detectable_effect=0.01)
        assert decision["recommendation"] == recommendation
    assert decide({"conversion": Result(0.0, se=0.1005, margin=0.3)})["recommendation"] == "ship"


@pytest.mark.parametrize(
    ("kind", "margin", "limit"),
    [
        # s² = se²/(2/5000); the relative margin's error is √(s²(1 + 1.03²)/5000)/√2... at .03·10 = .3.
        ("relative", 0.03, 0.3 / 3.00116 / ((1 + 0.97**2) / 2) ** 0.5),
        # A level 9.7 is .3 from the baseline 10, with the treatment's noise alone.
        ("level", 9.7, 0.3 / 3.00116 * 2**0.5),
    ],
)
def test_the_power_gate_knows_every_kind_of_margin(kind: str, margin: float, limit: float) -> None:
    subject = make_experiment(guardrail=["latency"], rule="do_no_harm", minimum_detectable_effect=0.01)
    for se, recommendation in ((limit * 0.995, "ship"), (limit * 1.005, "review")):
        results = {("conversion", "b"): Result(0.3, se=se), ("latency", "b"): Result(0.0)}
        case = Case(subject, results, extra={"margin": margin, "margin_type": kind})
        assert case.decide()["recommendation"] == recommendation
