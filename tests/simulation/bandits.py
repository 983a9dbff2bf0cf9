"""Bandits: rejections, coverage and regret where each day's allocation follows from the days before."""

from collections.abc import Callable, Iterator

import numpy as np

from analysis.bandits.adaptive_weights import effects
from analysis.bandits.allocation import Allocation, Policy, allocate_means, allocate_shares
from analysis.bandits.batched_ols import batched_ols
from analysis.bandits.batches import ArmMoments, Batches, has_few_events, pooled
from analysis.bandits.off_policy import LoggedRewards, doubly_robust, inverse_propensity, self_normalised
from analysis.bandits.regret import gain_over_uniform, regret
from analysis.statistics.estimate import Contrast
from analysis.statistics.moments import MeanMoments
from analysis.statistics.student_t import interval
from analysis.statistics.welch import welch
from tests.simulation.adaptive import Rewards, normal, run, share
from tests.simulation.methods import ALPHA, holds
from tests.simulation.processes import Floats, Generator
from tests.simulation.study import Study
from tests.simulation.table import Figure, Kind, figure

TOPIC = "Bandits"
BIASED = "an arm given up on after a bad start keeps its bad start: what bandits must not be read with"
FEW = "an arm at its floor has few events (below 100 in a fifth of bandits), and a share of few is skewed"
DRIFTED = "arms get their units on different days, and days differ"

EQUAL = Rewards("normal, three equal arms", (0.0, 0.0, 0.0), normal)
BETTER = Rewards("normal, arms at 0, .1, .2", (0.0, 0.1, 0.2), normal)
SHARES = Rewards("shares of 5, 5.5 and 6.5 %", (0.05, 0.055, 0.065), share)
WEEKENDS = Rewards("normal, three equal arms, weekends", (0.0, 0.0, 0.0), normal, lambda day: 0.5 * (day % 7 >= 5))
PAIR = Rewards("normal, two equal arms", (0.0, 0.0), normal)
RARE = Rewards("shares of 2 %, three equal arms", (0.02, 0.02, 0.02), share)


def bandit(
    rewards: Rewards,
    days: int,
    units: int,
    *,
    leader_share: float = 0.5,
    allocate: Callable[[ArmMoments, Policy], Allocation] = allocate_means,
    portion: float = 1.0,
    is_short: bool = True,
    of_welch: str = BIASED,
    of_effects: str = "",
) -> Study:
    """A bandit over `days` of `units` each, its floor at 5 %; effects are of the last arm against the first."""
    arms = len(rewards.means)
    policy = Policy((1 / arms,) * arms, floor=0.05, leader_share=leader_share, minimum_units=30)
    truth = rewards.means[-1] - rewards.means[0]
    of_days = float(np.mean([rewards.drift(day) for day in range(days)]))

    def figures(rng: Generator, runs: int) -> Iterator[Figure]:
        batches = run(rewards, policy, rng, runs, days=days, units=units, allocate=allocate)
        last = np.full(runs, truth)
        is_share = rewards.draw is share
        few = has_few_events(batches)[:, [0, -1]].any(axis=1) if is_share else np.zeros(runs, dtype=bool)
        for method, found, known in (
            ("batched OLS", _last(batched_ols(batches)), of_effects),
            ("adaptively weighted AIPW", _last(effects(batches)), of_effects),
            ("Welch, pooled (not offered)", _pooled_welch(batches), of_welch),
        ):
            covered = holds(interval(found, ALPHA), last)
            if truth == 0:
                yield figure(method, "rejection", ~covered, ALPHA, warned=few, known=known)
            else:
                yield figure(method, "coverage of effect", covered, 1 - ALPHA, warned=few, known=known)
        logged = LoggedRewards.of(batches.n, batches.mean, batches.variance, batches.propensity, np.eye(arms)[arms - 1])
        for method, valued in (
            ("inverse propensity", inverse_propensity),
            ("self-normalised", self_normalised),
            ("doubly robust", doubly_robust),
        ):
            covered = holds(interval(valued(logged), ALPHA), rewards.means[-1] + of_days)
            yield figure(f"off-policy, {method}", "coverage of always the last arm", covered, 1 - ALPHA)
        yield from _regret(batches, np.asarray(rewards.means))

    return Study(TOPIC, rewards.name, f"{days} days of {units:,}", figures, share=portion, is_short=is_short)


def _regret(batches: Batches, means: Floats) -> Iterator[Figure]:
    arms = means.size
    if arms < 3 and np.ptp(means) == 0:
        return
    expected = np.sum(batches.units[..., None] * (batches.propensity - 1 / arms) * means, axis=(-2, -1))
    covered = holds(interval(gain_over_uniform(batches), ALPHA), expected)
    yield figure("gain over an equal split", "coverage", covered, 1 - ALPHA, Kind.AT_LEAST)
    if np.ptp(means) > 0:
        lost = regret(batches.n.sum(axis=-2), means)
        yield figure("top-two Thompson", "regret below an equal split's", lost.saved > 0, 0.95, Kind.AT_LEAST)


def _last(found: Contrast) -> Contrast:
    return Contrast(found.value[:, -1], found.se[:, -1], found.df[:, -1], found.status[:, -1])


def _pooled_welch(batches: Batches) -> Contrast:
    arms = pooled(batches)
    unknown = np.full(arms.n.shape[0], np.nan)
    first, last = (MeanMoments(arms.n[:, k], arms.mean[:, k], arms.variance[:, k], unknown) for k in (0, -1))
    return welch(first, last).difference


STUDIES = (
    bandit(EQUAL, 21, 300),
    bandit(BETTER, 21, 300),
    bandit(SHARES, 21, 1_000),
    bandit(WEEKENDS, 21, 300, of_welch=DRIFTED),
    bandit(PAIR, 10, 60, leader_share=0.9),
    bandit(RARE, 14, 2_000, of_effects=FEW),
    bandit(RARE, 14, 6_000, allocate=allocate_shares, portion=0.1, is_short=False),
)
