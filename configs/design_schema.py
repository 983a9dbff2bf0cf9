"""The models of designs in which units are not split one by one for good: `bandit`, `cluster`, `switchback`."""

from typing import Annotated, Literal

from pydantic import Field

from configs.entity import Entity, Identifier, VariantId

MINUTES_OF_DAY = 1440
Share = Annotated[float, Field(ge=0, le=1)]


class TargetPolicy(Entity):
    """Another way to allocate, whose value is estimated from the log."""

    id: Identifier
    shares: dict[VariantId, Share] = Field(description="What share of units each variant would get; none: 0.")


class Cluster(Entity):
    """Units are randomised in groups: every unit with one value of an attribute gets the same variant."""

    attribute: Identifier = Field(description="Of the exposure source; its values are the clusters.")


class Switchback(Entity):
    """Markets are switched between two variants: all units of a market get the one of its current block of periods."""

    attribute: Identifier | None = Field(
        None, description="Of the exposure source; its values are the markets. Default: everyone is one market."
    )
    period_minutes: int = Field(ge=1, le=MINUTES_OF_DAY, description="Length of a period; a whole number make a day.")
    carryover_periods: int = Field(ge=0, description="For how many periods a variant still acts after it ended.")
    block_periods: int | None = Field(
        None, ge=1, description="A variant is drawn for so many. Default: the blocks best for Horvitz-Thompson."
    )


class Bandit(Entity):
    """Daily allocations by top-two Thompson sampling, from the rewards so far."""

    reward: Identifier = Field(description="The metric that units are allocated by.")
    floor: float = Field(0.05, gt=0, le=0.5, description="The least share of a variant.")
    leader_share: float = Field(0.5, gt=0, le=1, description="Chance to play the sampled leader; 1: Thompson sampling.")
    minimum_units: int = Field(100, ge=2, description="Until each variant has as many the variants' weights hold.")
    inference: Literal["batched_ols", "adaptive_weights"] = Field(
        "batched_ols", description="How effects are estimated from adaptively collected data."
    )
    propensity: Identifier | None = Field(
        None, description="Attribute of the exposure source: the logged chance of the variant. Default: as published."
    )
    policies: tuple[TargetPolicy, ...] = Field((), description="Whose off-policy values are estimated.")
