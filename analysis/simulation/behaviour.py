"""What units do: a configuration's events and attributes, each with its model."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from configs.schema import Component, Condition, Config, EventSource, Scalar
from configs.simulation_schema import (
    EventModel,
    Level,
    MeasureModel,
    Scenario,
    attribute_names,
    event_keys,
    used_components,
)

OTHER = "other"
_DEFAULT_EVENT = EventModel(rate=0.15)
_DEFAULT_LEVELS = {"a": Level(share=0.5), "b": Level(share=0.3), "c": Level(share=0.2)}


@dataclass(frozen=True)
class EventProcess:
    """One event of one source: when it happens, what it carries; `parent` is the event that it follows."""

    source_id: str
    name: str
    model: EventModel
    measures: dict[str, MeasureModel]
    properties: dict[str, dict[str, float]]
    parent: "EventProcess | None" = None

    @property
    def happens_at_most_once(self) -> bool:
        """Whether a visit brings at most one such event."""
        first = self.parent.model if self.parent is not None else self.model
        return first.probability is not None

    @property
    def own_rate(self) -> float:
        """Mean count per visit (per parent event, if there is a parent) of the average unit."""
        return self.model.probability or self.model.rate or 0.0

    def qualifying_share(self, conditions: Iterable[Condition]) -> float:
        """Share of this event's rows that satisfy all conditions."""
        conditions = tuple(conditions)
        result = 1.0
        for name in {condition.property for condition in conditions}:
            own = [condition for condition in conditions if condition.property == name]
            result *= sum(
                share
                for value, share in self.properties[name].items()
                if all(_satisfies(value, condition) for condition in own)
            )
        return result


@dataclass(frozen=True)
class Behaviour:
    """Every event process and every attribute of a configuration; parents come before what follows them."""

    processes: tuple[EventProcess, ...]
    attributes: dict[str, dict[str, Level]]

    @cached_property
    def by_event(self) -> dict[tuple[str, str], EventProcess]:
        """Source id and event name to the process."""
        return {(process.source_id, process.name): process for process in self.processes}

    def process_of(self, component: Component) -> EventProcess:
        """The process whose rows a metric's component aggregates."""
        return self.by_event[component.source, component.event]


def resolve(config: Config, scenario: Scenario) -> Behaviour:
    """Give every event that a metric uses, and every attribute that a source has, its model."""
    sources = {source.id: source for source in config.sources.events}
    components = used_components(config)
    processes: dict[tuple[str, str], EventProcess] = {}
    for source_id, event in event_keys(config, scenario):
        model = scenario.events.get(event, _DEFAULT_EVENT)
        processes[source_id, event] = EventProcess(
            source_id,
            event,
            model,
            _measures(model, [c for c in components if (c.source, c.event) == (source_id, event)]),
            _properties(sources[source_id], model, [c for c in components if c.source == source_id]),
            processes[source_id, model.after] if model.after is not None else None,
        )
    attributes = {name: scenario.attributes.get(name, _DEFAULT_LEVELS) for name in attribute_names(config)}
    return Behaviour(tuple(processes.values()), attributes)


def _measures(model: EventModel, components: list[Component]) -> dict[str, MeasureModel]:
    used = sorted({component.measure for component in components if component.measure is not None})
    return {name: MeasureModel() for name in used} | model.measures


def _properties(source: EventSource, model: EventModel, components: list[Component]) -> dict[str, dict[str, float]]:
    """Shares of each property's values; by default what `where` asks for and one other, equally often."""
    result = {}
    for name in source.properties:
        conditions = [c for component in components for c in component.where if c.property == name]
        values = sorted({text for condition in conditions for text in _texts(condition)} | {OTHER})
        result[name] = model.properties.get(name, dict.fromkeys(values, 1 / len(values)))
    return result


def _texts(condition: Condition) -> tuple[str, ...]:
    values: tuple[Scalar, ...] = condition.value if isinstance(condition.value, tuple) else (condition.value,)
    return tuple(str(value).lower() if isinstance(value, bool) else str(value) for value in values)


def _satisfies(value: str, condition: Condition) -> bool:
    return (value in _texts(condition)) == (condition.op in ("=", "in"))
