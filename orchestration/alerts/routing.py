"""Which destinations an incident goes to. Pure."""

from configs.alert_schema import Alerts, Route
from orchestration.alerts.incidents import Incident


def destinations(alerts: Alerts, incident: Incident) -> list[str]:
    """Of every route that fits, in the order of the file; the default ones when none does, so that nothing is lost."""
    fitting = [name for route in alerts.routes if _fits(route, incident) for name in route.destinations]
    return list(dict.fromkeys(fitting or alerts.default))


def _fits(route: Route, incident: Incident) -> bool:
    wanted = (
        (route.severities, incident.severity),
        (route.owners, incident.owner),
        (route.teams, incident.team),
        (route.experiments, incident.experiment_id),
        (route.sources, incident.source_id),
    )
    return all(value in accepted for accepted, value in wanted if accepted)
