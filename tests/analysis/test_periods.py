"""From when to when an experiment is analysed."""

from datetime import date, timedelta

import pytest

from analysis.periods import analysed_days, analysis_end
from configs.schema import Experiment, Metric

METRICS = {
    "open": Metric(id="open", type="proportion", source="s", event="e"),
    "week": Metric(id="week", type="proportion", source="s", event="e", window={"end_days": 7}),
}


def experiment(*metrics: str, status: str = "running") -> Experiment:
    return Experiment(
        id="x",
        status=status,
        start=date(2026, 9, 1),
        end=date(2026, 9, 14),
        variants=[{"id": "a", "weight": 0.5, "baseline": True}, {"id": "b", "weight": 0.5}],
        metrics={"primary": metrics[:1], "secondary": metrics[1:]},
    )


@pytest.mark.parametrize(("metrics", "end"), [(["open"], date(2026, 9, 14)), (["open", "week"], date(2026, 9, 21))])
def test_analysis_ends_when_the_longest_window_of_the_last_unit_does(metrics: list[str], end: date) -> None:
    assert analysis_end(experiment(*metrics), METRICS) == end


def test_days_outside_the_analysis_are_left_out() -> None:
    dates = [date(2026, 8, 30) + timedelta(days=n) for n in range(40)]
    days = analysed_days(experiment("week"), METRICS, reversed(dates))
    assert days[0] == date(2026, 9, 1)
    assert days[-1] == date(2026, 9, 21)
    assert len(days) == 21


def test_a_draft_is_not_analysed() -> None:
    assert analysed_days(experiment("week", status="draft"), METRICS, [date(2026, 9, 5)]) == ()
