"""Means of units' totals, maxima or any-event indicators under every variant, for the same visits."""

from dataclasses import dataclass

import numpy as np

from analysis.simulation.randomness import unit_mean_lognormal
from analysis.simulation.types import FloatArray, IntArray
from configs.schema import Cap

_MIN_REPLICATES, _MAX_REPLICATES = 8, 64
_VISITS_PER_TRUTH = 3_000_000


@dataclass(frozen=True)
class Potential:
    """What visits bring under each variant: arrays of variants × visits.

    `unit` numbers the unit of each visit from 0 to `n_units` − 1; `mean_count` is of qualifying events, of
    which a visit has a Poisson number, or at most one; `value` is an event's mean value, lognormal with
    `sigma`.
    """

    unit: IntArray
    mean_count: FloatArray
    at_most_once: bool
    value: FloatArray
    sigma: float
    n_units: int


def expected_total(potential: Potential) -> FloatArray:
    """Mean over units of the sum of values: 1 × variants, exact."""
    total = (potential.mean_count * potential.value).sum(axis=1)
    return total[np.newaxis] / potential.n_units


def any_event(potential: Potential) -> FloatArray:
    """Share of units with at least one event: 1 × variants, exact (visits are independent given the unit)."""
    with np.errstate(divide="ignore"):
        log_none = np.log1p(-potential.mean_count) if potential.at_most_once else -potential.mean_count
    by_unit = [np.bincount(potential.unit, weights=row, minlength=potential.n_units) for row in log_none]
    return np.array([[-np.expm1(log_none_of_unit).mean() for log_none_of_unit in by_unit]])


def simulated_means(
    potential: Potential, arm: IntArray, rng: np.random.Generator, *, maximum: bool, cap: Cap | None
) -> FloatArray:
    """Mean over units of the capped sum or maximum: replicates × variants.

    All variants share the random numbers: events are drawn at the highest of the variants' rates, and each
    variant keeps those whose mark is below its share of it. A percentile cap is the inverse CDF over the
    units in the arms that they are in (`arm`), recomputed in each replicate.
    """
    highest = potential.mean_count.max(axis=0)
    kept_share = potential.mean_count / np.where(highest > 0, highest, 1.0)
    replicates = int(np.clip(_VISITS_PER_TRUTH // max(len(highest), 1), _MIN_REPLICATES, _MAX_REPLICATES))
    means = np.empty((replicates, len(kept_share)))
    for replicate in means:
        outcomes = _draw(potential, highest, kept_share, rng, maximum=maximum)
        limit = _limit(outcomes, arm, cap)
        replicate[:] = np.minimum(outcomes, limit).mean(axis=1)
    return means


def _draw(
    potential: Potential,
    highest: FloatArray,
    kept_share: FloatArray,
    rng: np.random.Generator,
    *,
    maximum: bool,
) -> FloatArray:
    """One outcome per variant and unit."""
    count = (rng.random(len(highest)) < highest).astype(np.int64) if potential.at_most_once else rng.poisson(highest)
    visit = np.repeat(np.arange(len(highest)), count)
    mark = rng.random(len(visit))
    noise = unit_mean_lognormal(rng.standard_normal(len(visit)), potential.sigma)
    outcomes = np.zeros((len(kept_share), potential.n_units))
    for outcome, share, value in zip(outcomes, kept_share, potential.value, strict=True):
        kept = visit[mark < share[visit]]
        values = value[kept] * noise[mark < share[visit]]
        if maximum:
            np.maximum.at(outcome, potential.unit[kept], values)
        else:
            outcome[:] = np.bincount(potential.unit[kept], weights=values, minlength=potential.n_units)
    return outcomes


def _limit(outcomes: FloatArray, arm: IntArray, cap: Cap | None) -> float:
    if cap is None:
        return np.inf
    if cap.upper is not None:
        return float(cap.upper)
    actual = outcomes[arm, np.arange(len(arm))]
    return float(np.quantile(actual, float(cap.upper_quantile or 1), method="inverted_cdf"))
