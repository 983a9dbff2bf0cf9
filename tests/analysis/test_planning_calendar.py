"""Which experiments overlap, and the traffic they leave."""

from datetime import date
from typing import Any

import pandas as pd

from analysis.planning import experiment_calendar, traffic_left
from configs.schema import Experiment


def experiment(id_: str, start: int, end: int, **changes: Any) -> Experiment:
    """In September 2026, on the web's exposures."""
    base: dict[str, Any] = {
        "id": id_,
        "start": date(2026, 9, start),
        "end": date(2026, 9, end),
        "exposure_source": "web",
        "variants": [{"id": "a", "weight": 0.5, "baseline": True}, {"id": "b", "weight": 0.5}],
        "metrics": {"primary": ["revenue"]},
    }
    return Experiment(**base | changes)


FIRST = experiment("banner", 1, 14)
SECOND = experiment("checkout", 10, 20, metrics={"primary": ["conversion"], "secondary": ["revenue"]})
OTHER = experiment("emails", 5, 30, exposure_source="mail")


def test_overlaps_are_on_the_same_source_and_name_what_both_measure() -> None:
    frame = experiment_calendar([SECOND, OTHER, FIRST]).set_index("experiment_id")
    assert frame.index.tolist() == ["banner", "emails", "checkout"]
    assert frame.loc["banner", ["overlaps", "shared_metrics"]].tolist() == ["checkout", "revenue"]
    assert frame.loc["emails", ["overlaps", "shared_metrics"]].tolist() == ["", ""]
    assert (frame["traffic"] == 1).all()


def test_touching_on_one_day_is_an_overlap_and_the_next_day_is_not() -> None:
    same, after = experiment("same", 14, 16), experiment("after", 15, 16)
    assert experiment_calendar([FIRST, same])["overlaps"].tolist() == ["same", "banner"]
    assert experiment_calendar([FIRST, after])["overlaps"].tolist() == ["", ""]


def test_spans_of_traffic() -> None:
    frame = traffic_left([FIRST, SECOND], date(2026, 9, 1), date(2026, 9, 30))
    spans = list(zip(frame["from_date"].dt.day, frame["to_date"].dt.day, frame["experiments"], strict=True))
    assert spans == [(1, 9, "banner"), (10, 14, "banner, checkout"), (15, 20, "checkout"), (21, 30, "")]
    assert frame["traffic_taken"].tolist() == [1, 2, 1, 0]
    assert frame["traffic_left"].tolist() == [0, 0, 0, 1]


def test_what_is_over_is_shown_and_gives_its_traffic_back() -> None:
    over = experiment("over", 1, 30, status="shipped")
    frame = experiment_calendar([FIRST, SECOND, over], date(2026, 9, 15), date(2026, 9, 30))
    assert frame["experiment_id"].tolist() == ["over", "checkout"]
    left = traffic_left([FIRST, SECOND, over], date(2026, 9, 15), date(2026, 9, 30))
    assert left["experiments"].tolist() == ["checkout", ""]
    assert left["from_date"].tolist() == [pd.Timestamp(2026, 9, 15), pd.Timestamp(2026, 9, 21)]


def test_nothing_planned_gives_empty_tables() -> None:
    assert experiment_calendar([]).empty
    assert traffic_left([]).empty
