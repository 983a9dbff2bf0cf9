"""What the schema knows but the pipeline can't do yet; whoever builds a part deletes its lines here."""

from collections.abc import Iterator

from configs.quasi_schema import QUASI_TYPES
from configs.schema import Experiment, Sources
from configs.yaml_document import Location

Finding = tuple[Location, str]

EXPERIMENT_TYPES = ("ab", "multivariate", "rollout", "holdout", "switchback", "bandit", *QUASI_TYPES)
RULES = ("risk_aware", "clear_signals", "do_no_harm")


def unsupported_in_sources(sources: Sources) -> Iterator[Finding]:
    """Parts of `sources.yaml` that the pipeline can't do yet."""
    if sources.units:
        yield ("units",), "isn't built yet: unit tables"


def unsupported_in_experiment(experiment: Experiment) -> Iterator[Finding]:
    """Parts of an experiment that the pipeline can't do yet."""
    choices: tuple[tuple[Location, str, tuple[str, ...]], ...] = (
        (("type",), experiment.type, EXPERIMENT_TYPES),
        (("decision", "rule"), experiment.decision.rule, RULES),
    )
    for location, chosen, built in choices:
        if chosen not in built:
            names = ".".join(map(str, location))
            yield location, f"isn't built yet: {names} {chosen!r}; use one of {', '.join(built)}"
