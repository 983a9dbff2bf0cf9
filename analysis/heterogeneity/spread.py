"""By how much true effects vary between segments: τ, their standard deviation."""

from dataclasses import dataclass

import numpy as np
from scipy import special

from analysis.heterogeneity.groups import Groups
from analysis.heterogeneity.homogeneity import precision, usable
from analysis.statistics.status import Floats

# Newton's method on 1/Q ends in about ten steps.
_STEPS = 50


@dataclass(frozen=True)
class Spread:
    """τ of each group in the metric's unit, with both ends of its interval; NaN below two segments."""

    tau: Floats
    low: Floats
    high: Floats


def effect_spread(effect: Floats, se: Floats, groups: Groups, alpha: Floats) -> Spread:
    """Paule & Mandel's τ, and the interval of level 1 - alpha (of groups) by Viechtbauer's Q profile.

    τ² is where the generalised Q(τ²) = Σ (τ_s - μ)²/(se² + τ²) is its expectation K - 1 of K segments, and 0 where
    Q(0) is smaller. The interval holds the values at which Q is between its quantiles; where even Q(0) is below the
    lower one, effects are closer together than equal effects are but for alpha/2, and there is none (NaN).
    References: Paule & Mandel 1982, J. Res. NBS 87; DerSimonian & Kacker 2007; Viechtbauer 2007, Stat. Med. 26.
    """
    used = usable(effect, se)
    df = groups.sum(used) - 1
    tested = df >= 1
    freedom = np.where(tested, df, 1.0)
    targets = (freedom, special.chdtri(freedom, alpha / 2), special.chdtri(freedom, 1 - alpha / 2))
    tau, low, high = (np.where(tested, tau_at(effect, se, groups, target), np.nan) for target in targets)
    is_empty = high == 0
    return Spread(tau, np.where(is_empty, np.nan, low), np.where(is_empty, np.nan, high))


@np.errstate(invalid="ignore", divide="ignore", over="ignore")
def tau_at(effect: Floats, se: Floats, groups: Groups, target: Floats) -> Floats:
    """The τ at which the generalised Q of each group is `target`, 0 where it is smaller at 0.

    Newton's method on 1/Q, which is nearly linear in τ², in units of each group's largest standard error.
    """
    used = usable(effect, se)
    unit = groups.maximum(np.where(used, se, 0.0))
    unit = np.where(unit > 0, unit, 1.0)
    error, value = se / groups.each(unit), np.where(used, effect, 0.0) / groups.each(unit)
    squared = np.zeros(groups.count)
    for _ in range(_STEPS):
        weight = precision(np.sqrt(error**2 + groups.each(squared)), used)
        with np.errstate(invalid="ignore", divide="ignore"):
            centre = groups.each(groups.sum(weight * value) / groups.sum(weight))
            terms = weight * np.where(used, value - centre, 0.0) ** 2
            q, slope = groups.sum(terms), groups.sum(weight * terms)
            step = np.where(slope > 0, q * (q - target) / (target * slope), 0.0)
        moved = np.maximum(squared + step, 0.0)
        done = np.abs(moved - squared) <= 1e-12 * moved
        squared = moved
        if done.all():
            break
    return np.sqrt(squared) * unit
