"""The model of `alerts.yaml`: who is told of what, where, and how soon somebody has to answer."""

import re
from typing import Annotated, Literal

from pydantic import Field, field_validator

from configs.entity import Entity, Identifier

Severity = Literal["warning", "error", "critical"]
SEVERITIES: tuple[Severity, ...] = ("warning", "error", "critical")
"""From the mildest to the gravest."""


class Destination(Entity):
    """A place that messages go to: an Apprise URL, which only the environment holds."""

    url_env: str = Field(description="Name of the environment variable that holds the URL.")

    @field_validator("url_env")
    @classmethod
    def _is_a_name(cls, value: str) -> str:
        if not re.fullmatch(r"[A-Z][A-Z0-9_]*", value):
            # What was given may be the URL itself: it is not repeated.
            raise ValueError(
                "must be the name of an environment variable, such as EQUIPOISE_ALERT_SLACK, which holds the URL; "
                "URLs are secrets and never stand in a file"
            )
        return value


class Route(Entity):
    """Where incidents go that fit every key given; one that fits several routes goes to all their destinations."""

    destinations: tuple[Identifier, ...] = Field(min_length=1)
    severities: tuple[Severity, ...] = ()
    owners: tuple[str, ...] = Field((), description="Of experiments and of sources.")
    teams: tuple[str, ...] = ()
    experiments: tuple[Identifier, ...] = ()
    sources: tuple[Identifier, ...] = ()


class Alerts(Entity):
    """`alerts.yaml`."""

    destinations: dict[Identifier, Destination] = Field(min_length=1)
    routes: tuple[Route, ...] = ()
    default: tuple[Identifier, ...] = Field(min_length=1, description="For what no route fits.")
    response_minutes: dict[Severity, Annotated[float, Field(gt=0)]] = Field(
        default_factory=dict, description="Until an incident that nobody acknowledged is escalated."
    )
    escalation: Identifier | None = None
    dagster_url: str = Field("", description="Of Dagster's web server, for links to runs.")
    runbook_url: str = "docs/runbook.md"
    attempts: int = Field(3, ge=1, le=10)
    timeout_seconds: float = Field(10.0, gt=0, le=120, description="Of one attempt.")
    pause_seconds: float = Field(2.0, ge=0, le=60, description="Before the second attempt; doubled before each next.")
