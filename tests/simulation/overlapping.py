"""Two experiments over shared units that do not interact, and effects on triggered units diluted to everybody."""

from collections.abc import Iterator

import numpy as np

from analysis.heterogeneity.two_way import two_way
from analysis.statistics.dilution import Everybody, diluted
from analysis.statistics.moments import MeanMoments
from analysis.statistics.skewness import is_skewed, tail_shift_of
from analysis.statistics.student_t import interval, two_sided_p
from analysis.statistics.welch import welch
from tests.simulation import processes
from tests.simulation.methods import ALPHA, holds
from tests.simulation.processes import Floats, Generator, Process
from tests.simulation.study import LIFT, Study, sizes
from tests.simulation.table import Figure, figure

TOPIC = "Overlaps and triggers"
NORMAL = processes.Normal()
SHARE = processes.Share(0.05, "proportion 5 %")
REVENUE = processes.Revenue(0.1, 1.5, "zero-inflated lognormal (1 in 10 pays, σ = 1.5)")
TRIGGERED = 0.2


def overlapping(process: Process, arms: tuple[float, ...], others: tuple[float, ...], n: int) -> Study:
    """Cells of two experiments at independent splits of `n` units; neither does anything."""

    def figures(rng: Generator, runs: int) -> Iterator[Figure]:
        cells = np.round(n * np.outer(arms, others)).astype(int)
        moments = process.draw(rng, runs, cells.ravel()).moments()
        shape = (runs, *cells.shape)
        se = np.sqrt(moments.variance / moments.n).reshape(shape)
        found = two_way(moments.mean.reshape(shape), se, (moments.n - 1).reshape(shape)).interaction
        warned = None
        if cells.shape == (2, 2):
            cumulant = (
                (moments.third_central_moment / moments.n**2) @ [1, -1, -1, 1] / np.sum(se**2, axis=(1, 2)) ** 1.5
            )
            warned = is_skewed(tail_shift_of(cumulant, ALPHA))
        rejected = found.p_value <= ALPHA
        yield figure("difference of differences", "rejection, no interaction", rejected, ALPHA, warned=warned)

    splits = " and ".join("/".join(f"{share:.0%}".rstrip("%") for share in each) for each in (arms, others))
    return Study(TOPIC, f"{process.name}, splits {splits}", f"{n:,} shared", figures)


def triggered(process: Process, n_b: int, n_t: int) -> Study:
    """One unit in five is triggered; the others have half the mean and no effect."""

    def figures(rng: Generator, runs: int) -> Iterator[Figure]:
        for lift in (0.0, LIFT):
            base, treatment = _triggered_arm(process, rng, runs, n_b), _triggered_arm(process, rng, runs, n_t, lift)
            mean, variance = _with_others(process, rng, base, n_b)
            everybody = Everybody(np.full(runs, float(n_b + n_t)), mean, variance)
            found = diluted(welch(base, treatment), everybody)
            if lift == 0:
                yield figure("diluted effect", "rejection", two_sided_p(found.effect) <= ALPHA, ALPHA)
                continue
            truth, whole = TRIGGERED * lift * process.mean, process.mean * (TRIGGERED + (1 - TRIGGERED) / 2)
            for name, contrast, value in (
                ("effect", found.effect, truth),
                ("relative effect", found.relative, truth / whole),
            ):
                covered = holds(interval(contrast, ALPHA), value)
                yield figure("diluted effect", f"coverage of {name}", covered, 1 - ALPHA)

    return Study(TOPIC, f"{process.name}, one in five triggered", sizes(n_b, n_t), figures)


def _triggered_arm(process: Process, rng: Generator, runs: int, n: int, lift: float = 0.0) -> MeanMoments:
    """Moments of as many units as are triggered in each experiment."""
    count = rng.binomial(n, TRIGGERED, runs)
    mean, variance = np.zeros(runs), np.zeros(runs)
    for size in np.unique(count):
        mine = count == size
        drawn = process.draw(rng, int(mine.sum()), np.array([size]), lift).moments()
        mean[mine], variance[mine] = drawn.mean[:, 0], drawn.variance[:, 0]
    return MeanMoments(count.astype(float), mean, variance, np.full(runs, np.nan))


def _with_others(process: Process, rng: Generator, arm: MeanMoments, n: int) -> tuple[Floats, Floats]:
    """The baseline's mean over all its units, and that mean's variance: those triggered stand out by half of theirs."""
    others = n - arm.n
    mean = process.mean / 2 + np.sqrt(arm.variance / others) * rng.standard_normal(arm.n.size)
    variance = arm.variance + TRIGGERED * (1 - TRIGGERED) * (process.mean / 2) ** 2
    return (arm.n * arm.mean + others * mean) / n, variance / n


HALVES, TENTH, THIRDS = (0.5, 0.5), (0.9, 0.1), (0.34, 0.33, 0.33)
STUDIES = (
    overlapping(NORMAL, HALVES, HALVES, 2_000),
    overlapping(NORMAL, TENTH, TENTH, 2_000),
    overlapping(NORMAL, HALVES, THIRDS, 600),
    overlapping(SHARE, HALVES, TENTH, 20_000),
    overlapping(REVENUE, HALVES, HALVES, 20_000),
    overlapping(REVENUE, TENTH, TENTH, 20_000),
    triggered(NORMAL, 1_000, 1_000),
    triggered(NORMAL, 2_000, 500),
    triggered(SHARE, 10_000, 10_000),
)
