"""Every study of the table."""

from tests.simulation import (
    bayesian,
    categories,
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
    *categories.STUDIES,
    *planned_power.STUDIES,
)
