"""Merging two groups' moments gives the moments of their union."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from analysis.statistics.moments import JointMoments, MeanMoments

VALUES = st.lists(st.integers(-1000, 1000), min_size=2, max_size=30)


def test_moments_of_five_values() -> None:
    moments = MeanMoments.from_values([1, 2, 3, 4, 10])
    assert (moments.n, moments.mean, moments.variance) == (5, 4, 12.5)
    assert moments.third_central_moment == (-27 - 8 - 1 + 0 + 216) / 5


@given(VALUES, VALUES)
def test_merging_equals_pooling(a: list[int], b: list[int]) -> None:
    merged = MeanMoments.from_values(a).merge(MeanMoments.from_values(b))
    pooled = MeanMoments.from_values(a + b)
    assert merged.n == pooled.n
    np.testing.assert_allclose(merged.mean, pooled.mean, rtol=1e-12, atol=1e-10)
    np.testing.assert_allclose(merged.variance, pooled.variance, rtol=1e-12, atol=1e-8)
    np.testing.assert_allclose(merged.third_central_moment, pooled.third_central_moment, rtol=1e-10, atol=1e-4)


@given(VALUES, VALUES)
def test_merging_joint_moments_equals_pooling(a: list[int], b: list[int]) -> None:
    x, y = np.array(a, dtype=float), np.array(b, dtype=float)
    merged = JointMoments.from_values(x, x**2).merge(JointMoments.from_values(y, y**2))
    union = np.concatenate([x, y])
    np.testing.assert_allclose(merged.mean, [union.mean(), (union**2).mean()], rtol=1e-12, atol=1e-9)
    np.testing.assert_allclose(merged.covariance, np.cov(union, union**2), rtol=1e-9, atol=1e-3)


def test_merging_with_an_empty_group_changes_nothing() -> None:
    some = MeanMoments.from_values([[1.0, 2.0, 4.0]])
    empty = MeanMoments(np.zeros(1), *(np.full(1, np.nan) for _ in range(3)))
    for merged in (some.merge(empty), empty.merge(some)):
        assert (merged.n, merged.mean, merged.variance) == (some.n, some.mean, some.variance)
        assert merged.third_central_moment == some.third_central_moment


def test_single_units_merge_into_a_variance() -> None:
    one = MeanMoments(np.array(1.0), np.array(3.0), np.array(np.nan), np.array(0.0))
    other = MeanMoments(np.array(1.0), np.array(7.0), np.array(np.nan), np.array(0.0))
    assert one.merge(other).variance == 8.0
