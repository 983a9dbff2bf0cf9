"""Top-two Thompson sampling against the sampling it describes, floors, buckets, and what has no allocation."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from analysis.bandits.allocation import (
    BUCKETS,
    Policy,
    allocate_means,
    allocate_shares,
    to_buckets,
    top_two,
    with_floor,
)
from analysis.bandits.batches import ArmMoments
from analysis.statistics.status import Status

THREE = Policy((1 / 3, 1 / 3, 1 / 3), floor=0.05)
CHANCES = arrays(float, 4, elements=st.floats(0, 1)).filter(lambda x: x.sum() > 0.1).map(lambda x: x / x.sum())


def arms(n: float, mean: list[float], variance: float = 1.0) -> ArmMoments:
    values = np.asarray(mean, dtype=float)
    return ArmMoments(np.full(values.shape, float(n)), values, np.full(values.shape, variance))


def test_top_two_is_the_sampling_it_describes() -> None:
    """40,000 plays drawn one by one; a share's standard error is at most .0025."""
    rng = np.random.default_rng(1)
    mean, sd, beta = np.array([0.0, 0.5, 1.0, 0.9]), np.array([1.0, 0.5, 0.8, 0.3]), 0.6
    draws = mean + sd * rng.standard_normal((100_000, 4))
    leaders = draws.argmax(axis=1)
    chance = np.bincount(leaders, minlength=4) / leaders.size
    again = rng.permutation(leaders)
    plays = []
    for leader in leaders[:40_000]:
        if rng.random() < beta:
            plays.append(leader)
            continue
        challenger = leader
        while challenger == leader:
            challenger = again[rng.integers(again.size)]
        plays.append(challenger)
    np.testing.assert_allclose(top_two(chance, beta), np.bincount(plays, minlength=4) / len(plays), atol=0.01)


def test_by_hand() -> None:
    """α = (.5, .3, .2), β = ½: .5·(½ + ½·(.3/.7 + .2/.8)) and so on."""
    expected = [
        0.5 * (0.5 + 0.5 * (0.3 / 0.7 + 0.2 / 0.8)),
        0.3 * (0.5 + 0.5 * (0.5 / 0.5 + 0.2 / 0.8)),
        0.2 * (0.5 + 0.5 * (0.5 / 0.5 + 0.3 / 0.7)),
    ]
    np.testing.assert_allclose(top_two(np.array([0.5, 0.3, 0.2]), 0.5), expected, rtol=1e-12)


def test_a_certain_leader_gets_its_share_and_no_more() -> None:
    np.testing.assert_allclose(top_two(np.array([1.0, 0.0, 0.0]), 0.7), [0.7, 0.15, 0.15], rtol=1e-6)
    np.testing.assert_allclose(top_two(np.array([1.0, 0.0, 0.0]), 1.0), [1.0, 0.0, 0.0], atol=1e-8)


def test_of_two_arms_half_a_leader_share_is_an_equal_split() -> None:
    """The only challenger is the other arm: top-two sampling learns, Thompson sampling earns."""
    np.testing.assert_allclose(top_two(np.array([0.99, 0.01]), 0.5), [0.5, 0.5], rtol=1e-9)


@given(CHANCES, st.floats(0.1, 1.0))
def test_shares_add_up_and_follow_the_chances(chance: np.ndarray, leader_share: float) -> None:
    share = top_two(chance, leader_share)
    assert share.sum() == pytest.approx(1, abs=1e-9)
    if leader_share >= 0.5:
        order = np.argsort(chance)
        assert (np.diff(share[order]) >= -1e-9).all()


@given(CHANCES, st.floats(0.001, 0.25))
def test_floors_hold_in_buckets_and_buckets_add_up(chance: np.ndarray, floor: float) -> None:
    share = with_floor(chance, floor)
    assert share.min() >= floor - 1e-12
    assert share.sum() == pytest.approx(1, abs=1e-9)
    buckets = to_buckets(share)
    assert buckets.sum() == BUCKETS
    assert buckets.min() >= np.floor(floor * BUCKETS)
    assert np.abs(buckets / BUCKETS - share).max() < 1 / BUCKETS + 1e-9


def test_arms_above_the_floor_keep_their_proportions() -> None:
    share = with_floor(np.array([0.6, 0.3, 0.08, 0.02]), 0.1)
    np.testing.assert_allclose(share, [0.8 * 2 / 3, 0.8 / 3, 0.1, 0.1])


def test_the_better_arm_gets_more_and_the_ranges_are_an_assignment() -> None:
    allocation = allocate_shares(arms(2_000, [0.05, 0.06, 0.075]), Policy((0.4, 0.3, 0.3), leader_share=0.8))
    assert allocation.status == Status.OK
    assert (np.diff(allocation.buckets) > 0).all()
    assert allocation.propensity.sum() == pytest.approx(1, abs=1e-12)
    first, end = allocation.ranges
    assert first[0] == 0 and end[-1] == BUCKETS
    assert (first[1:] == end[:-1]).all()
    again = allocate_shares(arms(2_000, [0.05, 0.06, 0.075]), Policy((0.4, 0.3, 0.3), leader_share=0.8))
    assert (again.buckets == allocation.buckets).all()


def test_fewer_may_be_better() -> None:
    means = [0.0, 0.05, 0.1]
    up, down = (allocate_means(arms(1_000, means), THREE, sign) for sign in (1.0, -1.0))
    np.testing.assert_array_equal(up.buckets, down.buckets[::-1])


def test_of_many_units_both_kinds_of_reward_agree() -> None:
    means = np.array([0.30, 0.31, 0.32])
    shares = allocate_shares(arms(5_000, list(means)), THREE)
    rewards = allocate_means(ArmMoments(np.full(3, 5_000.0), means, means * (1 - means)), THREE)
    assert np.abs(shares.buckets - rewards.buckets).max() < 60


def test_an_arm_whose_few_units_are_alike_is_not_certain_to_be_worse() -> None:
    """Nobody of 120 bought: with its own variance of 0 the arm would never be best; the pooled one leaves a chance."""
    rewards = ArmMoments(np.array([120.0, 5_000.0]), np.array([0.0, 0.02]), np.array([0.0, 0.4]))
    allocation = allocate_means(rewards, Policy((0.5, 0.5), leader_share=0.9))
    assert 1e-3 < allocation.chance_best[0] < 0.2


def test_without_enough_units_the_policy_starts_evenly_and_says_so() -> None:
    policy = Policy((0.5, 0.25, 0.25), minimum_units=100)
    few = ArmMoments(np.array([500.0, 99.0, 300.0]), np.array([0.1, 0.9, 0.1]), np.ones(3))
    for allocation, status in (
        (allocate_means(few, policy), Status.BURN_IN),
        (allocate_means(arms(0, [np.nan] * 3), policy), Status.NO_UNITS),
        (allocate_means(arms(500, [1.0] * 3, 0.0), policy), Status.ZERO_VARIANCE),
        (allocate_means(arms(500, [1.0, np.nan, 1.0]), policy), Status.NOT_COMPUTED),
        (allocate_shares(arms(500, [0.1, 1.2, 0.1]), policy), Status.FAILED),
    ):
        assert allocation.status == status
        assert list(allocation.buckets) == [5_000, 2_500, 2_500]
        assert np.isnan(allocation.chance_best).all()


def test_one_bandit_without_data_does_not_stop_another() -> None:
    both = ArmMoments(np.array([[0.0] * 3, [500.0] * 3]), np.array([[np.nan] * 3, [0.1, 0.2, 0.3]]), np.ones((2, 3)))
    allocation = allocate_means(both, THREE)
    assert list(allocation.status) == [Status.NO_UNITS, Status.OK]
    alone = allocate_means(ArmMoments(both.n[1], both.mean[1], both.variance[1]), THREE)
    np.testing.assert_array_equal(allocation.buckets[1], alone.buckets)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"start": (0.5, 0.4)}, "add up to 1"),
        ({"start": (1.0,)}, "two or more arms"),
        ({"start": (0.5, 0.5), "floor": 0.6}, "an equal share"),
        ({"start": (0.97, 0.03)}, "below the floor"),
        ({"start": (0.5, 0.5), "leader_share": 0.0}, "leader's share"),
    ],
)
def test_a_policy_that_cannot_be_is_refused(options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Policy(**options)


def test_a_policy_of_other_arms_is_refused() -> None:
    with pytest.raises(ValueError, match="the policy has 3"):
        allocate_means(arms(500, [1.0, 2.0]), THREE)
