"""Sums under a quantile cap that each replicate estimates anew, against the definition unit by unit."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.statistics.moving_cap import MOST_BINS, Tails, replicated_sums, tails

BUCKETS = 20


def least_value(values: np.ndarray, weights: np.ndarray, quantile: float) -> float:
    """The inverse distribution function of weighted values."""
    order = np.argsort(values)
    up_to = np.cumsum(weights[order])
    return float(values[order][np.argmax(up_to >= quantile * up_to[-1] - 1e-9)])


def found_tails(values: list[np.ndarray], buckets: list[np.ndarray], cap: float, least: float) -> Tails:
    """As the tables would give them: a row for each arm, bucket and value above the least cap."""
    n_units = np.stack([np.bincount(of_arm, minlength=BUCKETS) for of_arm in buckets]).astype(float)
    capped = np.stack(
        [np.bincount(b, np.minimum(v, cap), minlength=BUCKETS) for b, v in zip(buckets, values, strict=True)]
    )
    rows = {}
    for arm, (of_arm, mine) in enumerate(zip(values, buckets, strict=True)):
        for value, bucket in zip(of_arm, mine, strict=True):
            if value > least:
                rows[arm * BUCKETS + bucket, value] = rows.get((arm * BUCKETS + bucket, value), 0) + 1
    cells, above = (np.array([key[i] for key in rows]) for i in range(2))
    return tails(n_units, capped, cap, least, cells, above, np.array(list(rows.values()), dtype=float))


def test_by_hand() -> None:
    """Two arms of three units: 1, 5, 9 and 2, 6, 7; half of them lie up to 5.

    Weights 1: cap 5, sums 11 and 12. The second arm twice: 9 weighted, cap 6, sums 12 and 2·14. Its last bucket gone:
    of 5 units the third is 5, sums 11 and 7.
    """
    values, buckets = [np.array([1.0, 5, 9]), np.array([2.0, 6, 7])], [np.array([0, 1, 2])] * 2
    found = found_tails(values, buckets, cap=5, least=2)
    one = np.ones((3, BUCKETS))
    second = np.ones((3, BUCKETS))
    second[1], second[2, 2] = 2, 0
    sums = replicated_sums(found, 0.5, [(one, second)])
    assert sums.tolist() == [[11, 12, 11], [12, 28, 7]]


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([0.3, 0.75, 0.9]), st.integers(2, 40))
def test_every_replicate_has_its_own_cap(seed: int, quantile: float, largest: int) -> None:
    """Random whole values with ties; three arms, weights of 0 to 3; the tails start low enough for every cap."""
    rng = np.random.default_rng(seed)
    sizes = (40, 60, 25)
    values = [rng.integers(0, largest, n).astype(float) for n in sizes]
    buckets = [rng.integers(0, BUCKETS, n) for n in sizes]
    pooled = np.concatenate(values)
    cap = least_value(pooled, np.ones(pooled.size), quantile)
    weights = [rng.integers(0, 4, (7, BUCKETS)).astype(float) for _ in sizes]
    of_units = [w[:, b] for w, b in zip(weights, buckets, strict=True)]
    if min(np.concatenate(of_units, axis=1).sum(axis=1)) == 0:
        return
    found = replicated_sums(found_tails(values, buckets, cap, least=-1.0), quantile, [tuple(weights)])
    for replicate in range(7):
        own = least_value(pooled, np.concatenate([w[replicate] for w in of_units]), quantile)
        expected = [w[replicate] @ np.minimum(v, own) for w, v in zip(of_units, values, strict=True)]
        assert found[:, replicate] == pytest.approx(expected)


def test_no_cap_lies_below_the_least_or_above_the_greatest() -> None:
    values, buckets = [np.arange(1.0, 11)], [np.arange(10)]
    found = found_tails(values, buckets, cap=6, least=5)
    only_the_small, only_the_great = np.zeros((1, BUCKETS)), np.zeros((1, BUCKETS))
    only_the_small[0, :3], only_the_great[0, 8:10] = 1, 1
    assert replicated_sums(found, 0.5, [(only_the_small,)])[0, 0] == 1 + 2 + 3
    assert replicated_sums(found, 0.9, [(only_the_great,)])[0, 0] == 9 + 10


def test_many_values_fall_into_bins_whose_greatest_may_be_a_cap() -> None:
    """5,000 different values in 256 bins: a cap is at most one bin, twenty values, above the exact one."""
    rng = np.random.default_rng(1)
    values, buckets = [rng.permutation(5000).astype(float)], [rng.integers(0, BUCKETS, 5000)]
    found = found_tails(values, buckets, cap=4500, least=-1.0)
    assert len(found.ends) <= MOST_BINS + 1
    assert found.ends[-1] == 4999
    weights = rng.integers(0, 4, (5, BUCKETS)).astype(float)
    sums = replicated_sums(found, 0.9, [(weights,)])[0]
    for replicate, row in enumerate(weights[:, buckets[0]]):
        own = least_value(values[0], row, 0.9)
        exact, next_bin = (row @ np.minimum(values[0], cap) for cap in (own, own + 20))
        assert exact <= sums[replicate] <= next_bin
