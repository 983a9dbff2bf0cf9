"""Re-randomised buckets go to arms at the real split, within epochs."""

import numpy as np
from scipy import stats

from analysis.calibration.assignment import arm_sums, assigned_arms


def test_each_epoch_keeps_its_own_split():
    """1,000 cells an epoch × 200 replicates: shares within the 99.9 % binomial bound of .9/.1 and .5/.5."""
    weights = np.repeat([[0.9, 0.1], [0.5, 0.5]], 1_000, axis=0)
    arms = assigned_arms(np.random.default_rng(1), weights, 200)
    for cells, share in ((slice(0, 1_000), 0.1), (slice(1_000, 2_000), 0.5)):
        low, high = stats.binom.ppf([0.0005, 0.9995], 200_000, share)
        assert low <= (arms[:, cells] == 1).sum() <= high


def test_an_arm_without_weight_gets_nothing_and_neither_does_a_cell_without_any():
    arms = assigned_arms(np.random.default_rng(1), np.array([[1.0, 0.0, 1.0], [0.0, 0.0, 0.0]]), 50)
    assert set(arms[:, 0]) == {0, 2}
    assert set(arms[:, 1]) == {-1}


def test_sums_of_arms_by_hand():
    """Cells worth 1, 10, 100; arms 0, 1, 0 and 1, 1, 0; the last cell arrives a day later."""
    arms = np.array([[0, 1, 0], [1, 1, 0]], dtype=np.int8)
    found = arm_sums(arms, 2, np.array([[1.0], [10.0], [100.0]]), np.array([0, 0, 1]))
    assert found[..., 0].tolist() == [[[1, 0], [10, 11]], [[100, 100], [0, 0]]]
