"""Read `alerts.yaml`, which a project may leave out: then nobody is told of anything."""

from collections.abc import Iterator
from pathlib import Path

from configs.alert_schema import Alerts
from configs.problems import ConfigError, Problem, did_you_mean
from configs.validation import validate
from configs.yaml_document import Location, read_document

FILE = "alerts.yaml"


def load_alerts(root: Path) -> Alerts | None:
    """The alerting of the configuration in `root`, None without the file; raises ConfigError with all errors."""
    alerts, problems = _read(root)
    if problems:
        raise ConfigError(problems)
    return alerts


def alert_problems(root: Path) -> list[Problem]:
    """What is wrong with `alerts.yaml`, if there is one."""
    return _read(root)[1]


def _read(root: Path) -> tuple[Alerts | None, list[Problem]]:
    if not (root / FILE).exists():
        return None, []
    document = read_document(root, FILE)
    if document.data is None:
        return None, document.problems
    alerts, problems = validate(Alerts, document)
    if alerts is not None:
        problems += [document.problem(location, message) for location, message in _findings(alerts)]
    return alerts, [*document.problems, *problems]


def _findings(alerts: Alerts) -> Iterator[tuple[Location, str]]:
    known = alerts.destinations
    named: list[tuple[Location, str]] = [(("default", index), id_) for index, id_ in enumerate(alerts.default)]
    for number, route in enumerate(alerts.routes):
        named += [(("routes", number, "destinations", index), id_) for index, id_ in enumerate(route.destinations)]
    if alerts.escalation is not None:
        named.append((("escalation",), alerts.escalation))
    for location, id_ in named:
        if id_ not in known:
            yield location, f"unknown destination {id_!r}{did_you_mean(id_, known, 'destinations')}"
    if alerts.response_minutes and alerts.escalation is None:
        yield ("response_minutes",), "response times need `escalation`: the destination told when nobody answers"
    if alerts.escalation is not None and not alerts.response_minutes:
        yield ("escalation",), "never used: give `response_minutes`, for instance {critical: 30, error: 240}"
