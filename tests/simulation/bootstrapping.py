"""The bootstrap as the scorecard makes it: units in hash buckets, both kinds of interval, every kind of test."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.scorecard.resampled import Resampled
from analysis.statistics.bootstrap import ArmDraws, compare_arms, draw_arm
from analysis.statistics.estimate import Arm, compare
from analysis.statistics.relative import is_weak
from analysis.statistics.status import Floats
from tests.simulation.fixed_horizon import LOGNORMAL, RARE, RATIO, REVENUE
from tests.simulation.methods import ALPHA, Flags, holds, warns
from tests.simulation.processes import Generator, JointProcess, Process, Sums
from tests.simulation.study import LIFT, Study, sizes
from tests.simulation.table import Figure, figure

TOPIC = "Bootstrap"
BUCKETS, REPLICATES = 1_000, 1_999
# Experiments that share one draw of weights.
TOGETHER = 50


@dataclass(frozen=True)
class Bucketed:
    """Numerators and denominators (experiments, buckets, 2) of an arm, and its moments over units."""

    parts: Floats
    arm: Arm


Draw = Callable[[Generator, int, int, float], Bucketed]


def of_means(process: Process) -> Draw:
    """Values over units."""

    def draw(rng: Generator, runs: int, n: int, lift: float) -> Bucketed:
        units = _in_buckets(rng, n)
        sums = process.draw(rng, runs, units, lift)
        first, second, third = (power.sum(axis=1) for power in (sums.first, sums.second, sums.third))
        moments = Sums(np.asarray(float(n)), 0.0, first, second, third).moments()
        parts = np.stack([sums.first, np.broadcast_to(units.astype(float), sums.first.shape)], axis=-1)
        third = moments.third_central_moment
        return Bucketed(parts, Arm(moments.n, moments.mean, moments.variance / n, third_central_moment=third))

    return draw


def of_ratios(process: JointProcess) -> Draw:
    """The first value over the second."""

    def draw(rng: Generator, runs: int, n: int, lift: float) -> Bucketed:
        edges = np.concatenate([[0], np.cumsum(_in_buckets(rng, n))])
        y, x = process.units(rng, (runs, n), lift)[:2]
        parts = np.stack([np.diff(np.insert(np.cumsum(v, axis=1), 0, 0, axis=1)[:, edges]) for v in (y, x)], axis=-1)
        ratio, below = y.sum(axis=1) / x.sum(axis=1), x.mean(axis=1)
        linear = (y - ratio[:, None] * x) / below[:, None]
        size = np.full(runs, float(n))
        third = np.mean(linear**3, axis=1)
        return Bucketed(parts, Arm(size, ratio, linear.var(axis=1, ddof=1) / n, third_central_moment=third))

    return draw


def _in_buckets(rng: Generator, n: int) -> NDArray[np.int64]:
    return rng.multinomial(n, np.full(BUCKETS, 1 / BUCKETS))


def study(
    process: Process | JointProcess, draw: Draw, n_b: int, n_t: int, *, share: float = 0.5, of_bca: str = ""
) -> Study:
    """Fifty experiments to a set of weights; both intervals of the same replicates.

    `of_bca` is what is known of BCa's failures there.
    """

    def figures(rng: Generator, runs: int) -> Iterator[Figure]:
        found: dict[tuple[str, str], list[tuple[Flags, Flags]]] = {}
        for start in range(0, runs, TOGETHER):
            size = min(TOGETHER, runs - start)
            base, same, lifted = (
                _drawn(rng, draw(rng, size, n, lift)) for n, lift in ((n_b, 0.0), (n_t, 0.0), (n_t, LIFT))
            )
            for name, is_bca in (("percentile", False), ("BCa", True)):
                null, effect = (_resampled(base, arm, is_bca) for arm in (same, lifted))
                for question, happened, warned in _outcomes(null, effect, process.mean):
                    found.setdefault((name, question), []).append((happened, warned))
        for (name, question), outcomes in found.items():
            happened, warned = (np.concatenate(each) for each in zip(*outcomes, strict=True))
            nominal = 1 - ALPHA if question.startswith("coverage") else ALPHA
            known = of_bca if name == "BCa" else ""
            yield figure(f"bootstrap, {name}", question, happened, nominal, warned=warned, known=known)

    return Study(TOPIC, process.name, sizes(n_b, n_t), figures, share=share, is_short=share == 1)


def _drawn(rng: Generator, bucketed: Bucketed) -> tuple[Arm, ArmDraws]:
    seed = int(rng.integers(2**31))
    return bucketed.arm, draw_arm(bucketed.parts, lambda parts: parts[..., 0] / parts[..., 1], seed, REPLICATES)


def _resampled(baseline: tuple[Arm, ArmDraws], treatment: tuple[Arm, ArmDraws], is_bca: bool) -> Resampled:
    estimate = compare(baseline[0], treatment[0])
    status = compare_arms(baseline[1], treatment[1]).status
    return Resampled(estimate, baseline[1], treatment[1], status, is_bca)


def _outcomes(null: Resampled, lifted: Resampled, mean: float) -> Iterator[tuple[str, Flags, Flags]]:
    """Question, what happened in each experiment, and whether its row would warn."""
    skewed, weak = warns(null.estimate), is_weak(lifted.estimate)
    without = null.compare(np.subtract)
    yield "rejection", without.two_sided_p() <= ALPHA, skewed
    yield "one-sided rejection (greater)", without.upper_tail_p() <= ALPHA, skewed
    yield "one-sided rejection (less)", without.lower_tail_p() <= ALPHA, skewed
    skewed = warns(lifted.estimate)
    yield "coverage of effect", holds(lifted.compare(np.subtract).interval(ALPHA), LIFT * mean), skewed
    level = np.full(skewed.shape, ALPHA)
    yield "coverage of relative effect", holds(lifted.relative(level)[0], LIFT), skewed | weak
    # A metric where a decrease is better, its true effect exactly at the margin.
    margin, kind = np.full(skewed.shape, LIFT), np.full(skewed.shape, "relative")
    yield "non-inferior at the relative margin", lifted.margin_p(-np.ones(skewed.shape), margin, kind) <= ALPHA, skewed


HEAVY = "heavy tails leave BCa's acceleration too uncertain; percentile intervals hold"

STUDIES = (
    study(RARE, of_means(RARE), 5_000, 5_000),
    study(LOGNORMAL, of_means(LOGNORMAL), 5_000, 5_000, of_bca=HEAVY),
    study(LOGNORMAL, of_means(LOGNORMAL), 9_000, 1_000),
    study(REVENUE, of_means(REVENUE), 20_000, 20_000, of_bca=HEAVY),
    study(REVENUE, of_means(REVENUE), 45_000, 5_000),
    study(RATIO, of_ratios(RATIO), 200, 200, share=1),
    study(RATIO, of_ratios(RATIO), 900, 100),
    study(RATIO, of_ratios(RATIO), 9_000, 1_000),
)
