"""Miscalibrated metrics say so on the rows that come after."""

import pandas as pd

from analysis.calibration.calibrate import MISCALIBRATED
from analysis.calibration.marks import marked
from analysis.scorecard import ESTIMATED_STATUSES

SUNDAY = pd.Timestamp("2026-01-11")


def scorecard(*rows):
    frame = pd.DataFrame(rows, columns=["as_of_date", "metric_id", "variant_id", "status", "reason"])
    return frame.assign(
        as_of_date=pd.to_datetime(frame["as_of_date"]), experiment_id="e", metric_hash="h", method="welch"
    )


def calibrations(*rows):
    frame = pd.DataFrame(rows, columns=["as_of_date", "metric_id", "variant_id", "status", "reason"])
    return frame.assign(
        as_of_date=pd.to_datetime(frame["as_of_date"]), experiment_id="e", metric_hash="h", method="welch"
    )


BROKEN = (SUNDAY, "revenue", "b", "miscalibrated", "miscalibrated: tests reject 9 %")
FINE = (SUNDAY, "revenue", "c", "calibrated", "")


def test_rows_after_the_calibration_are_marked_in_every_treatment():
    rows = scorecard(
        ("2026-01-11", "revenue", "b", "ok", ""),
        ("2026-01-12", "revenue", "c", "ok", ""),
        ("2026-01-12", "revenue", "b", "skewed", "skewed: a tail"),
        ("2026-01-12", "visits", "b", "ok", ""),
        ("2026-01-12", "revenue", "d", "incomplete", "no data"),
    )
    found = marked(rows, calibrations(BROKEN, FINE))
    assert found["reason"].tolist() == [
        "",
        "miscalibrated: tests reject 9 %",
        "skewed: a tail; miscalibrated: tests reject 9 %",
        "",
        "no data",
    ]
    assert found["status"].tolist() == ["ok", "miscalibrated", "miscalibrated", "ok", "incomplete"]
    assert MISCALIBRATED in ESTIMATED_STATUSES


def test_a_later_calibration_that_passes_ends_it():
    later = (SUNDAY + pd.Timedelta(days=7), "revenue", "b", "calibrated", "")
    rows = scorecard(("2026-01-15", "revenue", "b", "ok", ""), ("2026-01-20", "revenue", "b", "ok", ""))
    assert marked(rows, calibrations(BROKEN, later))["reason"].tolist() == [BROKEN[-1], ""]


def test_another_definition_or_method_is_not_judged():
    rows = scorecard(("2026-01-15", "revenue", "b", "ok", ""))
    for changed in ({"metric_hash": "other"}, {"method": "welch_cuped"}):
        assert marked(rows.assign(**changed), calibrations(BROKEN))["reason"].tolist() == [""]


def test_nothing_changes_without_a_failure():
    rows = scorecard(("2026-01-15", "revenue", "b", "ok", ""))
    pd.testing.assert_frame_equal(marked(rows, calibrations(FINE)), rows)


def test_a_post_stratified_row_is_judged_by_its_unadjusted_estimate():
    rows = scorecard(("2026-01-15", "revenue", "b", "ok", "")).assign(method="welch_post_stratified always_valid")
    for method, reason in (("welch always_valid", BROKEN[-1]), ("welch", "")):
        found = marked(rows, calibrations(BROKEN).assign(method=method))
        assert found["reason"].tolist() == [reason]
        assert found["method"].tolist() == ["welch_post_stratified always_valid"]
