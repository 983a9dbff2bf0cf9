"""Sums by bucket give back the moments of the units in them."""

import numpy as np
import pytest

from analysis.calibration.buckets import BucketSums, moment_columns


def summed(sums: BucketSums) -> tuple:
    return sums.n.sum(), sums.first.sum(axis=0), sums.second.sum(axis=0), sums.third.sum(axis=0)


def test_four_units_in_two_buckets_by_hand():
    """Values 1, 3 | 5, 7: mean 4, variance 20/3; the second bucket alone has mean 6, variance 2."""
    sums = BucketSums.from_units(np.array([0, 0, 1, 1]), y=np.array([1.0, 3, 5, 7]))
    both = moment_columns(sums.values, sums.centre, *summed(sums))
    assert (both["n_units"], both["mean"], both["variance"]) == (4, 4, pytest.approx(20 / 3))
    each = moment_columns(sums.values, sums.centre, sums.n, sums.first, sums.second, sums.third)
    assert each["mean"].tolist() == [2, 6]
    assert each["variance"].tolist() == [2, 2]


def test_every_moment_of_every_pair_of_values():
    rng = np.random.default_rng(1)
    unit = {name: rng.normal(3, 2, 500) + i for i, name in enumerate("ydxh")}
    sums = BucketSums.from_units(rng.integers(0, 20, 500), **unit)
    found = moment_columns(sums.values, sums.centre, *summed(sums))
    expected = np.cov(np.stack(list(unit.values())))
    assert found["denominator_covariate_covariance"] == pytest.approx(expected[1, 2], rel=1e-12)
    assert found["no_history_covariance"] == pytest.approx(expected[0, 3], rel=1e-12)
    assert found["covariate_variance"] == pytest.approx(expected[2, 2], rel=1e-12)


def test_integers_far_from_zero_keep_their_variance():
    """10¹³ steps + {0, 1}: squares of 10²⁶ that doubles could not tell apart."""
    values = [10**13 + step for step in (0, 1, 0, 1)]
    first = np.array([[values[0] + values[1]], [values[2] + values[3]]], dtype=object)
    second = np.array([[[values[0] ** 2 + values[1] ** 2]], [[values[2] ** 2 + values[3] ** 2]]], dtype=object)
    third = np.array([[values[0] ** 3 + values[1] ** 3], [values[2] ** 3 + values[3] ** 3]], dtype=object)
    sums = BucketSums.from_integers(
        ("y",), np.array([2, 2], dtype=object), first, second, third, np.array([100.0]), is_share=False
    )
    found = moment_columns(sums.values, sums.centre, *summed(sums))
    assert found["variance"] == pytest.approx((1 / 3) / 100**2, rel=1e-12)
    assert found["mean"] == pytest.approx(1e11 + 0.005)
    assert found["third_central_moment"] == pytest.approx(0, abs=1e-12)


def test_an_arm_of_one_unit_has_a_mean_and_no_variance():
    sums = BucketSums.from_units(np.array([0, 1]), y=np.array([1.0, 3]))
    each = moment_columns(sums.values, sums.centre, sums.n, sums.first, sums.second, sums.third)
    assert each["mean"].tolist() == [1, 3]
    assert np.isnan(each["variance"]).all()


@pytest.mark.parametrize("kind", ["mean", "ratio", "share"])
def test_third_moments_are_those_of_the_units(kind):
    """Of a ratio, those of numerator - ratio · denominator; sums of integers, and of the units themselves."""
    rng = np.random.default_rng(4)
    y = (rng.lognormal(2, 1, 900) * 100 - 500).astype(np.int64) if kind != "share" else rng.integers(0, 2, 900)
    d = rng.poisson(3, 900) + 1
    bucket, is_share = rng.integers(0, 12, 900), kind == "share"
    unit = {"y": y, "d": d} if kind == "ratio" else {"y": y}
    at = ((0, 0, 0), (0, 0, 1), (0, 1, 1), (1, 1, 1))[: {"mean": 1, "ratio": 4, "share": 0}[kind]]
    values = np.stack(list(unit.values()), axis=1).astype(object)
    cells = [values[bucket == cell] for cell in range(12)]
    integers = BucketSums.from_integers(
        tuple(unit),
        np.array([len(cell) for cell in cells], dtype=object),
        np.array([cell.sum(axis=0) for cell in cells]),
        np.array([cell.T @ cell for cell in cells]),
        np.array([[(cell[:, i] * cell[:, j] * cell[:, k]).sum() for i, j, k in at] for cell in cells], dtype=object),
        np.ones(len(unit)),
        is_share=is_share,
    )
    linear = y - y.mean() / d.mean() * d if kind == "ratio" else y
    expected = np.mean((linear - linear.mean()) ** 3)
    for sums in (integers, BucketSums.from_units(bucket, is_share, **unit)):
        found = moment_columns(sums.values, sums.centre, *summed(sums))["third_central_moment"]
        assert found == pytest.approx(expected, rel=1e-9)


def test_further_covariates_have_the_columns_of_their_moments():
    rng = np.random.default_rng(5)
    unit = {name: rng.normal(3, 2, 500) + i for i, name in enumerate(("y", "x", "h", "x1", "x2"))}
    sums = BucketSums.from_units(rng.integers(0, 20, 500), **unit)
    found = moment_columns(sums.values, sums.centre, *summed(sums))
    expected = np.cov(np.stack(list(unit.values())))
    columns = ("value", "covariate", "no_history", "1", "2")
    for at, name in enumerate(columns):
        assert found[f"further_2_with_{name}"] == pytest.approx(expected[4, at], rel=1e-10)
    assert found["further_1_mean"] == pytest.approx(unit["x1"].mean())
    assert "further_1_with_2" not in found and "further_1_with_denominator" not in found
