"""Methods that look once: Welch's test, one-sided tests, margins, relative effects, scores of shares, ratios."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from analysis.statistics.estimate import Estimate
from analysis.statistics.ratio import delta_ratio
from analysis.statistics.welch import welch
from tests.simulation import methods, processes
from tests.simulation.processes import Generator, JointProcess, JointSums, Process, joint_sums
from tests.simulation.study import LIFT, Study, sizes
from tests.simulation.table import Figure

TOPIC = "Fixed horizon"
NORMAL = processes.Normal()
RARE = processes.Share(0.01, "proportion 1 %")
LOGNORMAL = processes.Revenue(1.0, 1.5, "heavy-tailed revenue (lognormal, σ = 1.5)")
REVENUE = processes.Revenue(0.1, 1.5, "zero-inflated lognormal (1 in 10 pays, σ = 1.5)")
QUIET = processes.Normal(sd=1.0, name="normal, sd 1 and 3")
LOUD = processes.Normal(sd=3.0)
NEAR_TOLERANCE = "one-sided, by little; the skew is near what the warning tolerates"
RATIO, CLUSTERED = processes.Sessions(), processes.PageLoads()


def means(process: Process, n_b: int, n_t: int, *, treatment: Process | None = None) -> Study:
    """Welch's tests, and for shares the score methods."""

    def figures(rng: Generator, runs: int) -> Iterator[Figure]:
        base = process.draw(rng, runs, np.array([n_b])).moments()
        arms = [(treatment or process).draw(rng, runs, np.array([n_t]), lift).moments() for lift in (0.0, LIFT)]
        null, effect = (welch(base, arm) for arm in arms)
        yield from methods.fixed_horizon("Welch", null, effect, process.mean, LIFT)
        if isinstance(process, processes.Share):
            yield from methods.scores(null, effect, process.mean, LIFT)

    is_short = n_b <= 1_000 or isinstance(process, processes.Share)
    return Study(TOPIC, process.name, sizes(n_b, n_t), figures, is_short=is_short)


def ratios(process: JointProcess, n_b: int, n_t: int, known: str = "") -> Study:
    """The delta method for a ratio of sums."""

    def figures(rng: Generator, runs: int) -> Iterator[Figure]:
        base = joint_sums(process, rng, runs, np.array([n_b]), values=2)
        arms = [joint_sums(process, rng, runs, np.array([n_t]), lift, values=2) for lift in (0.0, LIFT)]
        null, effect = (ratio_estimate(base, arm) for arm in arms)
        yield from methods.fixed_horizon("ratio, delta method", null, effect, process.mean, LIFT, known)

    return Study(TOPIC, process.name, sizes(n_b, n_t), figures, is_short=n_b < 9_000)


def ratio_estimate(baseline: JointSums, treatment: JointSums) -> Estimate:
    """The plain ratio's estimate with its third moments."""
    estimate = delta_ratio(baseline.moments(), treatment.moments())
    return replace(
        estimate,
        baseline=replace(estimate.baseline, third_central_moment=baseline.third_of_ratio()),
        treatment=replace(estimate.treatment, third_central_moment=treatment.third_of_ratio()),
    )


STUDIES = (
    means(NORMAL, 1_000, 1_000),
    means(NORMAL, 20, 20),
    means(QUIET, 900, 100, treatment=LOUD),
    means(RARE, 1_000, 1_000),
    means(RARE, 5_000, 5_000),
    means(RARE, 9_000, 1_000),
    means(RARE, 18_000, 2_000),
    means(RARE, 90_000, 10_000),
    means(LOGNORMAL, 1_000, 1_000),
    means(LOGNORMAL, 9_000, 1_000),
    means(REVENUE, 1_000, 1_000),
    means(REVENUE, 20_000, 20_000),
    means(REVENUE, 45_000, 5_000),
    ratios(RATIO, 50, 50),
    ratios(RATIO, 200, 200),
    ratios(RATIO, 900, 100),
    ratios(RATIO, 9_000, 1_000, NEAR_TOLERANCE),
    ratios(CLUSTERED, 200, 200),
    ratios(CLUSTERED, 900, 100, NEAR_TOLERANCE),
)
