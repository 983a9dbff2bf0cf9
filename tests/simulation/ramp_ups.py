"""Experiments whose allocation changes while everybody's value moves: epochs compared, then combined."""

from collections.abc import Iterator

import numpy as np

from analysis.statistics import confidence_sequence as sequence
from analysis.statistics.epochs import combined
from analysis.statistics.estimate import Estimate
from analysis.statistics.moments import MeanMoments
from analysis.statistics.schedules import Schedules, SpendingOptions
from analysis.statistics.student_t import two_sided_p
from analysis.statistics.welch import welch
from tests.simulation import methods
from tests.simulation.methods import ALPHA
from tests.simulation.processes import Generator, batches
from tests.simulation.sequential import DAYS
from tests.simulation.study import LIFT, Study
from tests.simulation.table import Figure, Kind, figure

TOPIC = "Changing allocation"
RAMP = ((4_950, 50), (2_700, 300), (1_500, 1_500))
BACK = ((1_000, 1_000), (1_800, 200))
TREND = 0.5
"""By how much of its first value everybody's mean grows from epoch to epoch."""
POOLED = "the arms' units came at different times (Simpson): why they are not pooled"


def ramped_up(sizes: tuple[tuple[int, int], ...], mean: float, *, is_share: bool = False) -> Study:
    """`sizes` are units of baseline and treatment by epoch; the effect is proportional."""
    n_b, n_t = np.array(sizes, dtype=float).T
    level = mean * (1 + TREND * np.arange(len(sizes)))
    whole = float(np.average(level, weights=n_b + n_t))

    def arm(rng: Generator, runs: int, n: np.ndarray, lift: float = 0.0) -> MeanMoments:
        means = level * (1 + lift)
        if is_share:
            share = rng.binomial(n.astype(int), means, (runs, len(n))) / n
            third = share * (1 - share) * (1 - 2 * share)
            return MeanMoments(
                np.broadcast_to(n, share.shape), share, share * (1 - share) * n / (n - 1), third.mean(-1)
            )
        noise = rng.standard_normal((runs, len(n))) / np.sqrt(n)
        variance = rng.chisquare(n - 1, (runs, len(n))) / (n - 1)
        return MeanMoments(np.broadcast_to(n, noise.shape), means + noise, variance, np.zeros(runs))

    def figures(rng: Generator, runs: int) -> Iterator[Figure]:
        base, null, lifted = (arm(rng, runs, n, lift) for n, lift in ((n_b, 0.0), (n_t, 0.0), (n_t, LIFT)))
        found = combined(base, null)
        warned = methods.warns(found)
        yield figure("by epoch", "rejection", two_sided_p(found.difference) <= ALPHA, ALPHA, warned=warned)
        yield from methods.intervals("by epoch", combined(base, lifted), whole, LIFT)
        rejected = two_sided_p(_pooled(base, null).difference) <= ALPHA
        yield figure("pooled arms", "rejection", rejected, ALPHA, known=POOLED)

    process = f"{'proportion' if is_share else 'normal'}, in a trend"
    return Study(TOPIC, process, ", ".join(f"{b:,} / {t:,}" for b, t in sizes), figures)


def _pooled(baseline: MeanMoments, treatment: MeanMoments) -> Estimate:
    arms = []
    for one in (baseline, treatment):
        n = one.n.sum(axis=-1)
        mean = np.sum(one.n * one.mean, axis=-1) / n
        squares = np.sum((one.n - 1) * one.variance + one.n * (one.mean - mean[:, None]) ** 2, axis=-1)
        arms.append(MeanMoments(n, mean, squares / (n - 1), np.zeros(len(n))))
    return welch(*arms)


def looked_at(shares: tuple[float, ...], per_day: int) -> Study:
    """Each of 28 days, the treatment's share changing after equally long epochs, and everybody's mean growing daily."""
    epoch = np.arange(DAYS) * len(shares) // DAYS
    level = 1 + TREND * np.arange(DAYS) / 7
    n_t = np.round(per_day * np.array(shares)[epoch])
    times = np.arange(1, DAYS + 1) / DAYS

    def arm(rng: Generator, runs: int, n: np.ndarray) -> MeanMoments:
        """Moments of each epoch so far (runs, looks, epochs)."""
        own = epoch[:, None] == np.arange(len(shares))
        totals = n * level + np.sqrt(n) * rng.standard_normal((runs, DAYS))
        squares = n * level**2 + 2 * level * (totals - n * level) + n
        count, first, second = (np.cumsum(part[..., None] * own, axis=-2) for part in (n, totals, squares))
        with np.errstate(invalid="ignore", divide="ignore"):
            mean = first / count
            variance = (second - first * mean) / (count - 1)
        return MeanMoments(np.broadcast_to(count, mean.shape), mean, variance, np.zeros(mean.shape[:-1]))

    def figures(rng: Generator, runs: int) -> Iterator[Figure]:
        options = SpendingOptions("obrien_fleming", -4.0, "", 0.0, 0.8)
        schedules = Schedules(times[None, :], np.ones(1, dtype=bool), (options,), (ALPHA,))
        every = np.arange(DAYS)
        critical = schedules.critical_value(np.zeros_like(every), every, np.full(DAYS, ALPHA))
        n = per_day * (1.0 + every)
        rho2 = sequence.best_rho2(per_day * DAYS, ALPHA)
        wrong, stopped = [], []
        for size in batches(runs, DAYS * len(shares) * 20):
            found = combined(arm(rng, size, per_day - n_t), arm(rng, size, n_t)).difference
            wrong.append((sequence.two_sided_p(found, n, rho2) <= ALPHA).any(axis=-1))
            stopped.append((np.abs(found.value / found.se) >= critical).any(axis=-1))
        for name, rejected in (("confidence sequence", wrong), ("O'Brien-Fleming", stopped)):
            yield figure(f"by epoch, {name}", "error at any look", np.concatenate(rejected), ALPHA, Kind.AT_MOST)

    splits = ", ".join(f"{share:.0%}" for share in shares)
    return Study(TOPIC, f"normal in a trend, {splits} treated", f"{per_day:,} a day", figures)


STUDIES = (
    looked_at((0.05, 0.1, 0.25, 0.5), 1_000),
    looked_at((0.5, 0.1), 1_000),
    ramped_up(RAMP, 2.0),
    ramped_up(BACK, 2.0),
    ramped_up(RAMP, 0.2, is_share=True),
    ramped_up(BACK, 0.2, is_share=True),
)
