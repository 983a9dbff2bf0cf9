"""Checks of an experiment with `factors` against its variants, analysis, rule and metrics."""

from collections.abc import Iterator, Mapping

from configs.factors import cells
from configs.fraction import Fraction
from configs.problems import did_you_mean
from configs.schema import Experiment, Metric
from configs.supported import Finding

MEAN_TYPES = ("proportion", "mean", "ratio", "retention")
"""Metrics whose cells have means to take contrasts of."""


def check_factors_of(experiment: Experiment, metrics: Mapping[str, Metric]) -> Iterator[Finding]:
    """What factors ask of the rest of the experiment; nothing of experiments without."""
    if not experiment.factors:
        if experiment.interactions:
            yield ("interactions",), "are those of `factors`, and there are none"
        return
    if experiment.type != "multivariate":
        yield ("type",), f"factors are of type multivariate, not {experiment.type}"
    if experiment.changes_weights:
        yield ("allocation",), "effects by factor pool all units, so the cells' weights do not change"
    yield from _check_variants(experiment)
    yield from _check_interactions(experiment)
    yield from _check_analysis(experiment)
    for index, id_ in enumerate(experiment.metrics.primary):
        metric = metrics.get(id_)
        if metric is not None and metric.type not in MEAN_TYPES:
            message = f"{id_!r} is {metric.type}: main effects are of means, so it decides nothing; make it secondary"
            yield ("metrics", "primary", index), message


def _check_variants(experiment: Experiment) -> Iterator[Finding]:
    """Listed for their weights, variants are the cells."""
    found = cells(experiment.factors, experiment.fraction)
    listed = {variant.id for variant in experiment.variants}
    for index, variant in enumerate(experiment.variants):
        if variant.id not in found:
            hint = did_you_mean(variant.id, found, "cells")
            yield ("variants", index, "id"), f"{variant.id!r} is no cell of the factors{hint}"
        elif variant.baseline and any(found[variant.id]):
            origin = next(iter(found))
            yield ("variants", index, "baseline"), f"the baseline is {origin!r}, every factor at its first level"
    if missing := [name for name in found if name not in listed]:
        yield ("variants",), f"lack the cells {', '.join(missing)}; leave `variants` out to have all weigh alike"
    if experiment.fraction and len({variant.weight for variant in experiment.variants}) > 1:
        yield ("variants",), "the cells of a fraction weigh alike; leave `variants` out"


def _check_interactions(experiment: Experiment) -> Iterator[Finding]:
    seen: set[frozenset[str]] = set()
    ids = list(experiment.factors)
    fraction = Fraction(tuple(ids), experiment.fraction) if experiment.fraction else None
    for index, factors in enumerate(experiment.interactions):
        at = ("interactions", index)
        unknown = [factor for factor in factors if factor not in ids]
        if unknown:
            yield at, f"unknown factor {unknown[0]!r}{did_you_mean(unknown[0], ids, 'factors')}"
        elif len(set(factors)) < max(2, len(factors)):
            yield at, "an interaction is a list of two different factors or more"
        elif frozenset(factors) in seen:
            yield at, f"{':'.join(factors)} is listed twice"
        elif fraction and tuple(sorted(ids.index(factor) for factor in factors)) in fraction.defining:
            yield at, f"{':'.join(factors)} is the same in every cell of the fraction: it has no effect to report"
        seen.add(frozenset(factors))


def _check_analysis(experiment: Experiment) -> Iterator[Finding]:
    analysis = experiment.analysis
    for name, chosen, asked in (
        ("method", analysis.method, "fixed"),
        ("alternative", analysis.alternative, "two_sided"),
    ):
        if chosen != asked:
            yield ("analysis", name), f"main effects are tested once, {asked}; {name} {chosen!r} is not for `factors`"
    if analysis.correction == "dunnett":
        yield ("analysis", "correction"), "dunnett compares arms with one baseline; main effects take holm"
    if experiment.decision.rule != "risk_aware":
        message = f"levels are recommended by rule risk_aware, not {experiment.decision.rule}"
        yield ("decision", "rule"), f"{message}; drop it, or drop `factors` and list the variants"
