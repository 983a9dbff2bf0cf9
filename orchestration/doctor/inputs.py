"""What comes in and what goes out: the logs of the day that ended last, and the addresses of alerts."""

import os
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from configs.alert_load import load_alerts
from configs.load import load_static
from configs.problems import ConfigError
from configs.schema import EventSource, ExposureSource
from configs.source_schema import TABLE_FORMATS
from configs.suite_load import log_sources
from orchestration.doctor.finding import Finding, fail, fine, warn
from orchestration.ingest.errors import IngestError
from orchestration.ingest.log_files import log_files
from orchestration.workspace import Workspace


def sources(workspace: Workspace) -> Finding:
    """Files of every source for the log date that ended last are there, and this user may read them."""
    try:
        project, declared = load_static(workspace.configs)
    except ConfigError:
        return warn("project.yaml or sources.yaml is broken", "see `configuration`")
    day = datetime.now(UTC).astimezone(ZoneInfo(project.timezone)).date() - timedelta(days=1)
    unreadable, absent, elsewhere, files = [], [], [], 0
    for source in log_sources(declared):
        if source.format in TABLE_FORMATS or "://" in source.path:
            elsewhere.append(source.id)
            continue
        try:
            found = _readable(source, day, workspace)
        except (IngestError, OSError) as error:
            unreadable.append(f"{source.id}: {error}")
            continue
        files += found
        if not found and not source.allow_empty_days:
            absent.append(source.id)
    if unreadable:
        return fail("; ".join(unreadable), "let this user read them, or set --data (EQUIPOISE_DATA)")
    if absent:
        advice = "their metrics would be incomplete: have them delivered before the schedule's hour"
        return warn(f"no file of {day} from {', '.join(absent)}", advice)
    not_seen = f"; in stores and databases, not looked at: {', '.join(elsewhere)}" if elsewhere else ""
    return fine(f"{files} files of {day} can be read{not_seen}")


def _readable(source: ExposureSource | EventSource, day: date, workspace: Workspace) -> int:
    found = log_files(source.path, day, workspace.data)
    for file in found:
        with (workspace.data / file.path).open("rb") as opened:
            opened.read(1)
    return len(found)


def alerts(workspace: Workspace) -> Finding:
    """Each destination's variable is set, and holds an address that Apprise understands; none is ever shown."""
    try:
        declared = load_alerts(workspace.configs)
    except ConfigError as error:
        return fail(str(error.problems[0]), "`equipoise validate` lists every error with its line")
    if declared is None:
        return warn("no alerts.yaml: nobody is told of anything", "write one: docs/alerts.md")
    urls = {f"{name} ({one.url_env})": os.environ.get(one.url_env, "") for name, one in declared.destinations.items()}
    unset = [name for name, url in urls.items() if not url]
    malformed = [name for name, url in urls.items() if url and not _is_understood(url)]
    parts = [f"not set: {', '.join(unset)}"] if unset else []
    parts += [f"no such address: {', '.join(malformed)}"] if malformed else []
    if parts:
        advice = "set the variables for the process that runs the pipeline; then `equipoise alerts test`"
        return fail("; ".join(parts), advice)
    return fine(f"{len(declared.destinations)} destinations; `equipoise alerts test` sends to them")


def _is_understood(url: str) -> bool:
    import logging

    from apprise import Apprise

    logger = logging.getLogger("apprise")
    was_disabled, logger.disabled = logger.disabled, True  # it names what it does not understand
    try:
        return bool(Apprise().add(url))
    finally:
        logger.disabled = was_disabled
