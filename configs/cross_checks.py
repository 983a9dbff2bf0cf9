"""Checks that span entities or files. Each yields findings: where in its own document, and what."""

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from decimal import Decimal

from configs.analysis_checks import check_analysis
from configs.bandit_checks import check_bandit, check_propensity
from configs.bootstrap_checks import check_bootstrap_is_given
from configs.cluster_checks import check_cluster, check_cluster_attribute
from configs.factor_checks import check_factors_of
from configs.problems import did_you_mean
from configs.quasi_checks import check_quasi, design_metric_places
from configs.schema import Component, EventSource, Experiment, Guardrail, Metric, Project, Sources
from configs.segment_pair_checks import check_segment_pairs
from configs.source_checks import check_place
from configs.strata_checks import check_stratum_attributes
from configs.supported import Finding
from configs.switchback_checks import check_switchback, check_switchback_attribute
from configs.trend_checks import check_trends
from configs.trigger_checks import check_trigger
from configs.yaml_document import Location

WEIGHT_TOLERANCE = 1e-9


def check_sources(sources: Sources) -> Iterator[Finding]:
    """Ids are unique over all kinds; paths stay in the data root and name the day; lists have no repeats."""
    first_kind: dict[str, str] = {}
    for kind in ("exposures", "events", "units"):
        for index, source in enumerate(getattr(sources, kind)):
            if source.id in first_kind:
                message = f"duplicate source id {source.id!r}; first used under {first_kind[source.id]}"
                yield (kind, index, "id"), message
            first_kind.setdefault(source.id, kind)
            for key, message in check_place(source, dated=kind != "units"):
                yield (kind, index, *key), message
            for name in ("attributes", "properties"):
                yield from _repeats(getattr(source, name, ()), (kind, index, name), name)


def _repeats(values: Sequence[str], at: Location, noun: str) -> Iterator[Finding]:
    for index, value in enumerate(values):
        if value in values[:index]:
            yield (*at, index), f"{value!r} is listed twice in {noun}"


def check_metric(metric: Metric, sources: Sources) -> Iterator[Finding]:
    """Sources, measures and properties exist; a cap is a whole number of the measure's units."""
    yield from check_bootstrap_is_given(metric)
    places: list[Location] = [("numerator",), ("denominator",)] if metric.type == "ratio" else [()]
    places += [("covariate", "further", index) for index, _ in enumerate(metric.further_covariates)]
    events = {source.id: source for source in sources.events}
    for place, component in zip(places, metric.read_components, strict=True):
        source = events.get(component.source)
        if source is None:
            yield (*place, "source"), _unknown_event_source(component.source, sources)
            continue
        yield from _check_component(component, source, place)
        if metric.cap is not None and metric.cap.upper is not None and component in metric.components:
            yield from _check_cap(metric.cap.upper, component, source)


def _unknown_event_source(id_: str, sources: Sources) -> str:
    if id_ in {source.id for source in (*sources.exposures, *sources.units)}:
        return f"source {id_!r} holds no events; a metric reads a source under `events`"
    known = [source.id for source in sources.events]
    return f"unknown source {id_!r}{did_you_mean(id_, known, 'event sources')}"


def _check_component(component: Component, source: EventSource, place: Location) -> Iterator[Finding]:
    if component.measure is not None and component.measure not in source.measures:
        hint = did_you_mean(component.measure, source.measures, "measures")
        yield (*place, "measure"), f"source {source.id!r} has no measure {component.measure!r}{hint}"
    named: list[tuple[Location, str]] = [
        ((*place, "where", index, "property"), condition.property) for index, condition in enumerate(component.where)
    ]
    if component.property is not None:
        named.append(((*place, "property"), component.property))
    for at, name in named:
        if name not in source.properties:
            hint = did_you_mean(name, source.properties, "properties")
            yield at, f"source {source.id!r} declares no property {name!r}{hint}"


def _check_cap(upper: Decimal, component: Component, source: EventSource) -> Iterator[Finding]:
    measure = source.measures.get(component.amount) if component.amount else None
    decimals = measure.decimals if measure else 0
    if upper.scaleb(decimals) % 1:
        of = f"measure {component.amount!r}" if component.amount else f"aggregate {component.aggregate!r}"
        yield ("cap", "upper"), f"cap {upper} is finer than the {decimals} decimals of {of}"


def check_experiment(
    experiment: Experiment,
    *,
    project: Project | None,
    sources: Sources | None,
    metrics: Mapping[str, Metric],
    known_metrics: Collection[str],
) -> Iterator[Finding]:
    """All checks of an experiment against itself, the project, its exposure source and its metrics.

    `project` or `sources` is None when its file is broken: the checks against it are left out. `metrics`
    are the valid ones, `known_metrics` also names those with errors of their own. Whether each metric exists
    is `check_metrics_exist`'s question.
    """
    yield from _check_dates(experiment, project)
    if project is not None:
        yield from _check_exclusion_group(experiment, project)
    yield from _check_variants(experiment)
    yield from _check_allocation(experiment)
    yield from _check_roles(experiment)
    if all(id_ in known_metrics for id_ in experiment.metrics.roles):  # else a misspelt one may be meant
        yield from _check_predictions(experiment)
    yield from _check_margins(experiment, metrics)
    yield from check_analysis(experiment, metrics)
    yield from check_segment_pairs(experiment)
    yield from check_trends(experiment, metrics)
    yield from check_factors_of(experiment, metrics)
    yield from check_bandit(experiment, metrics)
    yield from check_cluster(experiment, metrics)
    yield from check_switchback(experiment, metrics)
    yield from check_quasi(experiment, metrics, sources)
    if sources is not None and not experiment.is_quasi:
        yield from _check_exposure_source(experiment, sources)
        yield from check_trigger(experiment, sources)


def _check_dates(experiment: Experiment, project: Project | None) -> Iterator[Finding]:
    start, end = experiment.start, experiment.end
    if end < start:
        yield ("end",), f"end {end} is before start {start}"
        return
    if project is not None and start < project.history_start:
        message = f"start {start} is before the project's history_start {project.history_start}"
        yield ("start",), f"{message}; the lake holds no earlier exposures"
    days = (end - start).days + 1
    if experiment.analysis.minimum_days > days:
        message = f"minimum_days {experiment.analysis.minimum_days} is more than the {days} days from start to end"
        yield ("analysis", "minimum_days"), f"{message}; no decision could be made"


def _check_exclusion_group(experiment: Experiment, project: Project) -> Iterator[Finding]:
    group = experiment.exclusion_group
    if group is not None and group not in project.exclusion_groups:
        hint = did_you_mean(group, project.exclusion_groups, "exclusion_groups in project.yaml")
        yield ("exclusion_group",), f"unknown exclusion group {group!r}{hint}"


def _check_variants(experiment: Experiment) -> Iterator[Finding]:
    ids = [variant.id for variant in experiment.variants]
    yield from _repeats(ids, ("variants",), "variants")
    baselines = [variant.id for variant in experiment.variants if variant.baseline]
    if len(baselines) != 1:
        got = f"; got {', '.join(map(repr, baselines))}" if baselines else ""
        yield ("variants",), f"exactly one variant needs `baseline: true`{got}"
    weights = [variant.weight for variant in experiment.variants]
    yield from _check_sum(weights, ("variants",), "the variants' weights")


def _check_sum(weights: Collection[float], at: Location, what: str) -> Iterator[Finding]:
    total = math.fsum(weights)
    if abs(total - 1) > WEIGHT_TOLERANCE:
        yield at, f"{what} sum to {total:.12g}, not to 1"


def _check_allocation(experiment: Experiment) -> Iterator[Finding]:
    ids = {variant.id for variant in experiment.variants}
    previous = None
    for index, epoch in enumerate(experiment.allocation):
        at: Location = ("allocation", index)
        if previous is None and epoch.from_ != experiment.start:
            yield (*at, "from"), f"the first epoch is from {epoch.from_}, not from start {experiment.start}"
        elif not experiment.start <= epoch.from_ <= experiment.end:
            yield (
                (*at, "from"),
                f"the epoch from {epoch.from_} is outside {experiment.start} to {experiment.end}",
            )
        elif previous is not None and epoch.from_ <= previous:
            yield (*at, "from"), f"the epoch from {epoch.from_} doesn't come after the one from {previous}"
        previous = epoch.from_
        for unknown in sorted(epoch.weights.keys() - ids):
            hint = did_you_mean(unknown, ids, "variants")
            yield (*at, "weights", unknown), f"unknown variant {unknown!r}{hint}"
        missing = ", ".join(map(repr, sorted(ids - epoch.weights.keys())))
        if missing:
            yield (*at, "weights"), f"no weight for {missing}; a variant without traffic gets weight 0"
        yield from _check_sum(epoch.weights.values(), (*at, "weights"), "the epoch's weights")
    yield from _check_traffic(experiment)


def _check_traffic(experiment: Experiment) -> Iterator[Finding]:
    shares = [epoch.weights for epoch in experiment.allocation] or [
        {variant.id: variant.weight for variant in experiment.variants}
    ]
    served = {id_ for weights in shares for id_, weight in weights.items() if weight > 0}
    for side, variants in (
        ("the baseline", [variant.id for variant in experiment.variants if variant.baseline]),
        ("any treatment", [variant.id for variant in experiment.variants if not variant.baseline]),
    ):
        if variants and not served.intersection(variants):
            yield ("variants",), f"no positive weight for {side}: nothing to compare"


def _metric_places(experiment: Experiment) -> Iterator[tuple[str, str, Location]]:
    metrics = experiment.metrics
    for role, ids in (("primary", metrics.primary), ("secondary", metrics.secondary)):
        for index, id_ in enumerate(ids):
            yield id_, role, ("metrics", role, index)
    for index, guardrail in enumerate(metrics.guardrail):
        yield guardrail.metric, "guardrail", ("metrics", "guardrail", index, "metric")


def check_metrics_exist(experiment: Experiment, known: Collection[str]) -> Iterator[tuple[str, Finding]]:
    """(metric id, finding) for every metric of the experiment that isn't known."""
    places = [(id_, place) for id_, _, place in _metric_places(experiment)]
    for id_, place in (*places, *design_metric_places(experiment)):
        if id_ not in known:
            yield id_, (place, f"unknown metric {id_!r}{did_you_mean(id_, known, 'metrics')}")


def _check_roles(experiment: Experiment) -> Iterator[Finding]:
    roles: dict[str, str] = {}
    for id_, role, place in _metric_places(experiment):
        if id_ in roles:
            yield place, f"metric {id_!r} is already {roles[id_]}; a metric has one role in an experiment"
        roles.setdefault(id_, role)


def _check_predictions(experiment: Experiment) -> Iterator[Finding]:
    predictions = experiment.hypothesis.predictions if experiment.hypothesis else ()
    yield from _repeats([prediction.metric for prediction in predictions], ("hypothesis", "predictions"), "predictions")
    for index, prediction in enumerate(predictions):
        if prediction.metric not in experiment.metrics.roles:
            hint = did_you_mean(prediction.metric, experiment.metrics.roles, "metrics of this experiment")
            message = f"the prediction is about {prediction.metric!r}, not a metric of this experiment"
            yield ("hypothesis", "predictions", index, "metric"), message + hint


def _check_margins(experiment: Experiment, metrics: Mapping[str, Metric]) -> Iterator[Finding]:
    places: tuple[tuple[Location, tuple[Guardrail, ...]], ...] = (
        (("metrics", "guardrail"), experiment.metrics.guardrail),
        (("decision", "margins"), experiment.decision.margins),
    )
    for at, held in places:
        for index, margin in enumerate(held):
            metric = metrics.get(margin.metric)
            if metric is not None and metric.type in ("proportion", "retention"):
                yield from _check_share_margin(margin, (*at, index))


def _check_share_margin(guardrail: Guardrail, at: Location) -> Iterator[Finding]:
    for name in ("absolute_margin", "level"):
        value = getattr(guardrail, name)
        if value is not None and not 0 < value < 1:
            message = f"{name} {value:g} can't be: {guardrail.metric!r} is a share between 0 and 1"
            yield (*at, name), message


def _check_exposure_source(experiment: Experiment, sources: Sources) -> Iterator[Finding]:
    exposures = {source.id: source for source in sources.exposures}
    id_ = experiment.exposure_source
    if id_ is None and len(exposures) > 1:
        names = ", ".join(sorted(exposures))
        yield (), f"missing key 'exposure_source': there are several ({names})"
        return
    source = exposures.get(id_) if id_ is not None else sources.exposures[0]
    if source is None:
        hint = did_you_mean(str(id_), exposures, "exposure sources")
        yield ("exposure_source",), f"unknown exposure source {id_!r}{hint}"
        return
    yield from _repeats(experiment.segments, ("segments",), "segments")
    for index, segment in enumerate(experiment.segments):
        if segment not in source.attributes:
            hint = did_you_mean(segment, source.attributes, "attributes")
            yield ("segments", index), f"exposure source {source.id!r} has no attribute {segment!r}{hint}"
    yield from check_stratum_attributes(experiment, source)
    yield from check_cluster_attribute(experiment, source)
    yield from check_switchback_attribute(experiment, source)
    yield from check_propensity(experiment, source)
