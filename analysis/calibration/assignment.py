"""Re-randomised buckets: which arm each goes to in each replicate, and the arms' sums that follow."""

import numpy as np
from numpy.typing import NDArray

from analysis.statistics.status import Floats

BLOCK = 200
"""Replicates summed at once."""


def assigned_arms(rng: np.random.Generator, weights: Floats, replicates: int) -> NDArray[np.int8]:
    """The arm of each cell in each replicate (replicates, cells), drawn by the cells' weights (cells, arms).

    A cell without weight goes to no arm, -1.
    """
    total = weights.sum(axis=1, keepdims=True)
    bounds = np.cumsum(weights / np.where(total > 0, total, 1), axis=1).astype(np.float32)
    bounds[:, -1] = 1.0
    drawn = rng.random((replicates, len(weights)), dtype=np.float32)
    arms = np.zeros(drawn.shape, dtype=np.int8)
    for bound in bounds.T[:-1]:
        arms += drawn >= bound
    arms[:, total[:, 0] <= 0] = -1
    return arms


def arm_sums(arms: NDArray[np.int8], n_arms: int, sums: Floats, step: NDArray[np.intp]) -> Floats:
    """Sums of each arm's cells by step (steps, arms, replicates, columns), from sums of cells (cells, columns).

    `step` (cells,) says when a cell arrives, from 0; steps are apart, not cumulated.
    """
    n_steps = int(step.max(initial=0)) + 1
    found = np.zeros((n_steps, n_arms, len(arms), sums.shape[1]))
    for number in range(n_steps):
        at = np.flatnonzero(step == number)
        values = sums[at]
        for start in range(0, len(arms), BLOCK):
            rows = slice(start, start + BLOCK)
            here = arms[rows, at]
            for arm in range(n_arms):
                found[number, arm, rows] = (here == arm).astype(np.float64) @ values
    return found
