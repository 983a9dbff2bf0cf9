"""The bootstrap as the scorecard makes it: units in hash buckets, both kinds of interval, every kind of test."""

from collections.abc import Callable, Iterator

import numpy as np

from analysis.scorecard.resampled import Resampled
from analysis.statistics.bootstrap import ArmDraws, compare_arms, draw_arm
from analysis.statistics.estimate import Arm, Estimate
from analysis.statistics.status import Floats, Status
from analysis.statistics.student_t import Interval
from tests.simulation import processes
from tests.simulation.fixed_horizon import LOGNORMAL, RARE, REVENUE
from tests.simulation.methods import ALPHA, holds
from tests.simulation.processes import Generator, JointProcess, Process
from tests.simulation.study import LIFT, Study, sizes
from tests.simulation.table import Figure, figure

TOPIC = "Bootstrap"
BUCKETS, REPLICATES = 1_000, 1_999
# Experiments that share one draw of weights.
TOGETHER = 50

# Numerators and denominators (experiments, buckets, 2) of an arm with so many units.
Draw = Callable[[Generator, int, int, float], Floats]


def of_means(process: Process) -> Draw:
    """Values over units."""

    def draw(rng: Generator, runs: int, n: int, lift: float) -> Floats:
        units = _bucketed(rng, n)
        values = process.draw(rng, runs, units, lift).first
        return np.stack([values, np.broadcast_to(units.astype(float), values.shape)], axis=-1)

    return draw


def of_ratios(process: JointProcess) -> Draw:
    """The first value over the second."""

    def draw(rng: Generator, runs: int, n: int, lift: float) -> Floats:
        edges = np.concatenate([[0], np.cumsum(_bucketed(rng, n))])
        both = process.units(rng, (runs, n), lift)[:2]
        return np.stack([np.diff(np.insert(np.cumsum(v, axis=1), 0, 0, axis=1)[:, edges]) for v in both], axis=-1)

    return draw


def _bucketed(rng: Generator, n: int) -> np.ndarray:
    return rng.multinomial(n, np.full(BUCKETS, 1 / BUCKETS))


def study(process: Process | JointProcess, draw: Draw, n_b: int, n_t: int, *, known: str = "") -> Study:
    """One experiment in ten, fifty to a set of weights; both intervals of the same replicates."""

    def figures(rng: Generator, runs: int) -> Iterator[Figure]:
        found: dict[tuple[str, str], list[Floats]] = {}
        for start in range(0, runs, TOGETHER):
            size = min(TOGETHER, runs - start)
            base, same, lifted = (
                _drawn(rng, draw(rng, size, n, lift)) for n, lift in ((n_b, 0.0), (n_t, 0.0), (n_t, LIFT))
            )
            for name, is_bca in (("percentile", False), ("BCa", True)):
                null, effect = (_resampled(base, arm, is_bca) for arm in (same, lifted))
                for question, happened in _outcomes(null, effect, process.mean):
                    found.setdefault((name, question), []).append(happened)
        for (name, question), outcomes in found.items():
            nominal = 1 - ALPHA if question.startswith("coverage") else ALPHA
            yield figure(f"bootstrap, {name}", question, np.concatenate(outcomes), nominal, known=known)

    return Study(TOPIC, process.name, sizes(n_b, n_t), figures, share=0.1, is_short=False)


def _drawn(rng: Generator, sums: Floats) -> ArmDraws:
    return draw_arm(sums, lambda parts: parts[..., 0] / parts[..., 1], int(rng.integers(2**31)), REPLICATES)


def _resampled(baseline: ArmDraws, treatment: ArmDraws, is_bca: bool) -> Resampled:
    base, moved = (arm.point[..., 0] for arm in (baseline, treatment))
    unknown = np.full(base.shape, np.nan)
    ok = np.zeros(base.shape, dtype=np.int8)
    estimate = Estimate(Arm(unknown, base, unknown), Arm(unknown, moved, unknown), moved - base, ok)
    return Resampled(estimate, baseline, treatment, ok, is_bca)


def _outcomes(null: Resampled, lifted: Resampled, mean: float) -> Iterator[tuple[str, Floats]]:
    without = compare_arms(null.baseline, null.treatment, corrected=null.is_corrected)
    yield "rejection", without.two_sided_p() <= ALPHA
    yield "one-sided rejection (greater)", without.upper_tail_p() <= ALPHA
    yield "one-sided rejection (less)", without.lower_tail_p() <= ALPHA
    covering = compare_arms(lifted.baseline, lifted.treatment, corrected=lifted.is_corrected).interval(ALPHA)
    yield "coverage of effect", holds(covering, LIFT * mean)
    relative, status = lifted.relative(np.full(lifted.status.shape, ALPHA))
    defined = status == Status.OK
    yield "coverage of relative effect", holds(Interval(relative.low[defined], relative.high[defined]), LIFT)
    # A metric where a decrease is better, its true effect exactly at the margin.
    worse = np.full(defined.shape, -1.0)
    p = lifted.margin_p(worse, np.full(defined.shape, LIFT), np.full(defined.shape, "relative"))
    yield "non-inferior at the relative margin", p <= ALPHA


STUDIES = (
    study(RARE, of_means(RARE), 5_000, 5_000),
    study(LOGNORMAL, of_means(LOGNORMAL), 5_000, 5_000),
    study(REVENUE, of_means(REVENUE), 20_000, 20_000),
    study(REVENUE, of_means(REVENUE), 45_000, 5_000),
    study(processes.Sessions(), of_ratios(processes.Sessions()), 1_000, 1_000),
    study(processes.Sessions(), of_ratios(processes.Sessions()), 9_000, 1_000),
)
