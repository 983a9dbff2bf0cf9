"""Checks of a quasi-experiment: its block, its dates, and the metrics that it can be computed of."""

from collections.abc import Iterator, Mapping
from datetime import date
from itertools import pairwise

from configs.problems import did_you_mean
from configs.quasi_schema import QUASI_TYPES, DifferenceInDifferences, InterruptedTimeSeries, Matched
from configs.schema import Experiment, Metric, Sources
from configs.supported import Finding
from configs.yaml_document import Location

METRIC_TYPES = ("mean", "proportion", "ratio")
AGGREGATES = ("sum", "count")
MOST_DAYS = 400
OF_RANDOMISED_UNITS = (
    *("allocation", "segments", "preregistered_segments", "segment_pairs", "hashing", "trigger", "trends"),
    *("exclusion_group", "holdouts", "held_out"),
)


def design_metric_places(experiment: Experiment) -> Iterator[tuple[str, Location]]:
    """(metric id, where it is written) of what the design itself needs."""
    design = experiment.design
    for name in ("treatment", "running") if design is not None else ():
        if id_ := getattr(design, name, None):
            yield id_, (experiment.type, name)
    for index, id_ in enumerate(getattr(design, "covariates", ())):
        yield id_, (experiment.type, "covariates", index)


def check_quasi(experiment: Experiment, metrics: Mapping[str, Metric], sources: Sources | None) -> Iterator[Finding]:
    """All that a quasi-experiment asks of its keys, and that no other type has a block of one."""
    for name in QUASI_TYPES:
        if getattr(experiment, name) is not None and name != experiment.type:
            yield (name,), f"{name!r} goes with type {name}, not {experiment.type}; drop it or change the type"
    if not experiment.is_quasi:
        return
    if experiment.design is None:
        yield ("type",), f"type {experiment.type} needs a block `{experiment.type}:` that says what is compared"
        return
    yield from _check_options(experiment)
    yield from _check_days(experiment)
    yield from _check_metrics(experiment, metrics)
    if sources is not None:
        yield from _check_group(experiment, metrics, sources)


def _check_options(experiment: Experiment) -> Iterator[Finding]:
    """What is of randomised arms alone is refused, not ignored."""
    if len(experiment.variants) != 2:
        yield (
            ("variants",),
            f"a quasi-experiment compares two variants, not {len(experiment.variants)}; drop `variants`",
        )
    for name in OF_RANDOMISED_UNITS:
        if getattr(experiment, name):
            yield (name,), f"{name!r} is of randomised units: drop it from a quasi-experiment"
    analysis = experiment.analysis
    if analysis.method != "fixed":
        yield (
            ("analysis", "method"),
            f"a quasi-experiment is decided once, at its end: method fixed, not {analysis.method}",
        )
    if analysis.alternative != "two_sided" or analysis.equivalence:
        yield ("analysis",), "a quasi-experiment takes neither `alternative` nor `equivalence`: drop them"
    if analysis.correction not in ("none", "bonferroni", "holm"):
        yield (
            ("analysis", "correction"),
            f"use none, bonferroni or holm for a quasi-experiment, not {analysis.correction}",
        )
    if experiment.decision.rule != "risk_aware":
        yield ("decision", "rule"), f"a quasi-experiment is decided by risk_aware, not {experiment.decision.rule}"
    for index, guardrail in enumerate(experiment.metrics.guardrail):
        if guardrail.level is not None:
            yield (
                ("metrics", "guardrail", index, "level"),
                "a quasi-experiment estimates a change, not a level: use non_inferiority_margin or absolute_margin",
            )


def _check_days(experiment: Experiment) -> Iterator[Finding]:
    at, design = experiment.type, experiment.design
    start, end = experiment.start, experiment.end
    if (end - start).days >= MOST_DAYS:
        yield ("end",), f"{(end - start).days + 1} days from start to end; a quasi-experiment takes at most {MOST_DAYS}"
    if isinstance(design, DifferenceInDifferences):
        for group, day in design.adoption.items():
            if not start < day <= end:
                yield (
                    (at, "adoption", group),
                    f"adoption {day} is not after start {start} and up to end {end}: days before it are what the"
                    " group is compared with; a group that adopts later needs no date",
                )
        for group in sorted(set(design.adoption) - set(design.groups)) if design.groups else ():
            yield (at, "adoption", group), f"{group!r} is not one of `groups`"
    elif isinstance(design, InterruptedTimeSeries):
        yield from _check_order((at, "break_date"), (("start", start), ("break_date", design.break_date), ("end", end)))
    elif isinstance(design, Matched):
        days = (("start", start), ("uptake_from", design.uptake_from), ("outcome_from", design.outcome_from))
        yield from _check_order((at, "outcome_from"), (*days, ("end", end)))
    elif design is not None:
        yield from _check_order(
            (at, "outcome_from"), (("start", start), ("outcome_from", design.outcome_from), ("end", end))
        )


def _check_order(at: Location, days: tuple[tuple[str, date], ...]) -> Iterator[Finding]:
    for (earlier, first), (later, last) in pairwise(days):
        if first > last or (first == last and later != "end"):
            yield at, f"{later} {last} is not after {earlier} {first}"


def _check_metrics(experiment: Experiment, metrics: Mapping[str, Metric]) -> Iterator[Finding]:
    places: list[tuple[str, Location]] = [
        *((id_, ("metrics", "primary", n)) for n, id_ in enumerate(experiment.metrics.primary)),
        *((id_, ("metrics", "secondary", n)) for n, id_ in enumerate(experiment.metrics.secondary)),
        *((one.metric, ("metrics", "guardrail", n, "metric")) for n, one in enumerate(experiment.metrics.guardrail)),
        *design_metric_places(experiment),
    ]
    for id_, at in places:
        metric = metrics.get(id_)
        problem = _problem_of(metric) if metric is not None else None
        if problem:
            yield at, f"metric {id_!r} {problem}"
        elif metric is not None and at[-1] == "running" and metric.type != "ratio":
            yield (
                at,
                f"metric {id_!r} is a {metric.type}, and 0 for a unit without score: use a ratio, score per scoring",
            )


def problem_by_period(metric: Metric, design: str, no_window: str, over: str) -> str | None:
    """Why a metric cannot be summed up by days or periods, in the words of a design."""
    if metric.type not in METRIC_TYPES:
        return f"is a {metric.type}; a {design} takes {', '.join(METRIC_TYPES)}"
    if metric.window is not None:
        return f"has a window since exposure, and a {design} {no_window}: use one without"
    if metric.cap is not None or metric.bootstrap is not None:
        return f"has a cap or bootstrap over {over}: use one without"
    others = sorted(part.aggregate for part in metric.components if part.aggregate not in AGGREGATES)
    return f"aggregates by {others[0]}; a {design} takes sum and count" if others else None


def _problem_of(metric: Metric) -> str | None:
    over = "exposed units, and a quasi-experiment has none"
    return problem_by_period(metric, "quasi-experiment", "has no exposures", over)


def _check_group(experiment: Experiment, metrics: Mapping[str, Metric], sources: Sources) -> Iterator[Finding]:
    group = getattr(experiment.design, "group", None)
    if group is None:
        return
    known = {source.id: source.properties for source in sources.events}
    read = {part.source for id_ in experiment.metric_ids if id_ in metrics for part in metrics[id_].components}
    for source_id in sorted(read & known.keys()):
        if group not in known[source_id]:
            hint = did_you_mean(group, known[source_id], "properties")
            yield (experiment.type, "group"), f"source {source_id!r} declares no property {group!r}{hint}"
