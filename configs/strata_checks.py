"""Checks of the strata that post-stratification is to use."""

from collections.abc import Iterator

from configs.problems import did_you_mean
from configs.schema import Experiment, ExposureSource
from configs.supported import Finding

_AT = ("analysis", "strata")


def check_strata(experiment: Experiment) -> Iterator[Finding]:
    """Strata go with post-stratification, which needs some."""
    analysis = experiment.analysis
    if analysis.strata and analysis.adjustment != "post_stratification":
        yield (
            _AT,
            f"`strata` belong to adjustment post_stratification, not {analysis.adjustment}; drop them or change it",
        )
    if analysis.adjustment == "post_stratification" and not experiment.strata:
        yield (
            ("analysis", "adjustment"),
            "post_stratification needs attributes known at exposure: add `strata: [...]` here, or `segments` to the"
            " experiment",
        )


def check_stratum_attributes(experiment: Experiment, source: ExposureSource) -> Iterator[Finding]:
    """The exposure source keeps each of the attributes."""
    strata = experiment.analysis.strata
    for index, attribute in enumerate(strata):
        if attribute in strata[:index]:
            yield (*_AT, index), f"{attribute!r} is listed twice in strata"
        if attribute not in source.attributes:
            hint = did_you_mean(attribute, source.attributes, "attributes")
            yield (*_AT, index), f"exposure source {source.id!r} has no attribute {attribute!r}{hint}"
