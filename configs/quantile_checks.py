"""Checks of an experiment's quantile metrics against how it is analysed."""

from collections.abc import Iterator, Mapping

from configs.schema import Experiment, Metric
from configs.supported import Finding


def check_quantiles(experiment: Experiment, metrics: Mapping[str, Metric]) -> Iterator[Finding]:
    """Quantiles have intervals at one planned look, and no joint distribution over arms."""
    quantiles = [id_ for id_ in experiment.metrics.roles if id_ in metrics and metrics[id_].type == "quantile"]
    if not quantiles:
        return
    names, analysis = ", ".join(map(repr, quantiles)), experiment.analysis
    if analysis.method != "fixed":
        yield (
            ("analysis", "method"),
            f"method {analysis.method} doesn't go with quantile metrics ({names}): their intervals hold at one planned"
            " look; use method fixed, or other metrics",
        )
    elif analysis.correction == "dunnett":
        yield (
            ("analysis", "correction"),
            f"correction dunnett doesn't go with quantile metrics ({names}); use holm",
        )
