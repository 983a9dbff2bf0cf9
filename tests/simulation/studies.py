"""Every study of the table."""

from tests.simulation import (
    bandits,
    bayesian,
    bootstrapping,
    categories,
    decision_rules,
    distribution_free,
    early_stopping,
    event_quantiles,
    factorials,
    fixed_horizon,
    many_comparisons,
    moving_caps,
    planned_power,
    sequential,
    stratification,
    variance_reduction,
)

STUDIES = (
    *fixed_horizon.STUDIES,
    *variance_reduction.STUDIES,
    *stratification.STUDIES,
    *sequential.STUDIES,
    *bayesian.STUDIES,
    *many_comparisons.STUDIES,
    *distribution_free.STUDIES,
    *bootstrapping.STUDIES,
    *moving_caps.STUDIES,
    *categories.STUDIES,
    *event_quantiles.STUDIES,
    *planned_power.STUDIES,
    *decision_rules.STUDIES,
    *early_stopping.STUDIES,
    *bandits.STUDIES,
    *factorials.STUDIES,
)
