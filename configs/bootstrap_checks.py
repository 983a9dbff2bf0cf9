"""Checks of an experiment's bootstrapped metrics against how it is analysed."""

import math
from collections.abc import Iterator, Mapping

from configs.schema import Experiment, Metric
from configs.supported import Finding


def check_bootstrap_is_given(metric: Metric) -> Iterator[Finding]:
    """A key without options is no wish for none."""
    if "bootstrap" in metric.model_fields_set and metric.bootstrap is None:
        yield ("bootstrap",), "`bootstrap` got nothing; write `bootstrap: {}` for its defaults, or leave the key out"


def check_bootstraps(experiment: Experiment, metrics: Mapping[str, Metric]) -> Iterator[Finding]:
    """Replicates serve one planned look, each comparison by itself, down to a level that their number sets."""
    bootstrapped = {
        id_: metrics[id_].bootstrap for id_ in experiment.metrics.roles if id_ in metrics and metrics[id_].bootstrap
    }
    if not bootstrapped:
        return
    names, analysis = ", ".join(map(repr, bootstrapped)), experiment.analysis
    if analysis.method != "fixed":
        yield (
            ("analysis", "method"),
            f"method {analysis.method} doesn't go with bootstrapped metrics ({names}): their intervals hold at one"
            " planned look; use method fixed, or the metrics without `bootstrap`",
        )
        return
    if analysis.correction == "dunnett":
        yield (
            ("analysis", "correction"),
            f"correction dunnett doesn't go with bootstrapped metrics ({names}): it needs a t distribution; use holm",
        )
    for id_, options in bootstrapped.items():
        needed = replicates_needed(experiment, id_)
        if options is not None and options.replicates < needed:
            role = experiment.metrics.roles[id_]
            yield (
                ("metrics", role),
                f"{id_!r} is bootstrapped with {options.replicates} replicates, too few to reject at the smallest"
                f" level that it is tested at here; give the metric `bootstrap: {{replicates: {needed}}}` or more, or"
                " fewer metrics and variants to the experiment",
            )


def replicates_needed(experiment: Experiment, metric_id: str) -> int:
    """With how many replicates each of a metric's tests can reject at all.

    The interval at α / (size of the metric's family) ends at the first replicate from either side with 2/level - 1;
    the one-sided test of deterioration, at α/2 over all metrics × treatments, needs as many for some room below it.
    """
    alpha, arms, roles = experiment.analysis.alpha, len(experiment.treatments), experiment.metrics.roles
    role = roles[metric_id]
    is_corrected = role != "guardrail" and experiment.analysis.correction != "none"
    family = arms * list(roles.values()).count(role) if is_corrected else 1
    level = min(alpha / family, alpha / 2 / (len(roles) * arms))
    return math.ceil(2 / level - 1e-6) - 1
