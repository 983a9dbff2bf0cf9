"""Post-stratified estimates: of one look with few and many strata, of ratios, and at any of 28 looks."""

from collections.abc import Iterator
from dataclasses import fields

import numpy as np

from analysis.statistics import confidence_sequence as sequence
from analysis.statistics.estimate import Estimate
from analysis.statistics.moments import MeanMoments
from analysis.statistics.post_stratification import post_stratified, post_stratified_ratio
from analysis.statistics.schedules import Schedules, SpendingOptions
from analysis.statistics.student_t import two_sided_p
from tests.simulation import methods
from tests.simulation.methods import ALPHA, holds
from tests.simulation.processes import Generator, batches
from tests.simulation.sequential import DAYS, per_day
from tests.simulation.strata import NormalStrata, RatioStrata, ShareStrata, Strata
from tests.simulation.study import LIFT, Study, sizes
from tests.simulation.table import Figure, Kind, figure

TOPIC = "Variance reduction"
METHOD = "post-stratified"

FEW = NormalStrata((0.6, 0.3, 0.08, 0.02), (1.0, 2.0, 4.0, 8.0), "normal in strata")
MANY = NormalStrata((0.02,) * 40 + (0.002,) * 100, tuple(np.linspace(1, 8, 140)), "normal in 140 strata")
SHARES = ShareStrata((0.5, 0.3, 0.15, 0.05), (0.02, 0.1, 0.3, 0.6), "proportion in strata")
RATIO = RatioStrata((0.5, 0.3, 0.2), (2.0, 4.0, 8.0), (0.5, 0.3, 0.2), "ratio in strata")


def stratified(process: Strata | RatioStrata, n_b: int, n_t: int) -> Study:
    """Post-stratification at one look; small strata are merged."""

    def figures(rng: Generator, runs: int) -> Iterator[Figure]:
        null, effect = (_estimate(process, rng, runs, n_b, n_t, lift) for lift in (0.0, LIFT))
        yield figure(METHOD, "rejection", two_sided_p(null.difference) <= ALPHA, ALPHA)
        yield from methods.intervals(METHOD, effect, process.mean, LIFT)

    return Study(TOPIC, process.name, sizes(n_b, n_t), figures)


def _estimate(process: Strata | RatioStrata, rng: Generator, runs: int, n_b: int, n_t: int, lift: float) -> Estimate:
    if isinstance(process, RatioStrata):
        return post_stratified_ratio(process.draw(rng, runs, n_b), process.draw(rng, runs, n_t, lift)).estimate
    arms = (process.draw(rng, runs, np.array([n]), each) for n, each in ((n_b, 0.0), (n_t, lift)))
    return post_stratified(*(_at(arm, 0) for arm in arms)).estimate


def _at(arm: MeanMoments, look: int) -> MeanMoments:
    return MeanMoments(*(getattr(arm, field.name)[:, look] for field in fields(arm)))


def looked_at(process: Strata, n_b: int, n_t: int) -> Study:
    """Under a confidence sequence and group sequential bounds, daily: strata are merged at first, and fewer later."""
    times = np.arange(1, DAYS + 1) / DAYS

    def figures(rng: Generator, runs: int) -> Iterator[Figure]:
        options = SpendingOptions("obrien_fleming", -4.0, "", 0.0, 0.8)
        schedules = Schedules(times[None, :], np.ones(1, dtype=bool), (options,), (ALPHA,))
        every = np.arange(DAYS)
        critical = schedules.critical_value(np.zeros_like(every), every, np.full(DAYS, ALPHA))
        rho2 = sequence.best_rho2(DAYS * (n_b + n_t), ALPHA)
        n = (1.0 + every) * (n_b + n_t)
        wrong, missed, stopped = [], [], []
        for size in batches(runs, DAYS * len(process.shares) * 20):
            new = [np.full(DAYS, units) for units in (n_b, n_t)]
            base = process.draw(rng, size, new[0])
            null, lifted = (
                post_stratified(base, process.draw(rng, size, new[1], lift)).estimate for lift in (0.0, LIFT)
            )
            wrong.append((sequence.two_sided_p(null.difference, n, rho2) <= ALPHA).any(axis=-1))
            inside = holds(sequence.interval(lifted.difference, n, rho2, ALPHA), LIFT * process.mean)
            missed.append(~inside.all(axis=-1))
            stopped.append((np.abs(null.difference.value / null.difference.se) >= critical).any(axis=-1))
        name = f"{METHOD}, confidence sequence"
        yield figure(name, "error at any look", np.concatenate(wrong), ALPHA, Kind.AT_MOST)
        yield figure(name, "coverage at all looks", ~np.concatenate(missed), 1 - ALPHA, Kind.AT_LEAST)
        yield figure(f"{METHOD}, O'Brien-Fleming", "error at any look", np.concatenate(stopped), ALPHA)

    return Study(TOPIC, process.name, per_day(n_b, n_t), figures)


STUDIES = (
    stratified(FEW, 200, 200),
    stratified(FEW, 1_000, 1_000),
    stratified(FEW, 1_800, 200),
    stratified(MANY, 2_000, 2_000),
    stratified(MANY, 9_000, 1_000),
    stratified(SHARES, 1_000, 1_000),
    stratified(SHARES, 9_000, 1_000),
    stratified(RATIO, 500, 500),
    stratified(RATIO, 1_800, 200),
    looked_at(FEW, 100, 100),
)
