"""The models of who an experiment's units are. Import them from `configs.schema`."""

from datetime import date

from pydantic import Field

from configs.entity import Entity, Identifier, VariantId
from configs.metric_schema import Component, Condition

DILUTABLE = ("mean", "proportion", "retention")
"""Metric types whose effect on triggered units is, times their share, that on everyone."""


class Trigger(Entity):
    """The event that lets a unit be touched by the treatment: only units that had it after their exposure count."""

    source: Identifier
    event: str = Field(min_length=1)
    where: tuple[Condition, ...] = ()
    counterfactual: bool = Field(
        description="Whether it is logged alike in every variant, whatever the variant does; only then dilution holds."
    )

    @property
    def component(self) -> Component:
        """The events, as those that a metric counts."""
        return Component(source=self.source, event=self.event, where=self.where)


class HeldOut(Entity):
    """Units that another experiment, a holdout, keeps from this one: those logged in its variant, between two days."""

    experiment: Identifier
    variant: VariantId
    since: date
    until: date
