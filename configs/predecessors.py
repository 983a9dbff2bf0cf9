"""Which earlier experiments may still be at work in an experiment's units."""

from datetime import timedelta

from configs.schema import Config, Experiment


def predecessors(config: Config, experiment: Experiment) -> list[str]:
    """Ids of the experiments on the same exposure log that began before and ended at most `carry_over_days` before.

    None where the threshold is not set. One that still runs counts too: units may have been in it before.
    """
    days = config.project.health.overridden_by(experiment.health).carry_over_days
    if days is None or not experiment.is_analysed or not experiment.follows_units:
        return []
    since = experiment.start - timedelta(days=days)
    return sorted(
        other.id
        for other in config.experiments.values()
        if other.is_analysed
        and other.follows_units
        and other.exposure_source == experiment.exposure_source
        and other.start < experiment.start
        and other.end >= since
    )
