"""Effects put into sums are those of the units."""

import numpy as np
import pytest

from analysis.calibration.buckets import BucketSums, moment_columns
from analysis.calibration.effects import redrawn_share, scaled


def test_scaled_sums_are_those_of_scaled_units():
    rng = np.random.default_rng(1)
    cell, y, x = rng.integers(0, 5, 100), rng.gamma(2, 3, 100), rng.gamma(2, 3, 100)
    plain = BucketSums.from_units(cell, y=y, x=x)
    centre, *sums = scaled(plain.values, plain.centre, plain.first, plain.second, plain.third, 0.25)
    found = moment_columns(plain.values, centre, plain.n.sum(), *(one.sum(axis=0) for one in sums))
    assert found["mean"] == pytest.approx(1.25 * y.mean())
    assert found["covariate_covariance"] == pytest.approx(np.cov(1.25 * y, x)[0, 1])


@pytest.mark.parametrize("relative", [-0.5, 0.5])
def test_a_share_changes_by_as_much_on_average_and_stays_a_share(relative):
    """Of 10,000 units 2,000 convert: redrawn 4,000 times the mean is within 4 standard errors of (1 ± .5)·.2."""
    n = np.full(4_000, 10_000.0)
    first, second = np.full((4_000, 2), 2_000.0), np.full((4_000, 2, 2), 2_000.0)
    first[:, 1] = 0.0
    changed, products = redrawn_share(np.random.default_rng(1), n, first, second, relative, 0.2)
    sd = np.sqrt(2_000 * 0.25) if relative < 0 else np.sqrt(8_000 * 0.125 * 0.875)
    assert abs(changed[:, 0].mean() - 2_000 * (1 + relative)) < 4 * sd / np.sqrt(4_000)
    np.testing.assert_array_equal(products[:, 0, 0], changed[:, 0])
    np.testing.assert_allclose(products[:, 0, 1], 2_000 * (0.5 if relative < 0 else 0.875))


def test_a_share_cannot_pass_one():
    with pytest.raises(ValueError, match="cannot change by"):
        redrawn_share(np.random.default_rng(1), np.ones(1), np.ones((1, 1)), np.ones((1, 1, 1)), 0.5, 0.8)
