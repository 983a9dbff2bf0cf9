"""What three weeks teach: ranges that their days meet, and that a spoiled one among them does not widen."""

from typing import Any

import pytest

from configs.suite_schema import Suite
from orchestration.lake import Lake
from orchestration.suites.history import read_history
from orchestration.suites.learn import learn_suite
from tests.orchestration.ingest_case import event_source, exposure_source
from tests.orchestration.suites.weeks import DAYS, judged_by


@pytest.fixture(scope="module")
def learnt(weeks) -> Suite:
    return learn_suite(read_history(Lake(weeks.lake), event_source(), 4))


def entry(suite: Suite, label: str) -> Any:
    (found,) = [entry for entry in (*suite.day, *suite.rows) if entry.label == label]
    return found


def test_counts_cover_weekdays_and_weekends(learnt):
    rows = entry(learnt, "rows_read")
    assert 80 <= rows.min_value <= 105 and 760 <= rows.max_value <= 840
    assert entry(learnt, "rows_per_unit").severity == "warning"
    view = entry(learnt, "slice_share of view")
    assert (view.min_value, view.max_value) == (0.33, None)  # twice the usual share is beyond 1


def test_a_spoiled_day_is_not_learnt_from(learnt):
    assert entry(learnt, "column_values_to_be_in_set channel").value_set == ("app", "web")
    amounts = entry(learnt, "column_values_to_be_between amount (purchase)")
    assert 2 < amounts.min_value < 10 and 100 < amounts.max_value < 600
    median = entry(learnt, "median of amount (purchase)")
    assert median.min_value < 30 < median.max_value < 100


def test_the_days_meet_it_and_the_spoiled_one_does_not(learnt, own_weeks):
    found = judged_by(own_weeks, learnt, list(range(len(DAYS))))
    assert [number for number, columns in enumerate(found) if columns] == [9]
    assert found[9].keys() == {"channel", "amount (purchase)", "median of amount (purchase)"}


def test_nothing_learnt_blocks(learnt):
    assert {entry.figure for entry in learnt.day if entry.severity == "blocking"} == {"rows", "quarantine_share"}
    assert {entry.severity for entry in learnt.rows} == {"warning"}


def test_of_exposures_only_attributes_and_ids(weeks):
    suite = learn_suite(read_history(Lake(weeks.lake), exposure_source(), 4))
    assert [entry.label for entry in suite.rows] == [
        "column_values_to_be_in_set country",
        "column_value_lengths_to_be_between unit_id",
    ]
    labels = {entry.label for entry in suite.day}
    assert "null_share of country" in labels and "unknown_share" in labels
    assert not labels & {"rows_read", "volume_ratio", "silent_hours"}


def test_too_little_history_teaches_nothing(weeks):
    history = read_history(Lake(weeks.lake), event_source(), 1)
    assert len(history.days) == 7 and not history.is_enough
    suite = learn_suite(history)
    assert suite.rows == () and {entry.of for entry in suite.day} == {None}
