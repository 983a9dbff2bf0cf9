"""Checks of an experiment's categorical metrics against how it is analysed and decided."""

from collections.abc import Iterator, Mapping

from configs.schema import Experiment, Metric
from configs.supported import Finding
from configs.yaml_document import Location


def check_categories(experiment: Experiment, metrics: Mapping[str, Metric]) -> Iterator[Finding]:
    """Whether categories differ is asked once, at the planned end, and has no better way."""
    names = {id_ for id_ in experiment.metrics.roles if id_ in metrics and metrics[id_].type == "categorical"}
    if not names:
        return
    yield from _check_analysis(experiment, ", ".join(map(repr, sorted(names))))
    for at, id_, asks in _directed_uses(experiment):
        if id_ in names:
            yield (
                at,
                f"{asks}, and categorical metric {id_!r} has no better way: make it secondary, or use the share of"
                " one category, a proportion with `where`",
            )


def _check_analysis(experiment: Experiment, names: str) -> Iterator[Finding]:
    analysis = experiment.analysis
    if analysis.method != "fixed":
        yield (
            ("analysis", "method"),
            f"method {analysis.method} doesn't go with categorical metrics ({names}): the chi-squared test holds at"
            " one planned look; use method fixed, or other metrics",
        )
    if analysis.correction == "dunnett":
        yield (
            ("analysis", "correction"),
            f"correction dunnett doesn't go with categorical metrics ({names}); use holm",
        )
    if analysis.alternative != "two_sided":
        yield (
            ("analysis", "alternative"),
            f"alternative {analysis.alternative} doesn't go with categorical metrics ({names}), which have no better"
            " way; use two_sided",
        )


def _directed_uses(experiment: Experiment) -> Iterator[tuple[Location, str, str]]:
    """Where a metric with a better way is asked for: place, metric id, and what asks."""
    for index, id_ in enumerate(experiment.metrics.primary):
        yield ("metrics", "primary", index), id_, "a primary metric is to be better"
    for index, guardrail in enumerate(experiment.metrics.guardrail):
        yield ("metrics", "guardrail", index, "metric"), guardrail.metric, "a guardrail is not to be worse"
    for index, entry in enumerate(experiment.analysis.equivalence):
        yield ("analysis", "equivalence", index, "metric"), entry.metric, "an equivalence test is of means"
    for index, prediction in enumerate(experiment.hypothesis.predictions if experiment.hypothesis else ()):
        at: Location = ("hypothesis", "predictions", index, "metric")
        yield at, prediction.metric, "a prediction is of an effect with a sign"
