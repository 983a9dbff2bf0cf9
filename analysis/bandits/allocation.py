"""Tomorrow's allocation of a bandit: top-two Thompson sampling with floors, in buckets of an assignment."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.bandits.batches import ArmMoments
from analysis.bandits.flags import anywhere, everywhere
from analysis.statistics.bayesian.best import best_of_betas, best_of_normals
from analysis.statistics.bayesian.beta_binomial import posterior
from analysis.statistics.status import Codes, Floats, Status, first_status

BUCKETS = 10_000
Integers = NDArray[np.int64]

# Chances to be best are exact to 1e-10; below this arms are not told apart.
_SMALLEST_CHANCE = 1e-9
# The prior of an arm's variance is worth this many units, at the arms' pooled variance.
_VARIANCE_UNITS = 10.0


@dataclass(frozen=True)
class Policy:
    """How a bandit allocates. `start` (arms) are shares until each arm has `minimum_units`.

    `leader_share` is the chance to play the sampled leader, not its challenger; `floor` the least share of an arm.
    Raises ValueError for a start that does not add up to 1 or is below the floor, a floor above 1/arms.
    """

    start: tuple[float, ...]
    floor: float = 0.05
    leader_share: float = 0.5
    minimum_units: float = 100.0

    def __post_init__(self) -> None:
        arms = len(self.start)
        if arms < 2 or abs(sum(self.start) - 1) > 1e-9:
            raise ValueError(f"starting shares {self.start} are not those of two or more arms that add up to 1")
        if not 0 < self.floor <= 1 / arms + 1e-12:
            raise ValueError(f"the floor {self.floor} is not above 0 and at most 1/{arms}, an equal share")
        if min(self.start) < self.floor - 1e-12:
            raise ValueError(f"the starting share {min(self.start)} is below the floor {self.floor}")
        if not 0 < self.leader_share <= 1:
            raise ValueError(f"the leader's share {self.leader_share} is not above 0 and at most 1")


@dataclass(frozen=True)
class Allocation:
    """Of each bandit (...): `buckets` (..., arms) out of 10,000 and the `chance_best` (..., arms) they follow from.

    Where `status` is not OK the buckets are the policy's starting shares, and chances are NaN.
    """

    buckets: Integers
    chance_best: Floats
    status: Codes

    @property
    def propensity(self) -> Floats:
        """The chance of each arm that is to be logged: exactly what the buckets give."""
        return self.buckets / BUCKETS

    @property
    def ranges(self) -> tuple[Integers, Integers]:
        """First bucket and end bucket (excluded) of each arm, in the arms' order: what an assignment service reads."""
        end = np.cumsum(self.buckets, axis=-1)
        return end - self.buckets, end


def allocate_shares(arms: ArmMoments, policy: Policy, sign: Floats | float = 1.0) -> Allocation:
    """Allocate by rewards of 0 and 1, whose posteriors are beta with a uniform prior; `sign` -1: fewer are better."""
    best = best_of_betas(posterior(arms.n, arms.mean), _signs(arms, sign))
    not_share = (arms.n >= 1) & ~((arms.mean >= 0) & (arms.mean <= 1))
    return _allocation(arms, best.chance, policy, not_share)


def allocate_means(arms: ArmMoments, policy: Policy, sign: Floats | float = 1.0) -> Allocation:
    """Allocate by rewards of any kind, whose posterior means are normal with a flat prior.

    An arm's variance is (10·s²_p + (n - 1)·s²)/(10 + n - 1), s²_p that of all arms pooled, so that an arm whose few
    units happen to be alike is not believed to be certain. Reference: Gelman et al. 2013, section 3.3.
    """
    df = np.maximum(arms.n - 1, 0)
    squares = df * arms.variance
    pooled = squares.sum(axis=-1, keepdims=True) / np.maximum(df.sum(axis=-1, keepdims=True), 1)
    with np.errstate(invalid="ignore", divide="ignore"):
        variance = (_VARIANCE_UNITS * pooled + squares) / (_VARIANCE_UNITS + df)
        best = best_of_normals(arms.mean, np.sqrt(variance / arms.n), _signs(arms, sign))
    return _allocation(arms, best.chance, policy, (arms.n >= 1) & (arms.variance < 0))


def top_two(chance_best: Floats, leader_share: float) -> Floats:
    """How often top-two Thompson sampling plays each arm (..., arms), of the chances to be best.

    A leader is drawn from the posterior; with 1 - `leader_share` draws go on until another arm leads, which is
    played instead: p_i = α_i·(β + (1 - β)·Σ_{j≠i} α_j/(1 - α_j)). A `leader_share` of 1 is Thompson sampling.
    Reference: Russo 2020, Simple Bayesian algorithms for best-arm identification, Operations Research 68.
    """
    chance = np.maximum(chance_best, _SMALLEST_CHANCE)
    chance = chance / chance.sum(axis=-1, keepdims=True)
    arms = range(chance.shape[-1])
    others = np.stack([np.delete(chance, arm, axis=-1).sum(axis=-1) for arm in arms], axis=-1)
    odds = chance / others
    of_others = np.stack([np.delete(odds, arm, axis=-1).sum(axis=-1) for arm in arms], axis=-1)
    return np.asarray(chance * (leader_share + (1 - leader_share) * of_others))


def with_floor(share: Floats, floor: float) -> Floats:
    """Shares (..., arms) with none below the floor; those above it keep their proportions."""
    result = np.asarray(share, dtype=float)
    is_low = np.zeros(result.shape, dtype=bool)
    for _ in range(result.shape[-1]):
        is_low |= result < floor
        left = 1 - floor * is_low.sum(axis=-1, keepdims=True)
        high = np.where(is_low, 0.0, result)
        result = np.where(is_low, floor, high * left / np.maximum(high.sum(axis=-1, keepdims=True), 1e-300))
    return result


def to_buckets(share: Floats) -> Integers:
    """Buckets (..., arms) of 10,000: rounded down, the rest to the largest remainders, ties in the arms' order."""
    exact = np.asarray(share, dtype=float) * BUCKETS
    whole = np.floor(exact + 1e-6).astype(np.int64)
    rank = np.argsort(np.argsort(whole - exact, axis=-1, kind="stable"), axis=-1, kind="stable")
    missing = BUCKETS - whole.sum(axis=-1, keepdims=True)
    return whole + (rank < missing)


def _allocation(arms: ArmMoments, chance: Floats, policy: Policy, is_wrong: NDArray[np.bool_]) -> Allocation:
    if chance.shape[-1] != len(policy.start):
        raise ValueError(f"{chance.shape[-1]} arms have moments, the policy has {len(policy.start)}")
    # Whether an arm has enough must not look at its rewards.
    status = first_status(
        (~everywhere(arms.n >= 1), Status.NO_UNITS),
        (anywhere(is_wrong), Status.FAILED),
        (anywhere(arms.n < policy.minimum_units), Status.BURN_IN),
        (anywhere(np.isnan(arms.mean + arms.variance)), Status.NOT_COMPUTED),
        (anywhere(np.isnan(chance)), Status.ZERO_VARIANCE),
    )
    ok = (status == Status.OK)[..., None]
    start = np.broadcast_to(np.asarray(policy.start, dtype=float), chance.shape)
    share = with_floor(top_two(np.where(ok, chance, start), policy.leader_share), policy.floor)
    return Allocation(to_buckets(np.where(ok, share, start)), np.where(ok, chance, np.nan), status)


def _signs(arms: ArmMoments, sign: Floats | float) -> Floats:
    return np.broadcast_to(np.asarray(sign, dtype=float), arms.n.shape[:-1])
