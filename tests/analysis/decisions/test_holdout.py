"""A holdout is measured at its end; it ships nothing, and harm of all together is for people to look into."""

from datetime import timedelta

import pytest

from tests.analysis.decisions.examples import DUE, Case, Result, make_experiment

HOLDOUT = make_experiment(secondary=["visits"]).model_copy(update={"type": "holdout"})
NOTHING = Result(0.0)


@pytest.mark.parametrize("effect", [1.0, 0.0])
def test_whatever_the_effect_a_complete_holdout_is_measured_and_stops(effect) -> None:
    results = {("conversion", "b"): Result(effect), ("visits", "b"): NOTHING}
    decision = Case(HOLDOUT, results).decide()

    assert decision["recommendation"] == "stop"
    between = "between +8.0% and +12.0%" if effect else "between -2.0% and +2.0%"
    assert decision["summary"] == (
        f"Measured, not shipped: all that the held-out units were kept from changed Conversion {effect / 10:+.1%},"
        f" {between}. The holdout may end."
    )


def test_before_its_end_it_goes_on() -> None:
    results = {("conversion", "b"): Result(-1.0), ("visits", "b"): NOTHING}
    decision = Case(HOLDOUT, results, as_of=DUE - timedelta(days=1)).decide()

    assert decision["recommendation"] == "continue"
    assert decision["summary"] == (
        "Keep it held out: a holdout is measured, and its cumulative effect is complete on 2026-09-21."
    )


def test_harm_of_all_together_is_reviewed_not_rolled_back() -> None:
    decision = Case(HOLDOUT, {("conversion", "b"): Result(0.0), ("visits", "b"): Result(-1.0)}).decide()

    assert decision["recommendation"] == "review"
    assert "Visits is worse (-10.0%)" in decision["summary"]


def test_a_failed_check_is_invalid_and_a_metric_without_result_is_named() -> None:
    results = {("conversion", "b"): Result(0.0, status="incomplete"), ("visits", "b"): NOTHING}

    assert Case(HOLDOUT, results, failed_check="mixed_exposures").decide()["recommendation"] == "invalid"
    assert "Conversion has no result (logs of s (2026-09-03) are missing)" in Case(HOLDOUT, results).decide()["summary"]
