"""Checks of an experiment with `cluster` against its exposure source, metrics and analysis."""

from collections.abc import Iterator, Mapping

from configs.problems import did_you_mean
from configs.schema import Experiment, ExposureSource, Metric
from configs.supported import Finding


def check_cluster(experiment: Experiment, metrics: Mapping[str, Metric]) -> Iterator[Finding]:
    """What `cluster` asks of the rest of the experiment; nothing of experiments without."""
    if experiment.cluster is None:
        return
    analysis = experiment.analysis
    if experiment.factors or experiment.bandit is not None:
        yield ("cluster",), "clusters are of two arms or more, not of factors or a bandit"
    yield from _check_metrics(experiment, metrics)
    for name, chosen, asked in (
        ("method", analysis.method, "fixed"),
        ("alternative", analysis.alternative, "two_sided"),
    ):
        if chosen != asked:
            yield ("analysis", name), f"clusters are compared once, {asked}; {name} {chosen!r} is not for them"
    refused = (
        (("analysis", "correction"), analysis.correction == "dunnett", "dunnett is of independent units; take holm"),
        (("analysis", "equivalence"), bool(analysis.equivalence), "clusters have no test of equivalence"),
        (
            ("analysis", "adjustment"),
            analysis.adjustment == "post_stratification",
            "effects of clusters are not adjusted by strata",
        ),
        (("segments",), bool(experiment.segments), "clusters have no effects by segment"),
        (("allocation",), experiment.changes_weights, "clusters keep their variant, so their weights do not change"),
        (("trends",), experiment.trends is not None, "trends are of independent units; clusters have none"),
        (("trigger",), experiment.trigger is not None, "a trigger is of units; clusters are compared whole"),
    )
    for at, is_asked, message in refused:
        if is_asked:
            yield at, message


def _check_metrics(experiment: Experiment, metrics: Mapping[str, Metric]) -> Iterator[Finding]:
    for role in ("primary", "guardrail"):
        for index, id_ in enumerate(id_ for id_, each in experiment.metrics.roles.items() if each == role):
            metric = metrics.get(id_)
            if metric is not None and (metric.type in ("quantile", "categorical") or metric.bootstrap is not None):
                kind = "bootstrapped" if metric.bootstrap is not None else metric.type
                yield ("metrics", role, index), f"{id_!r} is {kind}: it has no sums by cluster; make it secondary"
    for index, guardrail in enumerate(experiment.metrics.guardrail):
        if guardrail.absolute_margin is None:
            yield ("metrics", "guardrail", index), "a guardrail of clusters has an `absolute_margin`"
    if experiment.decision.rule == "do_no_harm" and any(m.absolute_margin is None for m in experiment.decision.margins):
        yield ("decision", "margins"), "a margin of clusters is an `absolute_margin`"


def check_cluster_attribute(experiment: Experiment, source: ExposureSource) -> Iterator[Finding]:
    """The exposure source keeps the attribute that names the clusters."""
    if experiment.cluster is not None and experiment.cluster.attribute not in source.attributes:
        attribute = experiment.cluster.attribute
        hint = did_you_mean(attribute, source.attributes, "attributes")
        yield ("cluster", "attribute"), f"exposure source {source.id!r} has no attribute {attribute!r}{hint}"
