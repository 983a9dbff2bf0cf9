"""Bandits simulated day by day: what is assigned follows from the rewards of the days before."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from analysis.bandits.allocation import Allocation, Policy, allocate_means
from analysis.bandits.batches import ArmMoments, Batches, balanced
from tests.simulation.processes import Floats, Generator


@dataclass(frozen=True)
class Rewards:
    """What arms bring: means (arms), and the moments of `n` rewards (experiments, arms) with them.

    `drift` adds to all arms alike on each day, as weekends do.
    """

    name: str
    means: tuple[float, ...]
    draw: Callable[[Generator, Floats, Floats], tuple[Floats, Floats]]
    drift: Callable[[int], float] = lambda day: 0.0


def normal(rng: Generator, n: Floats, means: Floats) -> tuple[Floats, Floats]:
    """Mean and variance of n normal rewards of standard deviation 1."""
    mean = means + rng.standard_normal(n.shape) / np.sqrt(np.maximum(n, 1))
    return mean, rng.chisquare(np.maximum(n - 1, 1)) / np.maximum(n - 1, 1)


def share(rng: Generator, n: Floats, means: Floats) -> tuple[Floats, Floats]:
    """The same of rewards of 0 and 1."""
    mean = rng.binomial(n.astype(int), np.broadcast_to(means, n.shape)) / np.maximum(n, 1)
    return mean, mean * (1 - mean) * n / np.maximum(n - 1, 1)


def run(
    rewards: Rewards,
    policy: Policy,
    rng: Generator,
    runs: int,
    *,
    days: int,
    units: int,
    allocate: Callable[[ArmMoments, Policy], Allocation] = allocate_means,
) -> Batches:
    """`runs` bandits at once, over days of as many units each."""
    arms = len(rewards.means)
    n, mean, variance, propensity = (np.zeros((runs, days, arms)) for _ in range(4))
    propensity[:, 0] = policy.start
    for day in range(days):
        if day:
            so_far = Batches.of(n[:, :day], mean[:, :day], variance[:, :day], propensity[:, :day])
            propensity[:, day] = allocate(balanced(so_far), policy).propensity
        n[:, day] = rng.multinomial(units, propensity[:, day])
        mean[:, day], variance[:, day] = rewards.draw(rng, n[:, day], np.asarray(rewards.means) + rewards.drift(day))
    return Batches.of(n, mean, variance, propensity)
