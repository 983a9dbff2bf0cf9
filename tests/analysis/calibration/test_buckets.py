"""Sums by bucket give back the moments of the units in them."""

import numpy as np
import pytest

from analysis.calibration.buckets import BucketSums, moment_columns


def test_four_units_in_two_buckets_by_hand():
    """Values 1, 3 | 5, 7: mean 4, variance 20/3; the second bucket alone has mean 6, variance 2."""
    sums = BucketSums.from_units(np.array([0, 0, 1, 1]), y=np.array([1.0, 3, 5, 7]))
    both = moment_columns(sums.values, sums.centre, sums.n.sum(), sums.first.sum(axis=0), sums.second.sum(axis=0))
    assert (both["n_units"], both["mean"], both["variance"]) == (4, 4, pytest.approx(20 / 3))
    each = moment_columns(sums.values, sums.centre, sums.n, sums.first, sums.second)
    assert each["mean"].tolist() == [2, 6]
    assert each["variance"].tolist() == [2, 2]


def test_every_moment_of_every_pair_of_values():
    rng = np.random.default_rng(1)
    unit = {name: rng.normal(3, 2, 500) + i for i, name in enumerate("ydxh")}
    sums = BucketSums.from_units(rng.integers(0, 20, 500), **unit)
    found = moment_columns(sums.values, sums.centre, sums.n.sum(), sums.first.sum(axis=0), sums.second.sum(axis=0))
    expected = np.cov(np.stack(list(unit.values())))
    assert found["denominator_covariate_covariance"] == pytest.approx(expected[1, 2], rel=1e-12)
    assert found["no_history_covariance"] == pytest.approx(expected[0, 3], rel=1e-12)
    assert found["covariate_variance"] == pytest.approx(expected[2, 2], rel=1e-12)


def test_integers_far_from_zero_keep_their_variance():
    """10¹³ steps + {0, 1}: squares of 10²⁶ that doubles could not tell apart."""
    values = [10**13 + step for step in (0, 1, 0, 1)]
    first = np.array([[values[0] + values[1]], [values[2] + values[3]]], dtype=object)
    second = np.array([[[values[0] ** 2 + values[1] ** 2]], [[values[2] ** 2 + values[3] ** 2]]], dtype=object)
    sums = BucketSums.from_integers(
        ("y",), np.array([2, 2], dtype=object), first, second, np.array([100.0]), is_share=False
    )
    found = moment_columns(sums.values, sums.centre, sums.n.sum(), sums.first.sum(axis=0), sums.second.sum(axis=0))
    assert found["variance"] == pytest.approx((1 / 3) / 100**2, rel=1e-12)
    assert found["mean"] == pytest.approx(1e11 + 0.005)


def test_an_arm_of_one_unit_has_a_mean_and_no_variance():
    sums = BucketSums.from_units(np.array([0, 1]), y=np.array([1.0, 3]))
    each = moment_columns(sums.values, sums.centre, sums.n, sums.first, sums.second)
    assert each["mean"].tolist() == [1, 3]
    assert np.isnan(each["variance"]).all()
