"""Further covariates of a metric: other metrics' values before exposure, as definitions of their own."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from configs.metric_schema import Component, FurtherCovariate, Metric

WITHOUT_VALUE = frozenset({"quantile", "categorical"})
"""Types whose units have no value that could be a covariate."""


@dataclass(frozen=True)
class Term:
    """A variable that enters beside the own ones: a covariate, or whether a unit has no event of its source."""

    name: str
    source: str
    covariate: FurtherCovariate | None = None


def further_terms(metric: Metric) -> tuple[Term, ...]:
    """The variables that a metric's further covariates bring, in the order in which they enter.

    A unit without any event of a covariate's source counts with 0, and an indicator of that follows the first
    covariate of each source but the metric's own, whose indicator is there already.
    """
    terms, known = [], {metric.components[0].source}
    for one in metric.further_covariates:
        terms.append(Term(one.name, one.source, one))
        if one.source not in known:
            terms.append(Term(f"no history in {one.source}", one.source))
        known.add(one.source)
    return tuple(terms)


def with_resolved_covariates(metrics: Mapping[str, Metric]) -> dict[str, Metric]:
    """The metrics, each with what `also` lists as definitions in `further`, before those written there.

    So nothing that reads one metric has to know another, and a pinned configuration holds all that counts.
    Raises ValueError for a metric that lists one that is not there.
    """
    return {id_: _resolved(metric, metrics) for id_, metric in metrics.items()}


def _resolved(metric: Metric, metrics: Mapping[str, Metric]) -> Metric:
    if metric.covariate is None or not metric.covariate.also:
        return metric
    missing = [id_ for id_ in metric.covariate.also if id_ not in metrics]
    if missing:
        raise ValueError(f"metric {metric.id!r} has covariates that are no metrics: {', '.join(missing)}")
    listed = [one for id_ in metric.covariate.also for one in _covariates_of(metrics[id_], metric)]
    update = {"also": (), "further": (*listed, *metric.covariate.further)}
    return metric.model_copy(update={"covariate": metric.covariate.model_copy(update=update)})


def _covariates_of(listed: Metric, metric: Metric) -> Iterator[FurtherCovariate]:
    """A metric's value before exposure; of a ratio both parts, of the metric itself the denominator alone."""
    if listed.type != "ratio":
        yield _covariate(listed.id, listed.components[0], is_share=listed.type in ("proportion", "retention"))
        return
    for part, component in zip(("numerator", "denominator"), listed.components, strict=True):
        if listed.id != metric.id or part == "denominator":
            yield _covariate(f"{listed.id}_{part}", component, is_share=False)


def _covariate(name: str, component: Component, *, is_share: bool) -> FurtherCovariate:
    return FurtherCovariate(name=name, type="proportion" if is_share else "mean", **dict(component))
