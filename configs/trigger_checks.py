"""Checks of the trigger that restricts an experiment's population."""

from collections.abc import Iterator

from configs.problems import did_you_mean
from configs.schema import Experiment, Sources
from configs.supported import Finding


def check_trigger(experiment: Experiment, sources: Sources) -> Iterator[Finding]:
    """Its source and properties exist; weights stay as they are."""
    trigger = experiment.trigger
    if trigger is None:
        return
    events = {source.id: source for source in sources.events}
    source = events.get(trigger.source)
    if source is None:
        hint = did_you_mean(trigger.source, events, "event sources")
        yield ("trigger", "source"), f"unknown source {trigger.source!r}{hint}"
        return
    for index, condition in enumerate(trigger.where):
        if condition.property not in source.properties:
            hint = did_you_mean(condition.property, source.properties, "properties")
            yield (
                ("trigger", "where", index, "property"),
                f"source {source.id!r} declares no property {condition.property!r}{hint}",
            )
    if len(experiment.allocation) > 1:
        yield (
            ("trigger",),
            "isn't built yet: a trigger beside several allocation epochs, for units are triggered in a later epoch than"
            " they were assigned in; leave out one of the two",
        )
