"""Moments of unit-level values."""

import numpy as np

from analysis.statistics.moments import JointMoments, MeanMoments


def test_moments_of_five_values() -> None:
    moments = MeanMoments.from_values([1, 2, 3, 4, 10])
    assert (moments.n, moments.mean, moments.variance) == (5, 4, 12.5)
    assert moments.third_central_moment == (-27 - 8 - 1 + 0 + 216) / 5


def test_joint_moments_of_a_value_and_its_square() -> None:
    """Deviations -2, 0, 2 and -32/3, -8/3, 40/3: their products over n - 1 = 2."""
    moments = JointMoments.from_values([1, 3, 5], [1, 9, 25])
    assert moments.n == 3
    np.testing.assert_allclose(moments.mean, [3, 35 / 3], rtol=1e-15)
    np.testing.assert_allclose(moments.covariance, [[4, 24], [24, 448 / 3]], rtol=1e-14)
