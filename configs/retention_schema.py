"""The model of `retention` in `project.yaml`: how long what nobody computes with is kept."""

from pydantic import Field

from configs.entity import Entity


class Retention(Entity):
    """Days after which Dagster's records of a run that has ended are removed; results and lake never are."""

    run_days: int = Field(90, ge=1, le=3650, description="Runs, their events, compute logs and checks; ticks.")
