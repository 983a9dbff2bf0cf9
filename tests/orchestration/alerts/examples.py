"""An incident to vary, and a moment to count from."""

from dataclasses import replace
from datetime import UTC, date, datetime

from orchestration.alerts.incidents import Incident

NOON = datetime(2026, 10, 10, 12, 0, tzinfo=UTC)

MIXED = Incident(
    kind="health",
    subject="checkout",
    check="mixed_exposures",
    severity="warning",
    message="2.1 % of units saw several variants",
    figure=0.021,
    threshold=0.01,
    as_of=date(2026, 10, 9),
    since=date(2026, 10, 8),
    gated="nothing",
    query="select 1",
    runbook="mixed_exposures",
    experiment_id="checkout",
    owner="ana@example.com",
    team="growth",
)


def varied(**values: object) -> Incident:
    """MIXED with other values."""
    return replace(MIXED, **values)
