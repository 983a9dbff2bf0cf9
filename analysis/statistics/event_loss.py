"""Whether events go missing more often in one arm than in the other: a sequential test stratified by day.

Of the units that came on one day, those without events (lost) are split between two arms. If a loss has nothing to do
with the arm, that split is hypergeometric, with the arm's share s of the day's units. The alternative makes a loss r
times as likely in the treatment: a lost unit is then in it with chance s·r/(s·r + 1 - s).
"""

from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analysis.statistics.srm import anytime_p_value

Floats = NDArray[np.float64]

LOG_RATIOS = np.linspace(-2.4, 2.4, 49)
LOG_RATIO_SPREAD = 0.5
"""The mixture over log r: normal, so that losses of 1.65 times as often are typical, and cut off at 11 times."""


def anytime_loss_p(
    lost: tuple[ArrayLike, ArrayLike], units: tuple[ArrayLike, ArrayLike], series: NDArray[np.int64]
) -> Floats:
    """Anytime-valid p-value of equal losses after each day: the running minimum of 1/BF, at most 1.

    `lost` and `units` are (baseline, treatment) counts of the day's own units, 1-D, ordered by day within each series;
    rows of a `series` are adjacent. The likelihood ratio with a binomial split is convex in the count, and a
    hypergeometric count is below a binomial one in convex order: so the factor is a supermartingale of mean at most 1.
    Reference: Hoeffding 1963, theorem 4; mixture as in Lindon & Malek 2022.
    """
    baseline, treatment = (np.asarray(n, dtype=float) for n in units)
    with np.errstate(invalid="ignore", divide="ignore"):
        share = treatment / (baseline + treatment)
    informative = (baseline > 0) & (treatment > 0)
    lost_baseline, lost_treatment = (np.where(informative, n, 0.0) for n in lost)
    share = np.where(informative, share, 0.5)[:, None]
    ratios = np.exp(LOG_RATIOS)
    logs = lost_treatment[:, None] * LOG_RATIOS - (lost_baseline + lost_treatment)[:, None] * np.log1p(
        share * (ratios - 1)
    )
    weights = -0.5 * (LOG_RATIOS / LOG_RATIO_SPREAD) ** 2
    weights -= np.log(np.exp(weights).sum())
    factors = np.logaddexp.reduce(_cumulative(logs, series) + weights, axis=1)
    return _running_p(factors, series)


def _cumulative(values: Floats, series: NDArray[np.int64]) -> Floats:
    """Sums so far within each series."""
    result = np.empty_like(values)
    for rows in _blocks(series):
        result[rows] = values[rows].cumsum(axis=0)
    return result


def _running_p(factors: Floats, series: NDArray[np.int64]) -> Floats:
    result = np.empty_like(factors)
    for rows in _blocks(series):
        result[rows] = anytime_p_value(factors[rows])
    return result


def _blocks(series: NDArray[np.int64]) -> list[slice]:
    edges = np.flatnonzero(np.r_[True, series[1:] != series[:-1], True]) if len(series) else np.array([0])
    return [slice(first, last) for first, last in pairwise(edges)]
