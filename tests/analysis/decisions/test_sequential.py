"""Methods that allow it are asked at every as-of date, and the first final answer stays."""

import json
from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

import pandas as pd
import pytest

from analysis.decisions import decisions
from tests.analysis.decisions.examples import DUE, END, METRICS, START, Case, Result, make_experiment

DAY = timedelta(days=1)
WIN, FLAT, HARM = Result(0.3), Result(0.0), Result(-0.3)
SEQUENTIAL = ["always_valid", "group_sequential"]


def on(day: int) -> date:
    return START + (day - 1) * DAY


def timeline(
    results: Mapping[int, Result | Mapping[str, Result]],
    failed: Mapping[int, str] | None = None,
    days: list[int] | None = None,
    **options: Any,
) -> pd.DataFrame:
    subject = make_experiment(**options)
    cases = [
        Case(
            subject,
            {
                (id_, "b"): result
                for id_, result in (found if isinstance(found, Mapping) else {"conversion": found}).items()
            },
            (failed or {}).get(day),
            on(day),
        )
        for day, found in results.items()
    ]
    scorecard, health = (pd.concat([getattr(case, name)() for case in cases]) for name in ("scorecard", "health"))
    asked = [on(day) for day in (days if days is not None else results)]
    return decisions(scorecard, health, {"banner": subject}, METRICS, asked)


@pytest.mark.parametrize("method", SEQUENTIAL)
def test_a_win_ships_before_the_end_once_the_gates_are_met_and_stays(method: str) -> None:
    found = timeline({5: WIN, 6: WIN, 7: WIN, 8: FLAT, 9: HARM}, method=method)
    assert found["recommendation"].tolist() == ["continue", "continue", "ship", "ship", "ship"]
    assert found["summary"][0] == (
        "Keep it running: nothing is decided yet; it is asked each day, until 2026-09-21 at the latest."
        " Conversion is better (+3.0%, between +1.0% and +5.0%), but 5 days of exposure, 7 are the minimum."
    )
    outcomes = {(reason["rule"], reason["outcome"]) for reason in json.loads(found["reasons"][0])}
    assert outcomes == {("primary_better", "ship"), ("minimum_days", "continue")}


@pytest.mark.parametrize("method", SEQUENTIAL)
def test_a_skewed_win_waits_for_the_end(method: str) -> None:
    skewed = Result(0.3, status="skewed", reason="skewed: a tail's probability may be off")
    found = timeline({7: skewed, 8: skewed, (DUE - START).days + 1: skewed}, method=method)
    assert found["recommendation"].tolist() == ["continue", "continue", "ship"]
    rules = [{reason["rule"] for reason in json.loads(reasons)} for reasons in found["reasons"]]
    assert ["skewed_look" in one for one in rules] == [True, True, False]


@pytest.mark.parametrize("method", SEQUENTIAL)
def test_skewed_harm_waits_for_the_end_and_ships_nothing_meanwhile(method: str) -> None:
    """Of a secondary, whose skewness alone would not hold a win back."""
    skewed = Result(-0.5, status="weak_baseline", reason="skewed: a tail's probability may be off; weak baseline")
    days = {7: skewed, 8: skewed, (DUE - START).days + 1: skewed}
    found = timeline(
        {day: {"conversion": WIN, "visits": harm} for day, harm in days.items()}, method=method, secondary=["visits"]
    )
    assert found["recommendation"].tolist() == ["continue", "continue", "rollback"]
    reasons = [{reason["rule"] for reason in json.loads(text)} for text in found["reasons"]]
    assert ["skewed_harm" in one for one in reasons] == [True, True, False]
    assert ["deterioration" in one for one in reasons] == [False, False, True]


@pytest.mark.parametrize("method", SEQUENTIAL)
def test_a_guardrail_whose_margin_test_is_skewed_holds_an_early_win_back(method: str) -> None:
    skewed = Result(0.0, status="skewed", reason="skewed margin test: it may pass too often, by over 0.005")
    days = (8, (DUE - START).days + 1)
    found = timeline(
        {day: {"conversion": WIN, "latency": skewed} for day in days}, method=method, guardrail=["latency"]
    )
    assert found["recommendation"].tolist() == ["continue", "ship"]


@pytest.mark.parametrize("method", SEQUENTIAL)
def test_too_few_matured_units_hold_an_early_win_back(method: str) -> None:
    found = timeline({8: Result(0.3, n=900), 9: Result(0.3, n=1_000)}, method=method)
    assert found["recommendation"].tolist() == ["continue", "ship"]


@pytest.mark.parametrize("method", SEQUENTIAL)
def test_an_early_win_waits_for_its_guardrails(method: str) -> None:
    unproven, proven = Result(0.2, margin=0.25), Result(0.0)
    found = timeline(
        {8: {"conversion": WIN, "latency": unproven}, 9: {"conversion": WIN, "latency": proven}},
        method=method,
        guardrail=["latency"],
    )
    assert found["recommendation"].tolist() == ["continue", "ship"]
    assert found["summary"][0].endswith("but Latency is not proven to be within its margin.")


@pytest.mark.parametrize("method", SEQUENTIAL)
def test_harm_rolls_back_at_once_whatever_the_gates_say(method: str) -> None:
    found = timeline({2: Result(-0.3, n=100), 3: WIN}, method=method)
    assert found["recommendation"].tolist() == ["rollback", "rollback"]


@pytest.mark.parametrize("method", SEQUENTIAL)
def test_a_failed_check_is_invalid_that_day_and_decides_nothing(method: str) -> None:
    found = timeline({8: WIN, 9: WIN}, {8: "sample_ratio_mismatch"}, method=method)
    assert found["recommendation"].tolist() == ["invalid", "ship"]


@pytest.mark.parametrize("method", SEQUENTIAL)
def test_without_a_win_it_goes_on_to_the_end_and_stops_there(method: str) -> None:
    last = (DUE - START).days + 1
    found = timeline({8: FLAT, last - 1: FLAT, last: FLAT, last + 1: WIN}, method=method)
    assert found["recommendation"].tolist() == ["continue", "continue", "stop", "stop"]


@pytest.mark.parametrize("method", SEQUENTIAL)
def test_an_earlier_decision_is_found_whichever_date_is_asked(method: str) -> None:
    found = timeline({8: WIN, 9: FLAT, 10: FLAT}, days=[10], method=method)
    assert found["recommendation"].tolist() == ["ship"]


def test_a_later_row_never_changes_an_earlier_decision() -> None:
    rows = {5: FLAT, 8: FLAT, 9: WIN, 10: HARM}
    whole = timeline(rows, method="always_valid")
    for day in rows:
        known = {earlier: result for earlier, result in rows.items() if earlier <= day}
        alone = timeline(known, days=[day], method="always_valid")
        pd.testing.assert_frame_equal(alone, whole[whole["as_of_date"] == pd.Timestamp(on(day))].reset_index(drop=True))


def test_futility_stops_a_group_sequential_test_when_every_goal_has_crossed_it() -> None:
    futile = Result(0.0, is_futile=True)
    goals = {"primary": ["conversion", "revenue"], "method": "group_sequential"}
    found = timeline(
        {7: {"conversion": futile, "revenue": FLAT}, 8: {"conversion": futile, "revenue": futile}, 9: WIN}, **goals
    )
    assert found["recommendation"].tolist() == ["continue", "stop", "stop"]
    assert found["summary"][1] == (
        "Stop: no primary metric is proven better, and that is unlikely to change by the planned end."
    )
    messages = [one["message"] for one in json.loads(found["reasons"][1]) if one["rule"] == "futility"]
    assert messages[0] == "Conversion is unlikely to be proven better in b by the planned end"
    too_early = timeline({6: {"conversion": futile, "revenue": futile}}, **goals)
    assert too_early["recommendation"].tolist() == ["continue"]


def test_one_futile_goal_is_enough_where_every_goal_must_win() -> None:
    found = timeline(
        {8: {"conversion": Result(0.0, is_futile=True), "revenue": WIN}},
        primary=["conversion", "revenue"],
        method="group_sequential",
        rule="clear_signals",
    )
    assert found["recommendation"].tolist() == ["stop"]


def test_a_goal_that_can_no_longer_be_proven_harmless_is_futile_too() -> None:
    unproven = Result(-0.1, margin=0.1, is_futile=True)
    found = timeline({8: unproven}, method="group_sequential", rule="do_no_harm")
    assert found["recommendation"].tolist() == ["stop"]
    assert "Conversion is unlikely to be proven within its margin in b by the planned end" in found["reasons"][0]


@pytest.mark.parametrize("method", ["fixed", "bayesian"])
def test_methods_that_are_decided_once_do_not_ship_early(method: str) -> None:
    last = (DUE - START).days + 1
    found = timeline({8: WIN, last - 1: WIN, last: WIN}, method=method)
    assert found["recommendation"].tolist() == ["continue", "continue", "ship"]


def test_a_sequential_win_needs_no_planned_power_but_its_absence_does() -> None:
    """2 % of 10 with power .825 at the interval's ±1.96 needs a standard error below .0691."""
    options = {"method": "always_valid", "minimum_detectable_effect": 0.02}
    last = (DUE - START).days + 1
    assert timeline({last: WIN}, **options)["recommendation"].tolist() == ["ship"]
    for se, recommendation in ((0.0685, "stop"), (0.0695, "review")):
        assert timeline({last: Result(0.0, se=se)}, **options)["recommendation"].tolist() == [recommendation]


def test_the_bayesian_rule_asks_for_probability_and_a_small_expected_loss() -> None:
    """P(better) = Φ(1.7) = .955 and a loss of .1·(φ(1.7) − 1.7·Φ(−1.7)) = .00183, .018 % of the baseline."""
    last = (DUE - START).days + 1

    def decided(effect: float, **options: Any) -> str:
        found = timeline({last: Result(effect)}, method="bayesian", **options)
        return str(found["recommendation"][0])

    assert decided(0.17) == "ship"
    assert decided(0.16) == "stop"
    assert decided(0.17, bayesian={"expected_loss_threshold": 0.000184}) == "ship"
    assert decided(0.17, bayesian={"expected_loss_threshold": 0.000182}) == "stop"
    assert decided(0.17, bayesian={"expected_loss_threshold": 0.00184, "scale": "absolute"}) == "ship"
    assert decided(0.17, bayesian={"expected_loss_threshold": 0.00182, "scale": "absolute"}) == "stop"
    assert END < DUE
