"""Quantiles, categories, and the sample ratio."""

from collections.abc import Iterator

import numpy as np
from scipy.special import ndtri

from analysis.statistics.categorical import homogeneity
from analysis.statistics.quantile import (
    ClusterSums,
    Histogram,
    Quantile,
    QuantileDifference,
    compare_quantiles,
    event_quantile,
    unit_quantile,
)
from analysis.statistics.srm import anytime_p_value, chi_squared, log_bayes_factor, proportional_prior
from tests.simulation.methods import ALPHA, holds
from tests.simulation.processes import Floats, Generator, batches
from tests.simulation.study import LIFT, Study, sizes
from tests.simulation.table import Figure, Kind, figure

QUANTILES, COUNTS = "Quantiles", "Counts"
LEVEL, SIGMA = 0.95, 1.0
LOADS = 5


def unit_quantiles(n: int) -> Study:
    """The 95th percentile of one lognormal value per unit."""
    truth = float(np.exp(SIGMA * ndtri(LEVEL)))

    def arm(rng: Generator, runs: int, lift: float) -> Quantile:
        values = np.sort(np.exp(SIGMA * rng.standard_normal((runs, n))) * (1 + lift), axis=1)
        return unit_quantile(_histogram(values), LEVEL)

    def figures(rng: Generator, runs: int) -> Iterator[Figure]:
        outcomes = []
        for size in batches(runs, n):
            base = arm(rng, size, 0.0)
            differences = [compare_quantiles(base, arm(rng, size, lift)) for lift in (0.0, LIFT)]
            outcomes.append(covered(differences, truth))
        yield from quantile_figures("p95, order statistics", outcomes)

    return Study(QUANTILES, "lognormal, one value a unit", sizes(n, n), figures)


def event_quantiles(units: int) -> Study:
    """The 95th percentile of five page loads a unit, whose logarithms correlate by .5."""
    truth = float(np.exp(SIGMA * ndtri(LEVEL)))

    def arm(rng: Generator, runs: int, lift: float) -> Quantile:
        own = rng.standard_normal((runs, units, 1))
        noise = np.sqrt(0.5) * (own + rng.standard_normal((runs, units, LOADS)))
        values = np.exp(SIGMA * noise) * (1 + lift)
        flat = np.sort(values.reshape(runs, -1), axis=1)
        quantile = flat[:, int(np.ceil(units * LOADS * LEVEL)) - 1]
        below = (values <= quantile[:, None, None]).sum(axis=2).astype(float)
        of_each = np.full((runs, units), float(LOADS))
        sums = ClusterSums(
            np.full(runs, float(units)),
            of_each.sum(axis=1),
            below.sum(axis=1),
            (of_each**2).sum(axis=1),
            (below**2).sum(axis=1),
            (below * of_each).sum(axis=1),
        )
        return event_quantile(_histogram(flat), sums, LEVEL)

    def figures(rng: Generator, runs: int) -> Iterator[Figure]:
        outcomes = []
        for size in batches(runs, units * LOADS):
            base = arm(rng, size, 0.0)
            differences = [compare_quantiles(base, arm(rng, size, lift)) for lift in (0.0, LIFT)]
            outcomes.append(covered(differences, truth))
        yield from quantile_figures("p95, clustered", outcomes)

    return Study(QUANTILES, f"lognormal, {LOADS} page loads a unit", sizes(units, units), figures)


def _histogram(ascending: Floats) -> Histogram:
    runs, n = ascending.shape
    return Histogram(ascending.ravel(), np.ones(runs * n), np.arange(runs + 1) * n)


def covered(differences: list[QuantileDifference], truth: float) -> list[Floats]:
    """Whether each null is rejected, each lifted effect covered, and each relative one, where it has an interval."""
    null, lifted = differences
    relative = lifted.relative_interval(ALPHA)
    return [
        ~holds(null.interval(ALPHA), 0.0),
        holds(lifted.interval(ALPHA), LIFT * truth),
        holds(relative, LIFT)[~np.isnan(relative.low)],
    ]


def quantile_figures(method: str, outcomes: list[list[Floats]]) -> Iterator[Figure]:
    """The figures of `covered` over all batches."""
    rejected, covered, relative = (np.concatenate(each) for each in zip(*outcomes, strict=True))
    yield figure(method, "rejection", rejected, ALPHA, Kind.AT_MOST)
    yield figure(method, "coverage of effect", covered, 1 - ALPHA, Kind.AT_LEAST)
    yield figure(method, "coverage of relative effect, where there is one", relative, 1 - ALPHA, Kind.AT_LEAST)


def categories(n: int) -> Study:
    """Three arms, five categories from 2 % to 50 %."""

    def figures(rng: Generator, runs: int) -> Iterator[Figure]:
        counts = rng.multinomial(n, [0.5, 0.3, 0.1, 0.08, 0.02], (runs, 3))
        yield figure("chi-squared", "rejection", homogeneity(counts).p_value <= ALPHA, ALPHA)

    return Study(COUNTS, "five categories, three arms", f"{n:,}", figures)


def sample_ratios(weights: tuple[float, ...], a_day: int) -> Study:
    """Both sample ratio tests of the health checks on clean assignment."""

    def figures(rng: Generator, runs: int) -> Iterator[Figure]:
        share = np.asarray(weights)
        counts = np.cumsum(rng.multinomial(a_day, share, (runs, 28)), axis=1)
        prior = proportional_prior(share, 10_000)
        p = anytime_p_value(log_bayes_factor(counts, share, prior))[:, -1]
        yield figure("sequential multinomial, .001", "alarm at any look", p < 0.001, 0.001, Kind.AT_MOST)
        once = chi_squared(counts[:, -1], share).p_value < 0.0005
        yield figure("chi-squared, .0005", "alarm at the end", once, 0.0005)

    split = "/".join(f"{weight:.0%}" for weight in weights)
    return Study(COUNTS, f"sample ratio {split}", f"{a_day:,} a day, 28 looks", figures)


STUDIES = (
    unit_quantiles(200),
    unit_quantiles(1_000),
    unit_quantiles(5_000),
    event_quantiles(200),
    event_quantiles(1_000),
    categories(1_000),
    sample_ratios((0.5, 0.5), 1_000),
    sample_ratios((0.8, 0.1, 0.1), 1_000),
)
