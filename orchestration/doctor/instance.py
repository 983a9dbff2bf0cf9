"""Dagster's instance: its settings and storage, the daemon, schedules and sensors, the history of runs."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg
import yaml
from dagster._core.scheduler.instigation import InstigatorStatus

from configs.load import load_static
from configs.problems import ConfigError
from orchestration.doctor.finding import Finding, fail, fine, warn
from orchestration.retention import old_runs
from orchestration.workspace import Workspace

SETTINGS_ADVICE = "take deploy/dagster.yaml as the state folder's dagster/dagster.yaml: docs/deployment.md"
MOST_RUNS = 2_000


@contextmanager
def _instance(workspace: Workspace) -> Iterator[dg.DagsterInstance]:
    workspace.activate()
    with dg.DagsterInstance.get() as instance:
        yield instance


def settings(workspace: Workspace) -> Finding:
    """`dagster.yaml` can be read, and every environment variable that it names is set."""
    path = workspace.dagster_home / "dagster.yaml"
    if not path.exists():
        return fine("none yet: the first run writes those of a single machine")
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except (OSError, yaml.YAMLError) as error:
        advice = f"restore it; or `rm {path}`, and the next run writes that of a single machine"
        return fail(f"{path}: {str(error).splitlines()[0]}", advice)
    unset = sorted({name for name in _variables(content) if not os.environ.get(name)})
    if unset:
        advice = "set them for every process of the instance; deploy/compose.yaml shows where"
        return fail(f"not set: {', '.join(unset)}", advice)
    return fine(str(path))


def _variables(content: Any) -> Iterator[str]:
    if isinstance(content, dict):
        if set(content) == {"env"}:
            yield str(content["env"])
        else:
            for value in content.values():
                yield from _variables(value)
    elif isinstance(content, list):
        for value in content:
            yield from _variables(value)


def storage(workspace: Workspace) -> Finding:
    """Runs, events and schedules can be reached, and their tables are those of the installed Dagster."""
    with _instance(workspace) as instance:
        instance.get_runs_count()
        stores = instance.run_storage, instance.event_log_storage, instance.schedule_storage
        kind = re.sub(r"(Pooled)?(\w+?)RunStorage", r"\2", type(instance.run_storage).__name__)
        outdated = [type(store).__name__ for store in stores if not _is_current(store)]
    if outdated:
        advice = (
            f"stop everything, back up, `DAGSTER_HOME={workspace.dagster_home} dagster instance migrate`, start again"
        )
        return fail(f"{kind}: the tables of {', '.join(outdated)} are of another Dagster", advice)
    return fine(kind if kind != "Sqlite" else "SQLite, which suits one machine")


def _is_current(store: Any) -> bool:
    revision, newest = store.alembic_version()
    return revision is None or revision == newest


def run_rules(workspace: Workspace) -> Finding:
    """With a daemon: runs that hang are ended, those that died are started again, writers wait in a pool."""
    with _instance(workspace) as instance:
        if "Sqlite" in type(instance.run_storage).__name__:
            return fine("SQLite: `equipoise run`, or `equipoise dev`; bound a cron run with `timeout`")
        pools = instance.get_concurrency_config().pool_config
        missing = [
            name
            for name, is_there in {
                "run_monitoring": instance.run_monitoring_enabled,
                "run_monitoring.max_runtime_seconds": instance.run_monitoring_max_runtime_seconds > 0,
                "run_retries": instance.run_retries_enabled,
                "concurrency.pools.default_limit: 1": pools.default_pool_limit == 1,
                "retention": bool(instance.get_settings("retention")),
                "run_launcher": type(instance.run_launcher).__name__ != "DefaultRunLauncher",
            }.items()
            if not is_there
        ]
    if missing:
        return warn(f"not set in dagster.yaml: {', '.join(missing)}", SETTINGS_ADVICE)
    return fine("monitoring with max_runtime, retries, a pool for writers, retention of ticks")


def daemon(workspace: Workspace) -> Finding:
    """Every part of the daemon sent a sign of life lately."""
    with _instance(workspace) as instance:
        statuses = instance.get_daemon_statuses()
    required = {kind: status for kind, status in statuses.items() if status.required}
    beats = [status.last_heartbeat.timestamp for status in required.values() if status.last_heartbeat is not None]
    if not beats:
        advice = "nothing, where cron calls `equipoise run`; else start `dagster-daemon run`, or `equipoise dev`"
        return warn("none ever ran here", advice)
    at = f"last sign of life {datetime.fromtimestamp(max(beats), UTC):%Y-%m-%d %H:%M:%S} UTC"
    silent = sorted(kind for kind, status in required.items() if not status.healthy)
    if silent:
        return fail(f"{', '.join(silent)} silent or failing; {at}", "start it again; look at its log")
    return fine(at)


def schedules(workspace: Workspace) -> Finding:
    """Nobody switched a schedule or a sensor off."""
    with _instance(workspace) as instance:
        states = instance.all_instigator_state()
    off = sorted(state.instigator_name for state in states if state.status is InstigatorStatus.STOPPED)
    if off:
        return warn(f"switched off: {', '.join(off)}", "switch them on in Dagster's Automation page")
    return fine(f"{len(states)} known to the daemon, none switched off")


def history(workspace: Workspace) -> Finding:
    """How the last run ended, how many there are, and whether those that should be pruned are."""
    try:
        retention = load_static(workspace.configs)[0].retention
    except ConfigError:
        retention = None
    with _instance(workspace) as instance:
        total, records = instance.get_runs_count(), instance.get_run_records(limit=1)
        days = retention.run_days + 7 if retention is not None else None
        overdue = old_runs(instance, datetime.now(UTC) - timedelta(days=days), limit=1) if days is not None else []
    if not records:
        return fine("no run yet")
    last = records[0].dagster_run
    message = f"{total} runs; the last, {last.job_name}, is {last.status.value}"
    if overdue:
        advice = "is the schedule `housekeeping_schedule` on, or `equipoise prune` in cron?"
        return warn(f"{message}; some are older than retention.run_days", advice)
    if retention is None and total > MOST_RUNS:
        return warn(message, "`retention: {run_days: 90}` in project.yaml has old ones pruned")
    if last.status is dg.DagsterRunStatus.FAILURE:
        return warn(message, "`equipoise alerts list`, or its page in Dagster, says why; run its days again")
    return fine(message)
