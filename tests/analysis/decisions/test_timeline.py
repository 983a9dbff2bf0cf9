"""When an experiment is decided, and that it is decided once."""

from collections.abc import Sequence
from datetime import date, timedelta

import pandas as pd
import pytest

from analysis.decisions import COLUMNS, decisions
from analysis.periods import analysis_end
from configs.schema import Experiment
from tests.analysis.decisions.examples import DUE, END, METRICS, START, Case, Result, make_experiment

DAY = timedelta(days=1)
WIN, HARM = Result(0.3), Result(-0.3)


def decided(cases: Sequence[Case], days: Sequence[date], experiment: Experiment | None = None) -> list[str]:
    frame = decisions(
        pd.concat([case.scorecard() for case in cases]),
        pd.concat([case.health() for case in cases]),
        {"banner": experiment or cases[0].experiment},
        METRICS,
        days,
    )
    return frame["recommendation"].tolist()


def history(results: dict[date, Result], failed: dict[date, str] | None = None) -> list[Case]:
    return [
        Case(make_experiment(), {("conversion", "b"): result}, (failed or {}).get(day), day)
        for day, result in results.items()
    ]


@pytest.mark.parametrize("result", [WIN, HARM])
@pytest.mark.parametrize("day", [START, END - DAY, END, DUE - DAY])
def test_fixed_neither_ships_nor_rolls_back_before_every_metric_is_mature(day: date, result: Result) -> None:
    case = Case(make_experiment(), {("conversion", "b"): result}, as_of=day)
    decision = case.decide()
    assert decision["recommendation"] == "continue"
    assert decision["summary"] == (
        "Keep it running: it is decided once, on 2026-09-21, when every metric is complete for the units of its"
        " last day, 2026-09-14."
    )
    assert [reason["rule"] for reason in decision["reasons"]] == ["planned_end"]


def test_without_windows_it_is_decided_at_the_end() -> None:
    subject = make_experiment(primary=["revenue"])
    assert analysis_end(subject, METRICS) == END
    early, final = (Case(subject, {("revenue", "b"): WIN}, as_of=day) for day in (END - DAY, END))
    assert early.decide()["summary"] == "Keep it running: it is decided once, on 2026-09-14."
    assert final.decide()["recommendation"] == "ship"


def test_every_metric_the_rule_reads_must_be_mature_a_secondary_too() -> None:
    subject = make_experiment(primary=["revenue"], secondary=["conversion"])
    results = {("revenue", "b"): WIN, ("conversion", "b"): Result(0.0)}
    assert Case(subject, results, as_of=END).decide()["recommendation"] == "continue"
    assert Case(subject, results, as_of=DUE).decide()["recommendation"] == "ship"


def test_once_decided_the_decision_stays() -> None:
    """A win on the due date; the next days' rows, and even a failed check, no longer count."""
    days = [DUE - DAY, DUE, DUE + DAY, DUE + 2 * DAY]
    cases = history(dict(zip(days, (HARM, WIN, HARM, HARM), strict=True)), {DUE + DAY: "mixed_exposures"})
    assert decided(cases, days) == ["continue", "ship", "ship", "ship"]


def test_a_due_date_without_a_run_is_made_up_for_by_the_next() -> None:
    cases = history({DUE - DAY: WIN, DUE + DAY: HARM, DUE + 2 * DAY: WIN})
    assert decided(cases, [DUE - DAY, DUE + DAY, DUE + 2 * DAY]) == ["continue", "rollback", "rollback"]


def test_long_after_the_end_nothing_is_said_without_the_deciding_rows() -> None:
    assert decided(history({DUE - DAY: WIN}), [DUE + 9 * DAY]) == []


def test_a_due_date_without_any_result_is_reviewed() -> None:
    case = Case(make_experiment(), {("conversion", "b"): Result(0.3, status="missing")})
    empty = case.scorecard()
    assert empty.empty
    frame = decisions(empty, case.health(), {"banner": case.experiment}, METRICS, [DUE])
    assert frame["recommendation"].tolist() == ["review"]
    assert "the scorecard has no row for it" in frame["summary"][0]


def test_a_failed_check_makes_a_running_experiment_invalid_on_that_day() -> None:
    cases = history({END - DAY: WIN, END: WIN}, {END: "sample_ratio_mismatch"})
    assert decided(cases, [END - DAY, END]) == ["continue", "invalid"]


def test_warnings_and_notes_do_not_gate() -> None:
    case = Case(make_experiment(), {("conversion", "b"): WIN}, "mixed_exposures")
    for severity in ("warning", "note"):
        health = case.health().assign(severity=severity)
        frame = decisions(case.scorecard(), health, {"banner": case.experiment}, METRICS, [DUE])
        assert frame["recommendation"].tolist() == ["ship"]


def test_without_any_health_check_nothing_vouches_for_the_data() -> None:
    case = Case(make_experiment(), {("conversion", "b"): WIN})
    frame = decisions(case.scorecard(), case.health().iloc[:0], {"banner": case.experiment}, METRICS, [DUE])
    assert frame["recommendation"].tolist() == ["invalid"]
    assert "no health check was computed" in frame["summary"][0]


def test_segment_rows_do_not_decide() -> None:
    case = Case(make_experiment(), {("conversion", "b"): Result(0.0)})
    segment = Case(make_experiment(), {("conversion", "b"): HARM}).scorecard().assign(segment_name="country")
    both = pd.concat([case.scorecard(), segment])
    frame = decisions(both, case.health(), {"banner": case.experiment}, METRICS, [DUE])
    assert frame["recommendation"].tolist() == ["stop"]


def test_drafts_and_days_before_the_start_have_no_decision() -> None:
    cases = history({START: WIN})
    assert decided(cases, [START - DAY]) == []
    assert decided(cases, [START], cases[0].experiment.model_copy(update={"status": "draft"})) == []


def test_a_rule_that_is_not_built_is_named() -> None:
    subject = make_experiment().model_copy(
        update={"decision": make_experiment().decision.model_copy(update={"rule": "coin_toss"})}
    )
    known = "clear_signals, do_no_harm, risk_aware"
    with pytest.raises(ValueError, match=f"experiment banner: unknown decision rule 'coin_toss'; known: {known}"):
        decided(history({DUE: WIN}), [DUE], subject)


def test_the_frame_is_typed_and_sorted_also_when_empty() -> None:
    cases = history({END: WIN, DUE: WIN})
    scorecard, health = (pd.concat([getattr(case, name)() for case in cases]) for name in ("scorecard", "health"))
    frames = [decisions(scorecard, health, {"banner": cases[0].experiment}, METRICS, days) for days in ([DUE, END], [])]
    assert frames[0]["as_of_date"].tolist() == [pd.Timestamp(END), pd.Timestamp(DUE)]
    for frame in frames:
        assert list(frame.columns) == COLUMNS
        assert str(frame["as_of_date"].dtype) == "datetime64[us]"
        assert {str(frame[column].dtype) for column in COLUMNS[1:]} == {"str"}
