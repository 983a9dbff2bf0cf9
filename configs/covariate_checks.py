"""Checks of the metrics that a metric lists as covariates, once every metric is read."""

from collections.abc import Collection, Iterator, Mapping

from configs.covariates import WITHOUT_VALUE
from configs.metric_schema import Metric
from configs.problems import did_you_mean
from configs.supported import Finding


def check_listed_covariates(metric: Metric, metrics: Mapping[str, Metric], known: Collection[str]) -> Iterator[Finding]:
    """Each is a metric, with a value of each unit, that is no covariate by itself; names are of one covariate each.

    `metrics` are the valid ones, `known` also names those with errors of their own.
    """
    if metric.covariate is None:
        return
    written = {one.name for one in metric.covariate.further}
    for index, id_ in enumerate(metric.covariate.also):
        listed = metrics.get(id_)
        problem = None
        if id_ not in known:
            problem = f"unknown metric {id_!r}{did_you_mean(id_, known, 'metrics')}"
        elif listed is None:
            continue
        elif listed.type in WITHOUT_VALUE:
            problem = f"{id_!r} is a {listed.type}: only means, proportions, retentions and ratios can be covariates"
        elif id_ == metric.id and metric.type != "ratio":
            problem = "its own value before exposure is its first covariate already; drop it here"
        elif written & {id_, f"{id_}_numerator", f"{id_}_denominator"}:
            problem = f"`further` has a covariate of the name that {id_!r} brings; rename that one"
        if problem is not None:
            yield ("covariate", "also", index), problem
