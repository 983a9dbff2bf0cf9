"""As time goes by: escalations by a clock that stands where it is put, messages that failed, marks by command."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from orchestration.alerts.notify import alert_of_run, follow_up
from orchestration.alerts.store import AlertStore
from tests.end_to_end.conftest import equipoise  # noqa: F401 - the command line as a fixture
from tests.orchestration.alerts.conftest import Webhook
from tests.orchestration.alerts.examples import NOON
from tests.orchestration.alerts.small_job import executed, job_of


@pytest.fixture
def boss(monkeypatch):
    server = Webhook()
    monkeypatch.setenv("EQUIPOISE_ALERT_BOSS", server.url)
    yield server
    server.close()


def warn(workspace, instance) -> str:
    """A run whose check warns, told at noon; returns the incident's fingerprint."""
    alert_of_run(workspace, instance, executed(job_of(passed=False), instance).run_id, now=NOON)
    with AlertStore.open(workspace.state) as store:
        return next(iter(store.tracked()))


def test_what_nobody_acknowledges_goes_to_the_escalation_once(instance, workspace, webhook, boss):
    warn(workspace, instance)

    for minutes in (29, 30, 31, 600):
        follow_up(workspace, now=NOON + timedelta(minutes=minutes))

    (escalated,) = boss.posted
    assert escalated["title"].endswith("1 escalated (warning)")
    assert "not acknowledged; told before: hook, 2026-10-10 12:00 UTC" in escalated["message"]
    assert len(webhook.posted) == 1


def test_who_is_told_of_an_escalation_is_told_of_its_end(instance, workspace, webhook, boss):
    warn(workspace, instance)
    follow_up(workspace, now=NOON + timedelta(hours=1))

    alert_of_run(workspace, instance, executed(job_of(passed=True), instance).run_id, now=NOON + timedelta(hours=2))

    assert [server.posted[-1]["title"].partition(": ")[2] for server in (webhook, boss)] == ["1 resolved"] * 2


@pytest.mark.parametrize(
    ("command", "state"), [(("acknowledge",), "acknowledged"), (("snooze", "--hours=100"), "snoozed")]
)
def test_a_command_stops_the_escalation(instance, workspace, webhook, boss, equipoise, command, state):  # noqa: F811
    fingerprint = warn(workspace, instance)

    done = equipoise(workspace, "alerts", command[0], fingerprint[:6], "--by=ana", *command[1:])
    follow_up(workspace, now=datetime.now(UTC) + timedelta(hours=20))

    assert (done.status, boss.posted) == (0, [])
    (listed,) = json.loads(equipoise(workspace, "alerts", "list", "--format=json").out)
    assert listed["state"] == state
    with AlertStore.open(workspace.state) as store:
        assert "by ana" in store.journal()[-1][11]


def test_a_message_that_failed_is_sent_by_command(instance, workspace, webhook, equipoise):  # noqa: F811
    webhook.answers = [500, 500]
    warn(workspace, instance)

    failed = equipoise(workspace, "alerts", "deliver")
    sent = equipoise(workspace, "alerts", "deliver")

    assert (failed.status, sent.status, len(webhook.posted)) == (1, 1, 1)  # the escalation has no URL
    with AlertStore.open(workspace.state) as store:
        opened = next(row for row in store.journal() if row[4] == "opened")
    assert opened[13:15] == ("delivered", 3)
    assert b"s3cr3t" not in (workspace.state / "alerts.sqlite").read_bytes()


def test_a_test_message_goes_to_each_destination(workspace, webhook, boss, equipoise):  # noqa: F811
    printed = equipoise(workspace, "alerts", "test", "--format=json")

    assert [(one["destination"], one["delivered"]) for one in json.loads(printed.out)] == [
        ("hook", True),
        ("boss", True),
    ]
    unknown = equipoise(workspace, "alerts", "test", "pager")
    file = workspace.configs / "alerts.yaml"
    said = f"{file} has no destination 'pager'; it has: hook, boss"
    assert (unknown.status, unknown.err.strip()) == (1, said)
    file.unlink()
    nobody = equipoise(workspace, "alerts", "test")
    assert (nobody.status, nobody.err.split(",")[0]) == (1, f"{file}: there is no such file")


def test_an_unknown_fingerprint_says_where_to_look(instance, workspace, webhook, equipoise):  # noqa: F811
    nowhere = equipoise(workspace, "alerts", "acknowledge", "0")
    assert "no incident was ever found here" in nowhere.err
    warn(workspace, instance)
    unknown = equipoise(workspace, "alerts", "acknowledge", "nothing")
    assert "see `equipoise alerts list`" in unknown.err
