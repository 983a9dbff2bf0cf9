"""Switchbacks against every assignment that could have been drawn, and by hand."""

from itertools import product

import numpy as np
import pytest

from analysis.clusters.cr2 import cr2
from analysis.clusters.switchback import (
    Switchback,
    block_sums,
    horvitz_thompson,
    optimal_starts,
    randomisation_p,
)
from analysis.statistics.status import Status


def blocks(starts: list[int], periods: int) -> np.ndarray:
    return np.searchsorted(starts, np.arange(periods), side="right") - 1


def drawn(
    arms: tuple[int, ...] | np.ndarray, block: np.ndarray, outcomes: np.ndarray, m: int, **more: float
) -> Switchback:
    """`outcomes` (2, periods): never and always treated; in between, the share of the last m + 1 periods treated."""
    treated = np.asarray(arms, dtype=bool)[block]
    window = np.array([treated[max(0, t - m) : t + 1].mean() for t in range(treated.size)])
    return Switchback(outcomes[0] + window * (outcomes[1] - outcomes[0]), block, treated, m, **more)


def every(outcomes: np.ndarray, block: np.ndarray, m: int, share: float = 0.5) -> tuple[np.ndarray, ...]:
    """Estimate, variance estimate and chance of each assignment."""
    found = []
    for arms in product([0, 1], repeat=int(block[-1]) + 1):
        contrast = horvitz_thompson(drawn(arms, block, outcomes, m, share=share), 0.0)
        chance = np.prod([share if arm else 1 - share for arm in arms])
        usable = contrast.status == Status.OK
        found.append((contrast.value if usable else np.nan, contrast.se**2 if usable else np.nan, chance))
    return tuple(np.array(each, dtype=float) for each in zip(*found, strict=True))


def test_optimal_blocks_are_the_papers() -> None:
    """T = 12, m = 2 (n = 6): starts 1, 5, 7, 9 in the paper's count from 1."""
    assert optimal_starts(12, 2) == [0, 4, 6, 8]
    assert optimal_starts(12, 1) == [0, 2, 3, 4, 5, 6, 7, 8, 9, 10]
    assert optimal_starts(4, 0) == [0, 1, 2, 3]
    for periods, carryover in ((12, 5), (6, 2)):
        with pytest.raises(ValueError, match="not four times"):
            optimal_starts(periods, carryover)


def test_estimate_and_variance_by_hand() -> None:
    """T = 6, m = 1, arms 1, 1, 1, 0 by block; the period after the switch is of neither arm.

    Within one block a period counts double, across two fourfold. Squares: (2 - 1) + 2 groups that touch, times 2, is
    6; (4 - 1) + 3, times 4, is 24. Products: 2·(2 - 1) times 4 where two blocks are joined, times 8 where three are.
    """
    block = blocks(optimal_starts(6, 1), 6)
    assert list(block) == [0, 0, 1, 2, 3, 3]
    found = horvitz_thompson(Switchback(np.array([0.0, 3, 5, 7, 11, 13]), block, block < 3, 1))
    assert found.value == pytest.approx((2 * 3 + 4 * 5 + 4 * 7 - 2 * 13) / 5)
    squares = 6 * 3**2 + 24 * 5**2 + 24 * 7**2 + 6 * 13**2
    assert found.se**2 == pytest.approx((squares + 8 * 3 * 5 + 16 * 5 * 7) / 25)


@pytest.mark.parametrize(
    ("starts", "m", "share"), [([0, 2, 3, 4, 5], 1, 0.5), ([0, 3, 5, 7], 2, 0.5), ([0, 2, 4, 6], 1, 0.3)]
)
def test_over_all_assignments_it_is_unbiased_and_its_variance_is_not_too_small(
    starts: list[int], m: int, share: float
) -> None:
    periods = starts[-1] + 2
    rng = np.random.default_rng(2)
    outcomes = rng.normal(size=(2, periods)) + np.array([[0.0], [1.0]])
    values, variances, chances = every(outcomes, blocks(starts, periods), m, share)
    # Where an arm is never seen there is no row; the estimate is still defined, by what was seen.
    usable = ~np.isnan(values)
    truth = (outcomes[1] - outcomes[0])[m:].mean()
    seen = _plain_estimates(outcomes, blocks(starts, periods), m, share)
    assert np.sum(seen * chances) == pytest.approx(truth, rel=1e-10)
    np.testing.assert_allclose(values[usable], seen[usable], rtol=1e-10)
    spread = np.sum(chances * (seen - truth) ** 2)
    assert np.sum((variances * chances)[usable]) / chances[usable].sum() > 0.9 * spread


def _plain_estimates(outcomes: np.ndarray, block: np.ndarray, m: int, share: float) -> np.ndarray:
    """Period by period: outcome over the chance of its blocks, of each assignment."""
    found = []
    for arms in product([0, 1], repeat=int(block[-1]) + 1):
        total = 0.0
        for t in range(m, block.size):
            within = set(block[t - m : t + 1])
            if all(arms[b] for b in within):
                total += outcomes[1][t] / share ** len(within)
            elif not any(arms[b] for b in within):
                total -= outcomes[0][t] / (1 - share) ** len(within)
        found.append(total / (block.size - m))
    return np.array(found)


def test_a_known_level_makes_it_sharper_and_moves_nothing_on_average() -> None:
    block = blocks([0, 2, 4, 6, 8, 10], 12)
    outcomes = 100 + np.random.default_rng(1).normal(size=(2, 12))
    plain, centred = (
        [horvitz_thompson(drawn(arms, block, outcomes, 1), level) for arms in product([0, 1], repeat=6)]
        for level in (0.0, 100.0)
    )
    one, other = (np.nanstd([float(each.value) for each in estimates]) for estimates in (plain, centred))
    assert other < one / 20


def test_blocks_are_washed_out_by_their_place_alone() -> None:
    design = Switchback(np.arange(10.0), blocks([0, 4, 6], 10), blocks([0, 4, 6], 10) == 1, 1)
    sums = block_sums(design, weight=np.full(10, 2.0))
    np.testing.assert_array_equal(sums.size, [6, 2, 6])
    np.testing.assert_array_equal(sums.total, [2 * (1 + 2 + 3), 2 * 5, 2 * (7 + 8 + 9)])
    np.testing.assert_array_equal(sums.is_treated, [False, True, False])
    assert block_sums(Switchback(np.arange(10.0), design.block, design.is_treated, 2)).size[1] == 0


def test_carryover_is_washed_out_and_biases_without_washout() -> None:
    block = np.repeat(np.arange(40), 6)
    rng = np.random.default_rng(3)
    outcomes = np.stack([np.zeros(240), np.ones(240)])
    arms = rng.permutation(np.arange(40) % 2)
    with_washout = cr2(block_sums(drawn(arms, block, outcomes + rng.normal(0, 1e-3, 240), 2)))
    plain = drawn(arms, block, outcomes + rng.normal(0, 1e-3, 240), 2)
    without = cr2(block_sums(Switchback(plain.outcome, block, plain.is_treated, 0)))
    assert with_washout.value == pytest.approx(1, abs=1e-3)
    assert without.value < 0.95


def test_the_randomisation_test_is_exact_over_all_assignments() -> None:
    """Of the 2^8 assignments, under the null, at most 5 % get p ≤ .05 (draws instead of all: within .01)."""
    block = np.repeat(np.arange(8), 3)
    outcome = np.cumsum(np.random.default_rng(4).normal(size=24))
    p = [
        randomisation_p(Switchback(outcome, block, np.array(arms, dtype=bool)[block], 1), seed=1, draws=999)
        for arms in product([0, 1], repeat=8)
        if 0 < sum(arms) < 8
    ]
    assert np.mean(np.array(p) <= 0.05) <= 0.06
    assert np.mean(np.array(p) <= 0.2) == pytest.approx(0.2, abs=0.03)


def test_what_cannot_be_estimated_has_a_status() -> None:
    block = np.repeat(np.arange(4), 3)
    treated = np.array([0, 1, 0, 1], dtype=bool)[block]
    outcome = np.tile(np.random.default_rng(1).normal(size=12), (3, 1))
    outcome[1, 5], outcome[2, 5] = np.nan, np.inf
    found = horvitz_thompson(Switchback(outcome, block, treated, 1))
    assert list(found.status) == [Status.OK, Status.NOT_COMPUTED, Status.OVERFLOW]
    never = horvitz_thompson(Switchback(outcome[0], block, np.zeros(12, dtype=bool), 1))
    assert never.status == Status.TOO_FEW_UNITS and np.isnan(never.value)
    assert cr2(block_sums(Switchback(outcome[0], block, np.zeros(12, dtype=bool), 1))).status == Status.NO_UNITS
    assert np.isnan(randomisation_p(Switchback(outcome[0], block, np.zeros(12, dtype=bool), 1), seed=1, draws=99))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"block": np.array([0, 0, 2, 2])}, "without gaps"),
        ({"block": np.array([1, 1, 2, 2])}, "numbered from 0"),
        ({"block": np.array([0, 0, 1])}, "each of 4 periods"),
        ({"is_treated": np.array([True, False, False, False])}, "changes within a block"),
        ({"carryover": 4}, "leaves none of 4"),
        ({"share": 1.0}, "not between 0 and 1"),
    ],
)
def test_a_design_that_cannot_be_is_refused(change: dict, message: str) -> None:
    design = {
        "outcome": np.arange(4.0),
        "block": np.array([0, 0, 1, 1]),
        "is_treated": np.array([True, True, False, False]),
        "carryover": 1,
    }
    with pytest.raises(ValueError, match=message):
        Switchback(**(design | change))
