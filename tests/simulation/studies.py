"""Every study of the table."""

from tests.simulation import (
    bayesian,
    bootstrapping,
    distribution_free,
    fixed_horizon,
    many_comparisons,
    planned_power,
    sequential,
    variance_reduction,
)

STUDIES = (
    *fixed_horizon.STUDIES,
    *variance_reduction.STUDIES,
    *sequential.STUDIES,
    *bayesian.STUDIES,
    *many_comparisons.STUDIES,
    *distribution_free.STUDIES,
    *bootstrapping.STUDIES,
    *planned_power.STUDIES,
)
