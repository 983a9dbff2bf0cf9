"""Which thresholds hold for an experiment. Their defaults are in `configs.health_schema`."""

from collections.abc import Mapping

from configs.schema import Experiment, HealthThresholds, Project

SAMPLE_RATIO_CONCENTRATION = 10_000.0
"""Weight in units of the Dirichlet prior around the configured shares: the larger, the smaller the imbalance sought."""

MIXED_CONCENTRATION = 100.0
"""The same for the split of mixed units."""


def thresholds_by_experiment(project: Project, experiments: Mapping[str, Experiment]) -> dict[str, HealthThresholds]:
    """The project's thresholds, but for what an experiment sets itself."""
    return {id_: project.health.overridden_by(experiment.health) for id_, experiment in experiments.items()}
