"""Trends of effects over days since exposure: units of two weeks whose activity falls, and effects that do not move."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from analysis.heterogeneity import trend
from analysis.heterogeneity.trend import DayMoments
from analysis.statistics.student_t import interval, two_sided_p
from tests.simulation.methods import ALPHA, holds
from tests.simulation.processes import Floats, Generator, batches
from tests.simulation.study import Study, sizes
from tests.simulation.table import Figure, figure

TOPIC = "Novelty and primacy"
DAYS = 14
ACTIVITY = np.linspace(4, 2, DAYS)
STEADY = np.full(DAYS, 1.2)
FADING = np.linspace(1.5, 1.0, DAYS)


def visits(rng: Generator, shape: tuple[int, ...], level: Floats) -> Floats:
    """Visits a day: Poisson, of units that differ tenfold in their liveliness."""
    return rng.poisson(rng.gamma(2, 0.5, shape[:-1])[..., None] * level, shape).astype(float)


def spending(rng: Generator, shape: tuple[int, ...], level: Floats) -> Floats:
    """Revenue a day: one visit in five is paid for, lognormally."""
    paid = rng.random(shape) < np.minimum(rng.gamma(2, 0.5, shape[:-1])[..., None] * level / 20, 1)
    return np.where(paid, np.exp(rng.standard_normal(shape)), 0.0)


PROCESSES = {"visits by day": visits, "revenue by day": spending}


def trends(name: str, n_b: int, n_t: int) -> Study:
    """Trends of relative effects: steady ones, which are no trend, and one that fades from 50 % to nothing."""

    def figures(rng: Generator, runs: int) -> Iterator[Figure]:
        for term, question in ((trend.slope, "slope"), (trend.last_week_less_first, "weeks")):
            base, steady, fading = (
                _moments(PROCESSES[name], rng, runs, n, lift) for n, lift in ((n_b, 1.0), (n_t, STEADY), (n_t, FADING))
            )
            null = term(trend.relative_effects(base, steady))
            yield figure(question, "rejection, a steady effect", two_sided_p(null) <= ALPHA, ALPHA)
            if term is trend.last_week_less_first:
                moved = term(trend.relative_effects(base, fading))
                truth = FADING[-7:].mean() - FADING[:7].mean()
                yield figure(question, "coverage of the change", holds(interval(moved, ALPHA), truth), 1 - ALPHA)

    return Study(TOPIC, name, sizes(n_b, n_t), figures, share=0.2)


def _moments(process: object, rng: Generator, runs: int, n: int, lift: Floats | float) -> DayMoments:
    parts = [_of_values(process(rng, (size, n, DAYS), ACTIVITY * lift)) for size in batches(runs, n * DAYS)]
    return DayMoments(*(np.concatenate(each) for each in zip(*parts, strict=True)))


def _of_values(values: NDArray) -> tuple[Floats, Floats, Floats]:
    mean, n = values.mean(axis=1), values.shape[1]
    apart = values - mean[:, None, :]
    return np.full(len(values), float(n)), mean, np.swapaxes(apart, 1, 2) @ apart / (n - 1)


STUDIES = (
    trends("visits by day", 500, 500),
    trends("visits by day", 900, 100),
    trends("revenue by day", 1_000, 1_000),
    trends("revenue by day", 1_800, 200),
)
