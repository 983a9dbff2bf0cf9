"""The model of `simulation.yaml`: how simulated users behave, and what each experiment does to them.

Every key is optional. Whatever a scenario leaves out gets the defaults below, so any valid configuration
can be simulated. What refers to metrics and experiments is checked by `configs.simulation_checks`.
"""

from datetime import date
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from configs.schema import Component, Config, Entity, Identifier, VariantId

Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]
Factor = Annotated[float, Field(ge=0, le=100)]

_SHOP_HOURS = (12, 7, 4, 3, 3, 5, 12, 25, 38, 45, 50, 54, 58, 55, 52, 52, 55, 62, 72, 82, 88, 78, 52, 28)


class Population(Entity):
    """How often units come, when, and since when."""

    visits_per_day: Positive = Field(0.25, description="Mean visits of a unit on an average day.")
    activity_shape: Positive = Field(0.8, description="Gamma shape of the units' visit rates; small: unequal.")
    new_unit_share: Share = Field(0.25, description="Units that join during the simulated days, the rest before.")
    weekdays: tuple[Positive, ...] = Field(
        (1.0, 0.96, 0.95, 0.98, 1.08, 1.22, 1.15), description="Relative visit rates, Monday to Sunday."
    )
    hours: tuple[Annotated[float, Field(ge=0)], ...] = Field(
        _SHOP_HOURS, description="Relative visit rates of the 24 local hours."
    )

    @model_validator(mode="after")
    def _calendar_is_complete(self) -> "Population":
        if len(self.weekdays) != 7:
            raise ValueError(f"`weekdays` takes 7 numbers, Monday to Sunday; got {len(self.weekdays)}")
        if len(self.hours) != 24 or not sum(self.hours):
            raise ValueError(f"`hours` takes 24 numbers, not all 0; got {len(self.hours)}")
        return self


class Level(Entity):
    """A value of an attribute: its share of units, and how these differ in behaviour."""

    share: Share
    visits: Positive = Field(1.0, description="Relative visit rate.")
    events: Positive = Field(1.0, description="Relative rate of every event per visit.")
    measures: dict[Identifier, Positive] = Field(
        default_factory=dict, description="Measure to its relative size; 1 for those not named."
    )


class MeasureModel(Entity):
    """A lognormal measure: heavy-tailed between rows, and consistently higher for some units."""

    mean: Positive = 20.0
    sigma: Annotated[float, Field(ge=0, le=3)] = Field(0.8, description="Log-scale spread between a unit's rows.")
    unit_sigma: Annotated[float, Field(ge=0, le=3)] = Field(0.5, description="Log-scale spread between units.")


class EventModel(Entity):
    """How often a visit brings an event: `probability` (at most once) or `rate` (Poisson).

    With `after`, the event follows each event of that name (a refund after a purchase) with `probability`.
    """

    probability: Annotated[float, Field(gt=0, le=1)] | None = None
    rate: Annotated[float, Field(gt=0, le=1000)] | None = None
    after: str | None = None
    heterogeneity: Annotated[float, Field(ge=0, le=3)] = Field(
        0.6,
        description="Log-scale spread of the units' own rates, which are stable in time.",
    )
    measures: dict[Identifier, MeasureModel] = Field(default_factory=dict)
    properties: dict[Identifier, dict[str, Share]] = Field(
        default_factory=dict, description="Property to the shares of its values."
    )

    @model_validator(mode="after")
    def _has_one_frequency(self) -> "EventModel":
        if (self.probability is None) == (self.rate is None):
            raise ValueError("give exactly one of `probability` (per visit, at most once) and `rate` (per visit)")
        if self.after is not None and self.probability is None:
            raise ValueError("an event `after` another takes `probability`, not `rate`")
        return self

    @field_validator("properties")
    @classmethod
    def _property_shares_sum_to_one(cls, value: dict[str, dict[str, float]]) -> dict[str, dict[str, float]]:
        for name, shares in value.items():
            _check_sum(f"property {name}", shares)
        return value


class EventEffect(Entity):
    """What a variant multiplies: the event's rate (or probability), and its measures."""

    rate: Factor = 1.0
    measures: dict[Identifier, Factor] = Field(default_factory=dict)


class Loss(Entity):
    """Units of one arm that a log never sees: its exposures (a sample-ratio mismatch), or its events."""

    variant: VariantId
    share: Annotated[float, Field(gt=0, le=1)]
    rows: Literal["exposures", "events"] = Field(
        "exposures", description="What of these units is lost: exposures, or every event from their exposure on."
    )
    from_: date | None = Field(None, alias="from", description="Only of units first exposed on this day or later.")
    among: dict[Identifier, str] = Field(
        default_factory=dict,
        description="Attribute values that a unit must have to be lost, such as device: mobile.",
    )


class ExperimentScenario(Entity):
    """One experiment's traffic, true effects and faults."""

    traffic: Annotated[float, Field(gt=0, le=1)] = Field(1.0, description="Share of units that take part.")
    effects: dict[VariantId, dict[str, EventEffect]] = Field(
        default_factory=dict, description="Variant to event to its multipliers."
    )
    lost: Loss | tuple[Loss, ...] = Field((), description="One loss, or a list.")
    mixed_share: Share = Field(0.0, description="Units whose variant is drawn anew at every visit.")

    @property
    def losses(self) -> tuple[Loss, ...]:
        """Every loss."""
        return self.lost if isinstance(self.lost, tuple) else (self.lost,)


class Bots(Entity):
    """Automated visitors: round the clock, many visits, no reaction to any treatment."""

    share: Share = 0.0
    visits_per_day: Positive = 60.0
    events: tuple[str, ...] | None = Field(None, description="What they do. Default: every event without a measure.")


class RowFaults(Entity):
    """Shares of rows that reach the log late, twice or broken; a row has at most one fault."""

    late: Share = Field(0.01, description="1 to `late_arrival_days` days late: counts.")
    too_late: Share = Field(0.0003, description="Later than that: quarantined.")
    duplicate: Share = Field(0.005, description="Logged again, on the same or a later log date.")
    malformed: Share = Field(0.0002, description="A missing unit, an unknown variant, a time or number out of range.")

    @model_validator(mode="after")
    def _shares_fit(self) -> "RowFaults":
        if self.late + self.too_late + self.duplicate + self.malformed > 1:
            raise ValueError("late, too_late, duplicate and malformed are disjoint: their sum is at most 1")
        return self


class Scenario(Entity):
    """`simulation.yaml`."""

    population: Population = Population()
    attributes: dict[Identifier, dict[str, Level]] = Field(default_factory=dict, description="Attribute to its values.")
    events: dict[str, EventModel] = Field(default_factory=dict, description="Event name to its model.")
    experiments: dict[Identifier, ExperimentScenario] = Field(default_factory=dict)
    bots: Bots = Bots()
    rows: RowFaults = RowFaults()

    @field_validator("attributes")
    @classmethod
    def _level_shares_sum_to_one(cls, value: dict[str, dict[str, Level]]) -> dict[str, dict[str, Level]]:
        for name, levels in value.items():
            _check_sum(f"attribute {name}", {level: model.share for level, model in levels.items()})
        return value


def used_components(config: Config) -> list[Component]:
    """What metrics aggregate, and the events of triggers."""
    triggers = [one.trigger.component for one in config.experiments.values() if one.trigger is not None]
    return [component for metric in config.metrics.values() for component in metric.read_components] + triggers


def event_keys(config: Config, scenario: Scenario) -> list[tuple[str, str]]:
    """Source id and name of every simulated event: what metrics and triggers use, and its parents first."""
    used = {(component.source, component.event) for component in used_components(config)}
    parents = {
        (source_id, after)
        for source_id, event in used
        if event in scenario.events and (after := scenario.events[event].after) is not None
    }
    return [*sorted(parents), *sorted(used - parents)]


def attribute_names(config: Config) -> list[str]:
    """Every attribute of an exposure or unit source, sorted."""
    of_exposures = {name for source in config.sources.exposures for name in source.attributes}
    return sorted(of_exposures.union(*(source.attributes for source in config.sources.units)))


def _check_sum(what: str, shares: dict[str, float]) -> None:
    if abs(sum(shares.values()) - 1) > 1e-9:
        raise ValueError(f"the shares of {what} sum to {sum(shares.values()):.6g}; they must sum to 1")
