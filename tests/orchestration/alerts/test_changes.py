"""One alert an incident: opened once, told again only when it is worse, over when it passes."""

from dataclasses import replace
from datetime import timedelta

import pytest

from orchestration.alerts.changes import Tracked, changes, escalations
from orchestration.alerts.incidents import Evidence, figure_class
from tests.orchestration.alerts.examples import MIXED, NOON, varied

HEALTH = frozenset({"health"})


class Days:
    """A run a day, each with what it finds; keeps what `changes` makes of it."""

    def __init__(self) -> None:
        self.known: dict[str, Tracked] = {}
        self.now = NOON

    def run(self, *found) -> list[str | None]:
        """The events that are told."""
        self.now += timedelta(days=1)
        made = changes(self.known, Evidence(found, kinds=HEALTH), self.now)
        self.known |= {change.after.incident.fingerprint: change.after for change in made}
        return [change.event for change in made if change.is_told]

    def mark(self, **marks) -> None:
        self.known = {name: replace(one, **marks) for name, one in self.known.items()}


def test_a_failure_is_told_once_and_so_is_its_end():
    days = Days()
    assert [days.run(MIXED), days.run(MIXED), days.run(), days.run()] == [["opened"], [], ["resolved"], []]


def test_another_digit_is_no_news_but_ten_times_the_threshold_and_a_graver_severity_are():
    days = Days()
    days.run(MIXED)
    assert days.run(varied(figure=0.034)) == []
    assert days.run(varied(figure=0.12, figure_class=figure_class(0.12, 0.01))) == ["changed"]
    assert days.run(varied(severity="error", figure_class=1)) == ["changed"]


def test_a_figure_that_swings_about_a_boundary_is_told_once():
    days = Days()
    told = [days.run(varied(figure_class=worse)) for worse in (0, 1, 0, 1, 0, 1)]
    assert told == [["opened"], ["changed"], [], [], [], []]


def test_what_comes_back_is_opened_again():
    days = Days()
    assert [days.run(MIXED), days.run(), days.run(MIXED)] == [["opened"], ["resolved"], ["opened"]]


def test_a_run_ends_only_what_it_looked_for():
    days = Days()
    days.run(MIXED)
    assert changes(days.known, Evidence([]), days.now) == []


def test_an_experiment_that_could_not_be_judged_ends_only_why_it_could_not():
    days, unreadable = Days(), varied(check="configuration", severity="error")
    days.run(MIXED, unreadable)

    found = changes(days.known, Evidence([unreadable], HEALTH, unjudged=frozenset({"checkout"})), days.now)
    assert [change.event for change in found] == [None]

    found = changes(days.known, Evidence([], HEALTH, unjudged=frozenset({"checkout"})), days.now)
    assert [(change.after.incident.check, change.event) for change in found] == [("configuration", "resolved")]


def test_since_is_the_earliest_day_known():
    """Segment rows of earlier dates are not kept: their first day is known from the run that saw it."""
    days = Days()
    days.run(MIXED)
    days.run(varied(since=varied().as_of))
    (one,) = days.known.values()
    assert one.incident.since == MIXED.since


def test_nothing_is_told_of_what_is_snoozed_until_the_snooze_ends():
    days = Days()
    days.run(MIXED)
    days.mark(snoozed_until=days.now + timedelta(days=2, hours=1))
    worse = varied(severity="error")
    assert [days.run(worse), days.run(worse), days.run(worse)] == [[], [], ["changed"]]


def test_what_opens_during_its_snooze_is_told_afterwards():
    days = Days()
    days.run(MIXED)
    days.mark(snoozed_until=days.now + timedelta(days=2, hours=1))
    assert [days.run(), days.run(MIXED), days.run(MIXED)] == [[], [], ["opened"]]


def test_what_nobody_acknowledges_is_escalated_once_after_its_response_time():
    days = Days()
    days.run(MIXED)

    def escalated_after(hours: float) -> list[str]:
        made = escalations(days.known.values(), {"warning": 240}, days.now + timedelta(hours=hours))
        days.known |= {change.after.incident.fingerprint: change.after for change in made}
        return [change.event for change in made]

    assert [escalated_after(3.9), escalated_after(4.0), escalated_after(5.0)] == [[], ["escalated"], []]


@pytest.mark.parametrize("mark", ["acknowledged_at", "escalated_at"])
def test_what_is_acknowledged_or_was_escalated_is_not(mark):
    days = Days()
    days.run(MIXED)
    days.mark(**{mark: days.now})
    assert escalations(days.known.values(), {"warning": 240}, days.now + timedelta(days=9)) == []


def test_a_severity_without_a_response_time_is_never_escalated():
    days = Days()
    days.run(MIXED)
    assert escalations(days.known.values(), {"critical": 1}, days.now + timedelta(days=9)) == []


def test_the_end_of_a_snooze_gives_the_response_time_again():
    days = Days()
    days.run(MIXED)
    days.mark(snoozed_until=days.now + timedelta(hours=10))
    after = [escalations(days.known.values(), {"warning": 240}, days.now + timedelta(hours=h)) for h in (9, 13, 14)]
    assert [len(made) for made in after] == [0, 0, 1]


def test_what_gets_worse_has_to_be_acknowledged_again():
    days = Days()
    days.run(MIXED)
    days.mark(acknowledged_at=days.now)
    days.run(varied(severity="error"))
    (one,) = days.known.values()
    assert (one.acknowledged_at, one.respond_from) == (None, days.now)


@pytest.mark.parametrize(
    ("figure", "threshold", "worse"),
    [(0.02, 0.01, 0), (0.1, 0.01, 1), (0.99, 0.01, 1), (1, 0, 0), (10, 0, 1), (None, 1, 0), (0.001, 0.01, 0)],
)
def test_a_figure_is_classed_by_orders_of_magnitude(figure, threshold, worse):
    assert figure_class(figure, threshold) == worse


def test_a_p_value_has_one_class():
    assert figure_class(1e-30, 0.001, is_p_value=True) == 0
