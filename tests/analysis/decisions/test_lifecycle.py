"""Lifecycle events: the first harm that stops a running experiment, and on which evidence."""

import json
from datetime import date, timedelta

import pandas as pd

from analysis.decisions.lifecycle import EVENT_COLUMNS, lifecycle_events
from tests.analysis.decisions.examples import END, METRICS, START, Case, Result, make_experiment
from tests.analysis.decisions.test_monitor import decided

DAY = timedelta(days=1)
SUBJECT = make_experiment(primary=["revenue"], guardrail=["latency"])


def events(latency: dict[date, float], revenue: float = 0.0, failed_on: tuple[date, ...] = ()) -> pd.DataFrame:
    """Of an experiment with these effects, standard error 0.1; the fixed method is not due before its end."""
    cases = [
        Case(
            SUBJECT,
            {("revenue", "b"): Result(revenue), ("latency", "b"): Result(effect)},
            "some_check" if day in failed_on else None,
            day,
        )
        for day, effect in latency.items()
    ]
    return lifecycle_events(decided(cases, list(latency)), {"banner": SUBJECT})


def test_a_guardrail_that_crosses_its_bound_is_an_event_once_on_the_first_day() -> None:
    (event,) = events({START: 0.0, START + DAY: 0.6, START + 2 * DAY: 0.9}).to_dict("records")
    assert (event["as_of_date"].date(), event["event"], event["action"]) == (START + DAY, "guardrail_stop", "rollback")
    assert event["variant_id"] == "b"
    assert event["message"] == "Roll back b: Latency is worse (+6.0%), beyond what chance explains."
    (evidence,) = json.loads(event["evidence"])
    assert (evidence["metric_id"], evidence["role"], evidence["rule"]) == ("latency", "guardrail", "rollback_monitor")
    assert evidence["value"] < evidence["threshold"] == 0.0125


def test_later_rows_change_nothing_of_it() -> None:
    short, long = {START: 0.6}, {START: 0.6, START + DAY: 0.0, START + 2 * DAY: 0.9}
    pd.testing.assert_frame_equal(events(short), events(long))


def test_other_harm_has_a_name_of_its_own() -> None:
    assert events({START: 0.0}, revenue=-0.6)["event"].tolist() == ["harm_stop"]
    assert events({START: 0.6}, revenue=-0.6)["event"].tolist() == ["guardrail_stop"]


def test_numbers_that_cannot_be_trusted_stop_nothing() -> None:
    found = events({START: 0.6, START + DAY: 0.6}, failed_on=(START,))
    assert found["as_of_date"].dt.date.tolist() == [START + DAY]


def test_harm_found_when_no_more_units_enter_is_a_decision_and_no_event() -> None:
    assert events({END: 0.6})["event"].tolist() == ["guardrail_stop"]
    none = events({END + DAY: 0.6})
    assert none.empty
    assert none.dtypes.astype(str).to_dict() == EVENT_COLUMNS


def test_harmless_experiments_have_none() -> None:
    assert events({START: 0.0, START + DAY: 0.0}).empty
    assert set(METRICS) >= set(SUBJECT.metrics.roles)
