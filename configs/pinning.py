"""What of a configuration can change an experiment's numbers, and its hash.

The pinned configuration is stored under its hash beside the results. It leaves out what only describes
(names, labels, owners, paths, status) and sorts what has no order; that of primaries counts, as the first
decides between winners. Options that are absent are left out, so that an option added to the schema later
doesn't change the hash of experiments without it; defaults are written out, so that a changed default does.
"""

from typing import Any

from configs.catalog import decimal_text, definition_hash, normalised_conditions
from configs.metric_schema import property_text
from configs.schema import Component, Config, EventSource, Experiment, ExposureSource, Measure, Metric, Project, Trigger

_DESCRIPTIVE = {"name", "owner", "team", "status", "hypothesis"}

# Options of `analysis` that came after the first release, with what held before them: left out at that value.
_ANALYSIS_BEFORE = {
    "alternative": "two_sided",
    "adjustment": "cuped",
    "proportion_interval": "wald",
    "relative_interval": "auto",
}


def config_hash(config: Config, experiment: Experiment) -> str:
    """16 hexadecimal digits that change exactly when `pinned_config` does."""
    return definition_hash(pinned_config(config, experiment), 16)


def pinned_config(config: Config, experiment: Experiment) -> dict[str, Any]:
    """Whatever of `config` can change a number of `experiment`, as JSON-able data.

    Its parts validate as the schema's models again, once sources get a path.
    """
    metrics = [config.metrics[id_] for id_ in sorted(experiment.metric_ids)]
    components = [component for metric in metrics for component in metric.read_components]
    grouped = getattr(experiment.design, "group", None)
    if experiment.trigger is not None:
        components.append(experiment.trigger.component)
    exposures = [source for source in config.sources.exposures if source.id == experiment.exposure_source]
    read = {component.source for component in components}
    events = [source for source in config.sources.events if source.id in read]
    return {
        "project": _pinned_project(config.project, experiment),
        "experiment": _pinned_experiment(experiment),
        "metrics": {metric.id: _pinned_metric(metric) for metric in metrics},
        "sources": {
            "exposures": [_pinned_exposure_source(source) for source in exposures],
            "events": [
                _pinned_event_source(source, components, grouped) for source in sorted(events, key=lambda s: s.id)
            ],
        },
    }


def _pinned_project(project: Project, experiment: Experiment) -> dict[str, Any]:
    apart = {"name", "health", "exclusion_groups", "overlaps", "publish", "retention"}
    pinned = project.model_dump(mode="json", exclude=apart)
    if experiment.exclusion_group is not None:
        pinned["exclusion_groups"] = [experiment.exclusion_group]
    thresholds = project.health.model_dump(mode="json", exclude_defaults=True)
    return pinned | ({"health": thresholds} if thresholds else {})


def _pinned_experiment(experiment: Experiment) -> dict[str, Any]:
    pinned = _without_absent(experiment.model_dump(mode="json", by_alias=True, exclude=_DESCRIPTIVE))
    pinned.pop("health")
    if thresholds := experiment.health.model_dump(mode="json", exclude_unset=True):
        pinned["health"] = thresholds
    pinned["variants"] = sorted(pinned["variants"], key=lambda variant: variant["id"])
    pinned["metrics"] = {
        "primary": list(experiment.metrics.primary),
        "secondary": sorted(experiment.metrics.secondary),
        "guardrail": sorted(pinned["metrics"].get("guardrail", []), key=lambda entry: entry["metric"]),
    }
    if experiment.interactions:
        pinned["interactions"] = sorted(sorted(factors) for factors in experiment.interactions)
    if experiment.decision.margins:
        pinned["decision"]["margins"] = sorted(pinned["decision"]["margins"], key=lambda entry: entry["metric"])
    pinned.pop("holdouts", None)  # what follows from them is in held_out
    if experiment.trigger is not None and experiment.trigger.where:
        pinned["trigger"]["where"] = _pinned_conditions(experiment.trigger)
    pinned["segments"] = sorted(experiment.segments)
    if experiment.preregistered_segments:
        pinned["preregistered_segments"] = sorted(experiment.preregistered_segments)
    if experiment.segment_pairs:
        pinned["segment_pairs"] = sorted(map(list, experiment.segment_pairs))
    analysis = pinned["analysis"]
    pinned["analysis"] = {name: value for name, value in analysis.items() if value != _ANALYSIS_BEFORE.get(name)}
    if experiment.strata:
        pinned["analysis"]["strata"] = sorted(experiment.strata)
    if experiment.analysis.equivalence:
        pinned["analysis"]["equivalence"] = sorted(analysis["equivalence"], key=lambda entry: entry["metric"])
    return pinned


def _pinned_metric(metric: Metric) -> dict[str, Any]:
    pinned = _without_absent(metric.model_dump(mode="json", exclude={"label", "description"}))
    if metric.of == "units":
        pinned.pop("of")  # what every quantile was of before events could be
    if metric.type in ("proportion", "retention"):
        pinned.pop("aggregate", None)  # count, whether written or not
    if metric.type == "categorical":
        pinned = {name: value for name, value in pinned.items() if name not in ("aggregate", "direction")}
        pinned["categories"] = [property_text(value) for value in metric.categories]
    for place, owner in (
        (pinned, metric),
        (pinned.get("numerator"), metric.numerator),
        (pinned.get("denominator"), metric.denominator),
        *zip(pinned.get("covariate", {}).get("further", []), metric.further_covariates, strict=True),
    ):
        if owner is not None and owner.where:
            place["where"] = _pinned_conditions(owner)
    if metric.cap is not None:
        pinned["cap"] = {
            name: decimal_text(value)
            for name, value in (("upper", metric.cap.upper), ("upper_quantile", metric.cap.upper_quantile))
            if value is not None
        }
    return pinned


def _pinned_conditions(owner: Metric | Component | Trigger) -> list[dict[str, Any]]:
    return [
        {
            "property": condition["property"],
            "op": "not in" if condition["negated"] else "in",
            "value": condition["values"],
        }
        for condition in normalised_conditions(owner.where)
    ]


def _pinned_exposure_source(source: ExposureSource) -> dict[str, Any]:
    pinned = source.model_dump(mode="json", include={"id", "format", "columns"})
    return pinned | {"attributes": sorted(source.attributes)}


def _pinned_event_source(source: EventSource, components: list[Component], grouped: str | None) -> dict[str, Any]:
    """The source with the measures and properties that the components read: others change nothing."""
    used = [component for component in components if component.source == source.id]
    measures = {component.measure for component in used}
    properties = {name for component in used for name in component.properties} | ({grouped} if grouped else set())
    pinned = _without_absent(source.model_dump(mode="json", include={"id", "format", "columns"}))
    pinned["measures"] = {
        id_: _pinned_measure(measure) for id_, measure in sorted(source.measures.items()) if id_ in measures
    }
    return pinned | {"properties": sorted(properties)}


def _pinned_measure(measure: Measure) -> dict[str, Any]:
    """What its unit is called only matters where amounts are held against it."""
    is_checked = measure.unit_column is not None
    return measure.model_dump(mode="json", exclude=None if is_checked else {"unit", "unit_column"})


def _without_absent(value: Any) -> Any:
    """The value without None and empty collections in mappings, at every depth."""
    if isinstance(value, dict):
        kept = {key: _without_absent(item) for key, item in value.items()}
        return {key: item for key, item in kept.items() if item not in (None, [], {})}
    return [_without_absent(item) for item in value] if isinstance(value, list) else value
