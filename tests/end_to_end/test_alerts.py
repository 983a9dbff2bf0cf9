"""From a lost log file to one message, and from the mended file to its end: YAML, pipeline, sensor, table, commands."""

import json
from dataclasses import replace

import dagster as dg
import duckdb
import pytest

from orchestration.alerts.store import AlertStore
from orchestration.sensors import alert_sensors
from orchestration.workspace import Workspace
from tests.end_to_end.pipeline import copy_of, environment_kept, table
from tests.end_to_end.two_experiments.days import DAYS
from tests.orchestration.alerts.conftest import MailServer, Webhook

ALERTS = """\
destinations: {hook: {url_env: EQUIPOISE_ALERT_HOOK}, mail: {url_env: EQUIPOISE_ALERT_MAIL}}
routes: [{sources: [orders], destinations: [mail]}]
default: [hook]
response_minutes: {error: 60}
escalation: hook
pause_seconds: 0
"""


@pytest.fixture
def servers(monkeypatch):
    webhook, mail = Webhook(), MailServer()
    monkeypatch.setenv("EQUIPOISE_ALERT_HOOK", webhook.url)
    monkeypatch.setenv("EQUIPOISE_ALERT_MAIL", mail.url)
    yield webhook, mail
    webhook.close()
    mail.close()


@pytest.fixture
def workspace(unrun_shop, tmp_path) -> Workspace:
    copied = replace(copy_of(unrun_shop, tmp_path, "configs", "data"), state=tmp_path / "state")
    (copied.configs / "alerts.yaml").write_text(ALERTS)
    return copied


def titles(webhook: Webhook) -> list[str]:
    return [post["title"] for post in webhook.posted]


def test_a_lost_day_is_told_once_and_is_over_when_its_file_comes(workspace, servers, equipoise):
    webhook, mail = servers
    lost = workspace.data / "orders" / f"{DAYS[1]}.csv"
    kept = lost.rename(workspace.data / "kept.csv")
    days = f"--from={DAYS[0]}", f"--to={DAYS[1]}"

    first = equipoise(workspace, "run", *days, "--format=json")

    assert len(mail.messages) == 1  # the source's
    assert titles(webhook) == ["two_experiments: 4 opened (warning)"]
    assert "missing_data" in webhook.posted[0]["message"]

    # The daemon sees the same run: nobody hears of it again.
    with environment_kept():
        workspace.activate()
        with dg.DagsterInstance.get() as instance:
            run = instance.get_run_by_id(json.loads(first.out)["run_id"])
            record = instance.get_records_for_run(run.run_id, of_type=dg.DagsterEventType.RUN_SUCCESS).records[0]
            event = record.event_log_entry.dagster_event
            sensor = alert_sensors(workspace)[0]
            sensor(dg.build_run_status_sensor_context(sensor.name, event, instance, run))
    assert (len(mail.messages), len(webhook.posted)) == (1, 1)

    assert_queries_show_something(workspace)
    listed = json.loads(equipoise(workspace, "alerts", "list", "--format=json").out)
    assert {(one["subject"], one["check"], one["state"]) for one in listed} == {
        ("orders", "missing_day", "open"), ("checkout", "missing_data", "open"), ("pricing", "missing_data", "open"),
        # Both logs hold rows of a variant that is not configured, on every day.
        ("checkout", "unknown_variants", "open"), ("pricing", "unknown_variants", "open"),
    }  # fmt: skip
    equipoise(workspace, "alerts", "acknowledge", listed[0]["fingerprint"], "--by=ana")

    kept.rename(lost)
    equipoise(workspace, "run", f"--date={DAYS[1]}")

    assert titles(webhook)[1:] == ["two_experiments: 2 resolved"]
    assert len(mail.messages) == 2
    published = table(workspace.state, "alerts")
    assert published["event"].value_counts().to_dict() == {"opened": 5, "acknowledged": 1}
    told = published[published["event"] == "opened"]
    assert set(told["delivery_status"]) == {"delivered"}
    assert set(told["destination"]) == {"hook", "mail"}


@pytest.mark.slow
def test_days_run_one_by_one_and_again_tell_it_once(workspace, servers, equipoise):
    webhook, mail = servers
    (workspace.data / "orders" / f"{DAYS[1]}.csv").unlink()

    for day in (*DAYS[:2], DAYS[1], DAYS[1]):
        equipoise(workspace, "run", f"--date={day}")

    assert (len(mail.messages), len(webhook.posted)) == (1, 1)


def assert_queries_show_something(workspace: Workspace) -> None:
    with AlertStore.open(workspace.state) as store:
        incidents = [one.incident for one in store.tracked().values()]
    with duckdb.connect(str((workspace.state / "results.duckdb").resolve()), read_only=True) as results:
        assert all(results.execute(incident.query).fetchall() for incident in incidents)


def test_a_run_that_cannot_start_is_told_and_fails_as_it_would(workspace, servers, equipoise):
    webhook, _ = servers
    (workspace.configs / "sources.yaml").write_text("exposures: []\n")

    ended = equipoise(workspace, "run", f"--date={DAYS[0]}")
    equipoise(workspace, "run", f"--date={DAYS[0]}")

    assert ended.status == 1
    assert titles(webhook) == ["equipoise: 1 opened (critical)"]
    assert "sources.yaml:1" in webhook.posted[0]["message"]


def test_alerting_that_is_broken_does_not_fail_the_run(workspace, servers, equipoise, monkeypatch):
    monkeypatch.delenv("EQUIPOISE_ALERT_HOOK")
    (workspace.configs / "sources.yaml").write_text("exposures: []\n")

    ended = equipoise(workspace, "run", f"--date={DAYS[0]}")

    assert "alert to hook not delivered after 0 attempts: the environment variable EQUIPOISE_ALERT_HOOK" in ended.err
    (workspace.configs / "alerts.yaml").write_text("default: [hook]\n")
    assert (
        "alerts not sent: alerts.yaml:1: missing key 'destinations'"
        in equipoise(workspace, "run", f"--date={DAYS[0]}").err
    )
