"""Methods that look again and again: errors at any of 28 looks, and what peeking does to methods that may not."""

from collections.abc import Callable, Iterator

import numpy as np
from scipy.special import ndtr

from analysis.statistics import confidence_sequence as sequence
from analysis.statistics.estimate import Contrast, Estimate
from analysis.statistics.group_sequential.stagewise import stagewise
from analysis.statistics.schedules import Schedules, SpendingOptions
from analysis.statistics.student_t import two_sided_p
from analysis.statistics.welch import welch
from tests.simulation import methods
from tests.simulation.fixed_horizon import NORMAL, RARE, RATIO, REVENUE, ratio_estimate
from tests.simulation.methods import ALPHA, holds
from tests.simulation.processes import Floats, Generator, JointProcess, Process, Share, joint_sums
from tests.simulation.study import LIFT, Study
from tests.simulation.table import Figure, Kind, figure

ALWAYS_VALID, GROUPED, MONITOR, PEEKING = "Always valid", "Group sequential", "Rollback monitor", "Peeking"
DAYS = 28
# Of the monitor: .025 over five metrics, one treatment.
METRICS, DETERIORATION = 5, 0.025
# Experiments that inference after stopping is made for.
STAGEWISE = 2_000
SPENDINGS = ("obrien_fleming", "pocock", "hwang_shih_decani")
# Six looks at uneven information, the last one planned as the end.
UNEVEN = np.array([0.08, 0.2, 0.45, 0.6, 0.62, 1.0])
Series = Callable[[Generator, int, float], Estimate]


def daily(process: Process | JointProcess, n_b: int, n_t: int, looks: Floats | None = None) -> Series:
    """Estimates (experiments, looks) with so many new units a day, or in all at these fractions of 28 days."""
    times = np.arange(1, DAYS + 1) / DAYS if looks is None else looks
    new = [np.diff(np.rint(times * DAYS * n), prepend=0).astype(np.int64) for n in (n_b, n_t)]

    def series(rng: Generator, runs: int, lift: float) -> Estimate:
        if hasattr(process, "units"):
            sums = [joint_sums(process, rng, runs, n, each, values=2) for n, each in zip(new, (0.0, lift), strict=True)]
            return ratio_estimate(*(arm.so_far() for arm in sums))
        arms = [process.draw(rng, runs, n, each).so_far() for n, each in zip(new, (0.0, lift), strict=True)]
        return welch(*(arm.moments() for arm in arms))

    return series


def per_day(n_b: int, n_t: int) -> str:
    """Sizes for people."""
    return f"{n_b:,} / {n_t:,} a day, {DAYS} looks"


def always_valid(process: Process | JointProcess, n_b: int, n_t: int, *, known: str = "") -> Study:
    """A confidence sequence, tuned to all units."""
    series = daily(process, n_b, n_t)

    def figures(rng: Generator, runs: int) -> Iterator[Figure]:
        null, lifted = series(rng, runs, 0.0), series(rng, runs, LIFT)
        rho2 = sequence.best_rho2(DAYS * (n_b + n_t), ALPHA)
        n = null.baseline.n + null.treatment.n
        wrong = sequence.two_sided_p(null.difference, n, rho2) <= ALPHA
        missed = ~holds(sequence.interval(lifted.difference, n, rho2, ALPHA), LIFT * process.mean)
        is_share = isinstance(process, Share)
        started, started_lifted = (sequence.burn_in_reached(e.baseline, e.treatment, is_share) for e in (null, lifted))
        skewed = (started & methods.warns(null)).any(axis=-1)
        error = (started & wrong).any(axis=-1)
        yield figure("confidence sequence", "error at any look", error, ALPHA, Kind.AT_MOST, warned=skewed, known=known)
        kept = ~(started_lifted & missed).any(axis=-1)
        skewed = (started_lifted & methods.warns(lifted)).any(axis=-1)
        question = "coverage at all looks"
        yield figure("confidence sequence", question, kept, 1 - ALPHA, Kind.AT_LEAST, warned=skewed, known=known)
        if is_share:
            reason = "what the burn-in of 100 events an arm is for"
            yield figure("without burn-in", "error at any look", wrong.any(axis=-1), ALPHA, Kind.AT_MOST,
                         warned=(~started).any(axis=-1), known=reason)  # fmt: skip

    return Study(ALWAYS_VALID, process.name, per_day(n_b, n_t), figures)


def monitored(process: Process | JointProcess, n_b: int, n_t: int, *, known: str = "") -> Study:
    """The one-sided sequence for harm at its Bonferroni level, and five metrics together."""
    series = daily(process, n_b, n_t)

    def figures(rng: Generator, runs: int) -> Iterator[Figure]:
        null, level = series(rng, runs, 0.0), DETERIORATION / METRICS
        # Tuned, as the monitor is, to the size from which a decision may be taken: here a quarter of the plan.
        rho2 = sequence.best_rho2(DAYS * (n_b + n_t) / 4, level, sides=1)
        started = sequence.burn_in_reached(null.baseline, null.treatment, isinstance(process, Share), 100, 100)
        n = null.baseline.n + null.treatment.n
        for name, sign in (("decrease", -1.0), ("increase", 1.0)):
            harm = null.plus_baseline(0.0, sign)
            signed = Contrast(sign * null.difference.value, harm.se, harm.df, harm.status)
            harmful = sequence.upper_tail_p(signed, n, rho2) <= level
            alarm = (started & harmful).any(axis=-1)
            question = f"false alarm of harm by {name}, one metric"
            yield figure("one-sided sequence", question, alarm, level, Kind.AT_MOST, known=known)
            family = alarm[: runs // METRICS * METRICS].reshape(-1, METRICS).any(axis=1)
            question = f"false alarm of harm by {name}, five metrics"
            yield figure("one-sided sequence", question, family, DETERIORATION, Kind.AT_MOST, known=known)

    return Study(MONITOR, process.name, per_day(n_b, n_t), figures)


def grouped(
    process: Process | JointProcess,
    n_b: int,
    n_t: int,
    looks: Floats | None = None,
    *,
    after_stopping: bool = False,
    known: str = "",
) -> Study:
    """Each spending function; at the look that stops, inference by the stage-wise ordering."""
    times = np.arange(1, DAYS + 1) / DAYS if looks is None else looks
    series = daily(process, n_b, n_t, times)

    def figures(rng: Generator, runs: int) -> Iterator[Figure]:
        null, lifted = series(rng, runs, 0.0), series(rng, runs, LIFT)
        skewed = methods.warns(null).any(axis=-1)
        for name in SPENDINGS:
            options = SpendingOptions(name, -4.0, "", 0.0, 0.8)
            schedules = Schedules(times[None, :], np.ones(1, dtype=bool), (options,), (ALPHA,))
            every = np.arange(times.size)
            critical = schedules.critical_value(np.zeros_like(every), every, np.full(times.size, ALPHA))
            stops = np.abs(null.difference.value / null.difference.se) >= critical
            rejected = stops.any(axis=-1)
            yield figure(name, "error at any look", rejected, ALPHA, warned=skewed, known=known)
            deviation = np.abs(lifted.difference.value - LIFT * process.mean) / lifted.difference.se
            kept = (deviation < critical).all(axis=-1)
            question = "coverage of repeated intervals at all looks"
            yield figure(name, question, kept, 1 - ALPHA, warned=skewed, known=known)
            if after_stopping:
                first = Contrast(*(part[:STAGEWISE] for part in vars(lifted.difference).values()))
                yield from _after_stopping(name, first, schedules, critical, LIFT * process.mean)

    n = f"{DAYS * n_b:,} / {DAYS * n_t:,} in all, {times.size} looks"
    return Study(GROUPED, process.name, n, figures, is_short=looks is not None)


def _after_stopping(
    name: str, difference: Contrast, schedules: Schedules, critical: Floats, effect: float
) -> Iterator[Figure]:
    stops = np.abs(difference.value / difference.se) >= critical
    stops[:, -1] = True
    look = np.argmax(stops, axis=1)
    stopped = Contrast(*(part[np.arange(look.size), look] for part in vars(difference).values()))
    bounds, _ = schedules.bounds(schedules.options[0], ALPHA)
    found = stagewise(stopped, bounds, np.zeros_like(look), look)
    yield figure(name, "stage-wise coverage after stopping", holds(found.interval, effect), 1 - ALPHA)
    yield figure(name, "median-unbiased estimate above the truth", found.median_unbiased > effect, 0.5)


def peeked(process: Process, n_b: int, n_t: int) -> Study:
    """What methods of one look do when asked daily."""
    series = daily(process, n_b, n_t)

    def figures(rng: Generator, runs: int) -> Iterator[Figure]:
        null = series(rng, runs, 0.0)
        reason = "it may be asked once; the decision does so"
        rejected = two_sided_p(null.difference) <= ALPHA
        yield figure("Welch", "rejection at the end", rejected[:, -1], ALPHA)
        yield figure("Welch", "error at any look", rejected.any(axis=-1), ALPHA, Kind.AT_MOST, known=reason)
        better = ndtr(null.difference.value / null.difference.se) >= 1 - ALPHA
        yield figure("Bayesian, flat prior, P > .95", "false at the end", better[:, -1], ALPHA)
        question = "false at any look"
        yield figure("Bayesian, flat prior, P > .95", question, better.any(axis=-1), ALPHA, Kind.AT_MOST, known=reason)

    return Study(PEEKING, process.name, per_day(n_b, n_t), figures)


STUDIES = (
    always_valid(NORMAL, 100, 100),
    always_valid(RARE, 1_000, 1_000),
    always_valid(RARE, 360, 40),
    always_valid(RARE, 3_600, 400),
    always_valid(REVENUE, 500, 500),
    always_valid(REVENUE, 3_600, 400),
    always_valid(RATIO, 100, 100),
    monitored(NORMAL, 100, 100),
    monitored(RARE, 1_000, 1_000),
    monitored(RARE, 3_600, 400),
    monitored(REVENUE, 500, 500),
    monitored(REVENUE, 3_600, 400, known="skewed money at 90/10 needs a longer burn-in than 100 units"),
    monitored(RATIO, 100, 100),
    grouped(NORMAL, 100, 100),
    grouped(NORMAL, 100, 100, UNEVEN, after_stopping=True),
    grouped(RARE, 1_000, 1_000),
    grouped(REVENUE, 500, 500),
    grouped(REVENUE, 3_600, 400),
    grouped(RATIO, 100, 100),
    peeked(NORMAL, 100, 100),
)
