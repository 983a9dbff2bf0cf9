"""Quasi-experiments in YAML: what was not randomised, and what the comparison stands on instead.

An experiment of such a type has a block of that name, and no exposures: everything comes from event logs.
"""

from datetime import date
from typing import Annotated, Literal

from pydantic import Field

from configs.entity import Entity, Identifier

QUASI_TYPES = ("difference_in_differences", "interrupted_time_series", "matched", "regression_discontinuity")

GroupName = Annotated[str, Field(min_length=1)]
Outcome = Literal["per_unit", "total"]


class DifferenceInDifferences(Entity):
    """Groups that a change reached on different days, or never: each against those that it had not reached yet."""

    group: Identifier | None = Field(
        None, description="The property of events that names their group; absent: every unit is a group."
    )
    adoption: dict[GroupName, date] = Field(
        min_length=1, description="Group to the first day with the change; a group that is not named never had it."
    )
    groups: tuple[GroupName, ...] = Field((), description="The only groups compared; absent: all that have events.")
    outcome: Outcome = Field("per_unit", description="A group's day: per unit active on it, or in total.")
    lead_lag_days: int = Field(7, ge=1, le=90, description="Days that a point of the event study stands for.")

    @property
    def metrics(self) -> tuple[str, ...]:
        """Ids of the metrics that the design itself needs."""
        return ()


class InterruptedTimeSeries(Entity):
    """Everyone, before and after a day on which something changed for all."""

    break_date: date = Field(description="The first day with the change.")
    outcome: Outcome = Field("per_unit", description="A day: per unit active on it, or in total.")
    season_days: int = Field(7, ge=1, le=31, description="Length of the repeating pattern of days; 1: none.")

    @property
    def metrics(self) -> tuple[str, ...]:
        """Ids of the metrics that the design itself needs."""
        return ()


class Matched(Entity):
    """Units that took something up, each against units that did not and had looked alike before."""

    treatment: Identifier = Field(description="Metric: a unit is treated once it is above 0 in the days of uptake.")
    uptake_from: date = Field(description="First day of uptake; covariates are of the days from `start` before it.")
    outcome_from: date = Field(description="First day after uptake; metrics are of the days from it to `end`.")
    covariates: tuple[Identifier, ...] = Field(min_length=1, description="Metrics of the days before uptake.")
    neighbours: int = Field(1, ge=1, le=10, description="Comparison units matched with each treated one.")
    caliper: float = Field(
        0.2, gt=0, le=1, description="Farthest match, in standard deviations of the propensity's logit."
    )

    @property
    def metrics(self) -> tuple[str, ...]:
        """Ids of the metrics that the design itself needs."""
        return tuple(dict.fromkeys((self.treatment, *self.covariates)))


class RegressionDiscontinuity(Entity):
    """Units on the two sides of a cut-off that decided who was treated."""

    running: Identifier = Field(description="Ratio: a unit's mean score in the days before `outcome_from`.")
    cutoff: float
    treated: Literal["at_or_above", "below"] = "at_or_above"
    outcome_from: date = Field(description="First day after scoring; metrics are of the days from it to `end`.")
    covariates: tuple[Identifier, ...] = Field(
        (), description="Metrics of the days before `outcome_from` that must not jump at the cut-off."
    )

    @property
    def metrics(self) -> tuple[str, ...]:
        """Ids of the metrics that the design itself needs."""
        return tuple(dict.fromkeys((self.running, *self.covariates)))


Design = DifferenceInDifferences | InterruptedTimeSeries | Matched | RegressionDiscontinuity


class QuasiBlocks(Entity):
    """The part of an experiment that says which quasi-experiment it is."""

    type: str = "ab"
    difference_in_differences: DifferenceInDifferences | None = None
    interrupted_time_series: InterruptedTimeSeries | None = None
    matched: Matched | None = None
    regression_discontinuity: RegressionDiscontinuity | None = None

    @property
    def is_quasi(self) -> bool:
        """Whether nothing was randomised: a type with a design of its own, which has no exposures."""
        return self.type in QUASI_TYPES

    @property
    def design(self) -> Design | None:
        """What a quasi-experiment compares; None of any other, and of one that lacks its block."""
        return getattr(self, self.type) if self.is_quasi else None
