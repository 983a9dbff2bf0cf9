"""Whether a scenario fits a configuration: every name that it mentions must exist there."""

from collections.abc import Iterable, Iterator

from configs.problems import did_you_mean
from configs.schema import Config, EventSource, Experiment
from configs.simulation_schema import EventEffect, EventModel, Loss, Scenario, attribute_names, event_keys

# Not imported from configs.yaml_document: the simulation itself uses these checks, and reads no file.
Location = tuple[str | int, ...]
Finding = tuple[Location, str]


def check_scenario(scenario: Scenario, config: Config) -> Iterator[Finding]:
    """Every place in a scenario that doesn't fit the configuration, and what is wrong there."""
    carried = _carried_measures(scenario, config)
    for event, model in scenario.events.items():
        at: Location = ("events", event)
        if event in carried:
            yield from _check_event(at, event, model, scenario, config)
        else:
            yield at, f"no metric uses event {event!r}{did_you_mean(event, carried, 'events')}"
    yield from _unknown(("bots", "events"), "event", scenario.bots.events or (), carried)
    yield from _unknown(("attributes",), "attribute", scenario.attributes, attribute_names(config))
    measures = {measure for source in config.sources.events for measure in source.measures}
    for name, levels in scenario.attributes.items():
        for value, level in levels.items():
            yield from _unknown(("attributes", name, value, "measures"), "measure", level.measures, measures)
    yield from _unknown(("experiments",), "experiment", scenario.experiments, config.experiments)
    for id_, planned in scenario.experiments.items():
        if id_ in config.experiments:
            at = ("experiments", id_)
            yield from _check_effects((*at, "effects"), planned.effects, config.experiments[id_], carried)
            if config.experiments[id_].switchback is not None and (planned.losses or planned.mixed_share):
                yield at, "isn't built yet: `lost` and `mixed_share` of a switchback, whose units have no arm"
                continue
            for number, loss in enumerate(planned.losses):
                where: Location = (*at, "lost", number) if isinstance(planned.lost, tuple) else (*at, "lost")
                yield from _check_loss(where, loss, config.experiments[id_], scenario, config)


def _unknown(at: Location, what: str, names: Iterable[str], known: Iterable[str]) -> Iterator[Finding]:
    known = set(known)
    for name in names:
        if name not in known:
            plural = f"{what[:-1]}ies" if what.endswith("y") else f"{what}s"
            yield (*at, name), f"unknown {what} {name!r}{did_you_mean(name, known, plural)}"


def _carried_measures(scenario: Scenario, config: Config) -> dict[str, set[str]]:
    """Every event to the measures that its rows carry."""
    carried = {
        event: set(scenario.events[event].measures if event in scenario.events else ())
        for _, event in event_keys(config, scenario)
    }
    for metric in config.metrics.values():
        for component in metric.read_components:
            if component.measure is not None:
                carried[component.event].add(component.measure)
    return carried


def _check_event(at: Location, event: str, model: EventModel, scenario: Scenario, config: Config) -> Iterator[Finding]:
    sources: dict[str, EventSource] = {source.id: source for source in config.sources.events}
    if model.after is not None:
        parent = scenario.events.get(model.after)
        if model.after == event or (parent is not None and parent.after is not None):
            yield (*at, "after"), f"{model.after!r} itself follows an event; name one that doesn't"
    for source_id in {source_id for source_id, name in event_keys(config, scenario) if name == event}:
        source = sources[source_id]
        yield from _unknown((*at, "measures"), "measure", model.measures, source.measures)
        yield from _unknown((*at, "properties"), "property", model.properties, source.properties)


def _check_effects(
    at: Location,
    effects: dict[str, dict[str, EventEffect]],
    experiment: Experiment,
    carried: dict[str, set[str]],
) -> Iterator[Finding]:
    yield from _unknown(at, "variant", effects, [variant.id for variant in experiment.variants])
    for variant_id, events in effects.items():
        yield from _unknown((*at, variant_id), "event", events, carried)
        for event, effect in events.items():
            if experiment.is_quasi and effect.rate != 1:
                yield (*at, variant_id, event, "rate"), "isn't built yet: a quasi-experiment changes measures alone"
            if event in carried:
                where = (*at, variant_id, event, "measures")
                yield from _unknown(where, "measure", effect.measures, carried[event])


def _check_loss(
    at: Location, loss: Loss, experiment: Experiment, scenario: Scenario, config: Config
) -> Iterator[Finding]:
    yield from _unknown(at, "variant", [loss.variant], [variant.id for variant in experiment.variants])
    yield from _unknown((*at, "among"), "attribute", loss.among, attribute_names(config))
    for name, value in loss.among.items():
        if name in scenario.attributes:
            yield from _unknown((*at, "among", name), "value", [value], scenario.attributes[name])
        else:
            yield (*at, "among", name), f"give {name!r} its values under `attributes` first"
