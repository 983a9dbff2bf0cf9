"""Which bandits log the chance that each unit had of its variant, and where."""

from typing import Any

from configs.schema import Config


def logged_propensities(config: Config) -> list[tuple[str, str]]:
    """Bandits whose exposures log the chance of their variant, each with the attribute that has it."""
    return [
        (experiment.id, experiment.bandit.propensity)
        for _, experiment in sorted(config.experiments.items())
        if experiment.bandit is not None and experiment.bandit.propensity is not None and experiment.is_analysed
    ]


def propensity_catalog(config: Config) -> dict[str, Any]:
    """The attributes that log a bandit's chances, as a part of the metric catalog; nothing where none does."""
    names = sorted({name for _, name in logged_propensities(config)})
    return {"propensities": names} if names else {}
