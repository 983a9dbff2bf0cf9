"""Checks of experiments whose weights change: their results are compared within epochs, and combined."""

from collections.abc import Iterator, Mapping

from configs.schema import Experiment, Metric
from configs.supported import Finding

_WHAT = "can't be combined over epochs of different weights"


def check_epochs(experiment: Experiment, metrics: Mapping[str, Metric]) -> Iterator[Finding]:
    """Epochs are the strata of means, shares, retentions and ratios; nothing else can be combined over them."""
    if not experiment.changes_weights:
        return
    changed = next(
        i for i, epoch in enumerate(experiment.allocation) if epoch.weights != experiment.allocation[0].weights
    )
    at = ("allocation", changed, "weights")
    if experiment.analysis.adjustment == "post_stratification":
        yield (
            ("analysis", "adjustment"),
            "isn't built yet: post_stratification beside weights that change during the experiment, whose epochs are"
            " strata of their own; leave it out",
        )
    baselines = [variant.id for variant in experiment.variants if variant.baseline]
    for treatment in experiment.treatments if len(baselines) == 1 else ():
        pairs = ([epoch.weights.get(id_, 0) for id_ in (baselines[0], treatment.id)] for epoch in experiment.allocation)
        if not any(min(pair) > 0 for pair in pairs):
            yield (
                ("allocation",),
                f"no epoch gives both {baselines[0]!r} and {treatment.id!r} a weight: they can't be compared",
            )
    for metric_id in experiment.metrics.roles:
        metric = metrics.get(metric_id)
        if metric is not None and metric.bootstrap is not None:
            yield at, f"{metric_id!r} is bootstrapped, which {_WHAT}; drop `bootstrap`, or start a new experiment"
        elif metric is not None and metric.type in ("quantile", "categorical"):
            yield at, f"{metric_id!r} is a {metric.type}, which {_WHAT}; use another metric, or start a new experiment"
