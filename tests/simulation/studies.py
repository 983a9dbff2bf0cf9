"""Every study of the table."""

from tests.simulation import fixed_horizon, sequential, variance_reduction

STUDIES = (*fixed_horizon.STUDIES, *variance_reduction.STUDIES, *sequential.STUDIES)
