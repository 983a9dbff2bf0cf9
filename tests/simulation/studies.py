"""Every study of the table."""

from tests.simulation import (
    bayesian,
    distribution_free,
    fixed_horizon,
    many_comparisons,
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
    *planned_power.STUDIES,
)
