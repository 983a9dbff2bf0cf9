"""What segments and days since exposure add to a decision: notes, and in the summary a reversal."""

import json
from datetime import date, timedelta
from typing import Any

import pandas as pd
import pytest

from analysis.decisions import decisions
from analysis.heterogeneity.columns import MIX_COLUMNS, TREND_COLUMNS
from tests.analysis.decisions.examples import DUE, METRICS, Case, Result, make_experiment

WIN = Result(0.3)
KEY = {"experiment_id": "banner", "metric_id": "conversion", "role": "primary", "variant_id": "b", "baseline_id": "a"}
MIX = KEY | {
    "segment_name": "country",
    "p_value": 1e-5,
    "finding": "reversal",
    "reason": "DE is 60% of b",
}
WEEKS = KEY | {
    "term": "last_week_less_first", "scale": "relative", "n_days": 14, "first_week_effect": 0.08,
    "last_week_effect": 0.01, "p_value_adjusted": 0.002, "confidence_level": 0.95, "finding": "novelty",
}  # fmt: skip


def frame(columns: dict[str, str], rows: list[dict[str, Any]], day: date = DUE) -> pd.DataFrame:
    return pd.DataFrame([{"as_of_date": pd.Timestamp(day)} | row for row in rows]).reindex(columns=list(columns))


def decided(mixes: pd.DataFrame | None, trends: pd.DataFrame | None = None, result: Result = WIN, **case: Any) -> dict:
    one = Case(make_experiment(guardrail=["latency"], secondary=["visits"]), {("conversion", "b"): result}, **case)
    day = case.get("as_of", DUE)
    rows = decisions(one.scorecard(), one.health(), {"banner": one.experiment}, METRICS, [day], mixes, trends)
    (row,) = rows.to_dict("records")
    return row | {"reasons": json.loads(row["reasons"])}


def notes(decision: dict) -> list[dict]:
    return [
        reason for reason in decision["reasons"] if reason["rule"] in ("reversal", "mix_shift", "novelty", "primacy")
    ]


def test_a_reversal_is_a_reason_and_in_the_summary() -> None:
    plain, found = decided(None), decided(frame(MIX_COLUMNS, [MIX]))
    assert found["recommendation"] == plain["recommendation"]
    assert found["summary"] == (
        f"{plain['summary']} Look at the segments before acting: conversion of b, by country: DE is 60% of b."
    )
    assert notes(found) == [
        {"rule": "reversal", "outcome": "note", "message": "conversion of b, by country: DE is 60% of b",
         "metric_id": "conversion", "variant_id": "b", "value": 1e-5, "threshold": 0.001}
    ]  # fmt: skip


def test_a_mix_that_only_shifts_the_size_stays_out_of_the_summary() -> None:
    found = decided(frame(MIX_COLUMNS, [MIX | {"finding": "mix_shift"}]))
    assert [note["rule"] for note in notes(found)] == ["mix_shift"]
    assert found["summary"] == decided(None)["summary"]


@pytest.mark.parametrize("change", [{"finding": "none"}, {"role": "secondary"}, {"experiment_id": "another"}])
def test_no_finding_of_a_deciding_metric_is_no_note(change: dict[str, str]) -> None:
    assert decided(frame(MIX_COLUMNS, [MIX | change])) == decided(None)


def test_what_is_not_the_final_date_s_is_not_quoted() -> None:
    """It would be gone when the decision is computed again."""
    before = DUE - timedelta(days=1)
    assert decided(frame(MIX_COLUMNS, [MIX], before)) == decided(None)
    assert notes(decided(frame(MIX_COLUMNS, [MIX], before), as_of=before)) == []


def test_an_invalid_experiment_has_no_notes() -> None:
    found = decided(frame(MIX_COLUMNS, [MIX]), failed_check="some_check")
    assert (found["recommendation"], notes(found)) == ("invalid", [])


def test_a_fading_effect_is_told_once_by_its_weeks() -> None:
    slope = WEEKS | {"term": "slope", "p_value_adjusted": 1e-4}
    (note,) = notes(decided(None, frame(TREND_COLUMNS, [slope, WEEKS])))
    assert note["message"] == (
        "the effect of b on conversion fades: +8.0% in the first week since exposure, +1.0% in the last of 14 days"
    )
    assert (note["rule"], note["value"], note["threshold"]) == ("novelty", 0.002, pytest.approx(0.05))
    (alone,) = notes(decided(None, frame(TREND_COLUMNS, [slope | {"finding": "primacy", "n_days": 7}])))
    assert alone["message"] == "the effect of b on conversion grows: by its slope over 7 days since exposure"
