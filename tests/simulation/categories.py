"""How units spread over categories by Pearson's chi-squared, and numbers of different values by Welch's test."""

from collections.abc import Iterator

import numpy as np
from scipy import stats

from analysis.statistics.categorical import homogeneity
from analysis.statistics.moments import MeanMoments
from analysis.statistics.welch import welch
from tests.simulation import methods
from tests.simulation.methods import ALPHA
from tests.simulation.processes import Floats, Generator
from tests.simulation.study import LIFT, Study, sizes
from tests.simulation.table import Figure, Kind, figure

TOPIC = "Categories and distinct counts"
SHARES = np.array([0.5, 0.3, 0.1, 0.08, 0.02])
SHIFTED = np.array([0.46, 0.3, 0.12, 0.1, 0.02])
"""Four units in a hundred are in another category."""

PRODUCTS = 20
WINDOW_SHOPPERS, VIEWS = 0.7, (0.5, 6.0)
"""Of the units, and mean views of these and of the others, each of one of the products, all alike."""


def categories(n_b: int, n_t: int) -> Study:
    """Two arms, five categories from 2 % to 50 %: rejections, and power beside that of the non-central chi-squared."""

    def figures(rng: Generator, runs: int) -> Iterator[Figure]:
        base = rng.multinomial(n_b, SHARES, runs)
        for shares, question, kind in (
            (SHARES, "rejection", Kind.NOMINAL),
            (SHIFTED, "finds 4 % of units in another category", Kind.POWER),
        ):
            tested = homogeneity(np.stack([base, rng.multinomial(n_t, shares, runs)], axis=1))
            nominal = ALPHA if kind is Kind.NOMINAL else _power(n_b, n_t)
            rejected = tested.p_value <= ALPHA
            yield figure("chi-squared", question, rejected, nominal, kind, warned=tested.is_sparse)

    return Study(TOPIC, "five categories, 2 % to 50 %", sizes(n_b, n_t), figures)


def _power(n_b: int, n_t: int) -> float:
    share = n_b / (n_b + n_t)
    pooled = share * SHARES + (1 - share) * SHIFTED
    distance = n_b * n_t / (n_b + n_t) * ((SHARES - SHIFTED) ** 2 / pooled).sum()
    df = len(SHARES) - 1
    return float(stats.ncx2.sf(stats.chi2.isf(ALPHA, df), df, distance))


def distinct(n_b: int, n_t: int) -> Study:
    """Different products that a unit looks at; an effect is on how many of the others' views are of something new."""

    def figures(rng: Generator, runs: int) -> Iterator[Figure]:
        mean = float(_probabilities(0.0) @ np.arange(PRODUCTS + 1))
        base = _moments(rng, runs, n_b, 0.0)
        null, lifted = (welch(base, _moments(rng, runs, n_t, lift)) for lift in (0.0, LIFT))
        yield from methods.fixed_horizon("Welch, of distinct counts", null, lifted, mean, LIFT)

    return Study(TOPIC, f"distinct counts of {PRODUCTS} products", sizes(n_b, n_t), figures)


def _probabilities(lift: float) -> Floats:
    """Of 0 to `PRODUCTS` different ones: each is seen or not, independently of the others, by a unit of either kind."""
    seen = (1 - np.exp(-np.array(VIEWS) / PRODUCTS)) * (1 + lift)
    kinds = stats.binom.pmf(np.arange(PRODUCTS + 1), PRODUCTS, seen[:, None])
    return np.asarray(np.array([WINDOW_SHOPPERS, 1 - WINDOW_SHOPPERS]) @ kinds)


def _moments(rng: Generator, runs: int, n: int, lift: float) -> MeanMoments:
    counts, value = rng.multinomial(n, _probabilities(lift), runs), np.arange(PRODUCTS + 1)
    mean = counts @ value / n
    centred = value - mean[:, None]
    variance = (counts * centred**2).sum(axis=1) / (n - 1)
    return MeanMoments(np.full(runs, float(n)), mean, variance, (counts * centred**3).sum(axis=1) / n)


STUDIES = (
    categories(2_000, 2_000),
    categories(9_000, 1_000),
    categories(90, 10),
    distinct(1_000, 1_000),
    distinct(9_000, 1_000),
)
