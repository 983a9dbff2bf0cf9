"""Exposure rows of unknown variants, and from outside the experiment's dates."""

from datetime import date
from typing import Any

import pandas as pd

from tests.analysis.health.examples import day, experiment, rows_of


def exposures(*rows: tuple[date, date | None, str, int], **changes: Any) -> pd.DataFrame:
    """(log date, exposure date, reason, rows) of the experiment."""
    frame = pd.DataFrame(rows, columns=["log_date", "exposed_date", "reason", "n_rows"])
    return frame.assign(**{"source_id": "web", "experiment_id": "banner"} | changes)


def test_refused_variants_warn_and_are_told_apart() -> None:
    frame = exposures(
        (day(0), day(0), "", 1_000),
        (day(1), day(1), "", 990),
        (day(1), None, "unknown_variant", 7),
        (day(1), None, "missing_variant_id", 3),
    )
    found = rows_of("unknown_variants", [day(0), day(1), day(2)], exposure_rows=frame)
    assert found["passed"].tolist() == [True, False, False]
    assert found["statistic"].tolist() == [0, 0.005, 0.005]
    assert found.loc[day(1), "message"] == (
        "10 of 2,000 exposure rows were refused (0.50%, warns above 0.10%): 3 missing_variant_id, 7 unknown_variant"
    )
    lenient = experiment(health={"unknown_variant_share": 0.01})
    assert rows_of("unknown_variants", [day(1)], lenient, exposure_rows=frame)["passed"].all()


def test_late_rows_are_refused_exposures_and_no_unknown_variants() -> None:
    frame = exposures((day(0), day(0), "", 970), (day(0), None, "late", 30))
    found = rows_of("refused_exposures", [day(0)], exposure_rows=frame).iloc[0]
    assert (found["passed"], found["severity"]) == (False, "warning")
    assert found["message"] == "30 of 1,000 exposure rows were refused (3.00%, warns above 1.00%): 30 late"
    assert rows_of("unknown_variants", [day(0)], exposure_rows=frame)["statistic"].tolist() == [0]


def test_rows_of_another_log_are_not_this_experiment_s() -> None:
    frame = exposures((day(0), None, "unknown_variant", 50), source_id="app")
    found = rows_of("unknown_variants", [day(0)], exposure_rows=frame).iloc[0]
    assert (found["passed"], found["message"]) == (True, "0 of 0 exposure rows were refused (none, warns above 0.10%)")


def test_exposures_before_the_start_warn() -> None:
    frame = exposures((day(-2), day(-2), "", 30), (day(0), day(0), "", 970), (day(1), day(1), "", 9_000))
    found = rows_of("exposures_outside_period", [day(0), day(1)], exposure_rows=frame)
    assert found["passed"].tolist() == [False, True]  # 3 % of rows so far, then .3 %
    assert found["severity"].tolist() == ["warning", "note"]
    assert found.loc[day(0), "message"] == (
        "30 of 1,000 exposure rows are from before the start (3.00%, warns above 1.00%), 0 from after the end; none of"
        " these counts"
    )


def test_exposures_after_the_end_leave_a_note() -> None:
    frame = exposures((day(27), day(27), "", 100), (day(28), day(28), "", 100))
    found = rows_of("exposures_outside_period", [day(27), day(28)], exposure_rows=frame)
    assert found["passed"].all()
    assert found["severity"].tolist() == ["warning", "note"]
