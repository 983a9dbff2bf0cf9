"""What a Dagster run shows, by runs that really take place: failed checks of a run that succeeds, failed steps."""

import dagster as dg

from orchestration.alerts.notify import alert_of_run
from orchestration.alerts.run_evidence import run_evidence
from orchestration.sensors import alert_sensors
from tests.orchestration.alerts.small_job import executed, job_of


def test_a_check_that_fails_in_a_run_that_succeeds_is_an_incident(instance):
    run = executed(job_of(passed=False), instance)

    evidence = run_evidence(instance, run, {"orders": "data@example.com"})

    (incident,) = evidence.incidents
    assert run.is_success
    assert (incident.kind, incident.subject, incident.check, incident.severity) == (
        "check", "ingest/orders", "adds_up", "warning",
    )  # fmt: skip
    assert (incident.figure, incident.threshold, incident.owner) == (3.0, 0.0, "data@example.com")
    assert incident.message == "3 rows too many"


def test_a_step_that_fails_is_an_incident_with_its_own_words(instance):
    run = executed(job_of(passed=True, error="the disk is full"), instance)

    (incident,) = run_evidence(instance, run, {}).incidents

    assert (incident.kind, incident.subject, incident.severity) == ("run", "small", "critical")
    assert "the disk is full" in incident.message
    assert "nothing was published" in incident.gated


def told(webhook) -> list[str]:
    return [post["title"].partition(": ")[2] for post in webhook.posted]


def test_a_check_is_told_once_over_reruns_and_again_when_it_passes(instance, workspace, webhook):
    for passed in (False, False, True):
        alert_of_run(workspace, instance, executed(job_of(passed), instance).run_id)

    assert told(webhook) == ["1 opened (warning)", "1 resolved"]


def test_the_sensors_tell_what_the_command_line_has_not_told(instance, workspace, webhook):
    successful, failed, follow_up = alert_sensors(workspace)

    def tick(sensor: dg.SensorDefinition, run: dg.DagsterRun, kind: dg.DagsterEventType) -> None:
        (event,) = (record.event_log_entry for record in instance.get_records_for_run(run.run_id, of_type=kind).records)
        sensor(dg.build_run_status_sensor_context(sensor.name, event.dagster_event, instance, run))

    warned = executed(job_of(passed=False), instance)
    tick(successful, warned, dg.DagsterEventType.RUN_SUCCESS)
    alert_of_run(workspace, instance, warned.run_id)
    tick(successful, warned, dg.DagsterEventType.RUN_SUCCESS)
    tick(failed, executed(job_of(passed=True, error="broken"), instance), dg.DagsterEventType.RUN_FAILURE)
    follow_up(dg.build_sensor_context(instance))

    assert told(webhook) == ["1 opened (warning)", "1 opened (critical)"]
    assert all(sensor.default_status == dg.DefaultSensorStatus.RUNNING for sensor in (successful, failed, follow_up))


def test_what_could_not_be_delivered_is_recorded_and_sent_with_the_next_run(instance, workspace, webhook):
    webhook.answers = [500]
    (sent,) = alert_of_run(workspace, instance, executed(job_of(passed=False), instance).run_id)
    assert not sent.outcome.is_delivered

    alert_of_run(workspace, instance, executed(job_of(passed=False), instance).run_id)

    assert told(webhook) == ["1 opened (warning)"]


def test_without_alerts_yaml_nothing_happens(instance, workspace, webhook):
    (workspace.configs / "alerts.yaml").unlink()

    assert alert_of_run(workspace, instance, executed(job_of(passed=False), instance).run_id) == []
    assert (webhook.posted, workspace.state.exists()) == ([], False)
