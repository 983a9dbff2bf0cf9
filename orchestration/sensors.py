"""Sensors: alerts after every run that ended, well or not, and escalations as time goes by."""

import dagster as dg

from orchestration.alerts.notify import Sent, alert_of_run, follow_up
from orchestration.workspace import Workspace

FOLLOW_UP_SECONDS = 300


def alert_sensors(workspace: Workspace) -> list[dg.SensorDefinition]:
    """A run that succeeds can have failed checks too: so one sensor for each way to end, and one for the clock."""

    def tell(context: dg.RunStatusSensorContext) -> dg.SkipReason:
        return _told(alert_of_run(workspace, context.instance, context.dagster_run.run_id))

    @dg.run_status_sensor(
        run_status=dg.DagsterRunStatus.SUCCESS,
        name="alert_of_successful_runs",
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Tells of checks that failed in a run that succeeded, and of incidents that are over.",
    )
    def successful(context: dg.RunStatusSensorContext) -> dg.SkipReason:
        return tell(context)

    @dg.run_status_sensor(
        run_status=dg.DagsterRunStatus.FAILURE,
        name="alert_of_failed_runs",
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Tells which step of a run failed, and why.",
    )
    def failed(context: dg.RunStatusSensorContext) -> dg.SkipReason:
        return tell(context)

    @dg.sensor(
        name="alert_follow_up",
        minimum_interval_seconds=FOLLOW_UP_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Escalates what nobody acknowledged in time; sends again what could not be sent.",
    )
    def later(_: dg.SensorEvaluationContext) -> dg.SkipReason:
        return _told(follow_up(workspace))

    return [successful, failed, later]


def _told(sent: list[Sent]) -> dg.SkipReason:
    listed = ", ".join(
        f"{one.destination} ({one.events} events, {'delivered' if one.outcome.is_delivered else one.outcome.error})"
        for one in sent
    )
    return dg.SkipReason(f"told {listed}" if sent else "nothing to tell")
