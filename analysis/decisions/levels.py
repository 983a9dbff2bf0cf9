"""How α and β are split: the level of every test that a decision stands on, and the power each is planned with.

α_d = α/2 is the total one-sided level of the deterioration tests.
"""

import numpy as np

from analysis.statistics.power import per_test_power
from configs.schema import Experiment, Guardrail


def family_size(experiment: Experiment) -> int:
    """Primaries × treatments."""
    return len(experiment.metrics.primary) * len(experiment.treatments)


def deterioration_alpha(experiment: Experiment) -> float:
    """Total one-sided level of the deterioration tests: α/2."""
    return experiment.analysis.alpha / 2


def deterioration_level(experiment: Experiment) -> float:
    """One-sided level of each deterioration test: Bonferroni over all metrics × treatments."""
    return deterioration_alpha(experiment) / (len(experiment.metrics.roles) * len(experiment.treatments))


def split_level(experiment: Experiment) -> float:
    """α/(S·T): a goal's level where one of several goals is enough."""
    return experiment.analysis.alpha / family_size(experiment)


def full_level(experiment: Experiment) -> float:
    """α: a goal's level where every goal must pass."""
    return experiment.analysis.alpha


def sides_of_adjusted_test(experiment: Experiment) -> int:
    """1 under alternative improvement, where adjusted intervals are one-sided; else 2."""
    return 1 if experiment.analysis.alternative == "improvement" else 2


def power_of_any_goal(experiment: Experiment) -> float:
    """1 − (β − α_d)/(G + 1), for one winning goal and G guardrails; NaN where β ≤ α_d."""
    return _power(experiment, 1 + len(experiment.metrics.guardrail))


def power_of_every_goal(experiment: Experiment) -> float:
    """1 − (β − α_d)/(S + G), for S goals and G guardrails that must all pass; NaN where β ≤ α_d."""
    return _power(experiment, len(experiment.metrics.primary) + len(experiment.metrics.guardrail))


def margins(experiment: Experiment) -> dict[str, Guardrail]:
    """Metric id to its margin, of guardrails and of goals that are held to one."""
    return experiment.margins


def _power(experiment: Experiment, n_decisive: int) -> float:
    found = per_test_power(experiment.analysis.power, deterioration_alpha(experiment), n_decisive - 1)
    return float(np.asarray(found))
