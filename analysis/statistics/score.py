"""Test of a difference of shares that agrees with Newcombe's hybrid score interval at every level."""

import numpy as np
from scipy import special

from analysis.statistics.estimate import Estimate
from analysis.statistics.proportions import newcombe
from analysis.statistics.status import Floats, Status
from analysis.statistics.student_t import Interval

# Bisection over log z, from far below any |z| that matters to beyond what 1e12 units can give.
_LOWEST, _HIGHEST, _HALVINGS = -40.0, 20.0, 64


def score_interval(estimate: Estimate, alpha: Floats | float) -> Interval:
    """Newcombe's interval of the effect; NaN where the effect has no test."""
    base, treatment = estimate.baseline, estimate.treatment
    ends = newcombe(base.n, base.mean, treatment.n, treatment.mean, alpha)
    ok = estimate.status == Status.OK
    return Interval(np.where(ok, ends.low, np.nan), np.where(ok, ends.high, np.nan))


def score_p(estimate: Estimate) -> Floats:
    """The level at which an end of Newcombe's interval is 0: two-sided p-value of no difference.

    Solves (p_T - l_T)² + (u_B - p_B)² = d² for z, l and u being Wilson's ends at z (at a negative effect
    with the arms exchanged). NaN where the effect has no test.
    Reference: Newcombe 1998, Statistics in Medicine 17, 873-890, method 10.
    """
    base, treatment = estimate.baseline, estimate.treatment
    up = estimate.effect >= 0
    above = (np.where(up, treatment.mean, base.mean), np.where(up, treatment.n, base.n))
    below = (np.where(up, base.mean, treatment.mean), np.where(up, base.n, treatment.n))
    distance = np.abs(estimate.effect)
    low, high = np.full(distance.shape, _LOWEST), np.full(distance.shape, _HIGHEST)
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        z2 = np.exp(2 * middle)
        reached = np.hypot(_to_lower_end(*above, z2), _to_lower_end(1 - below[0], below[1], z2)) >= distance
        low, high = np.where(reached, low, middle), np.where(reached, middle, high)
    p = 2 * special.ndtr(-np.exp((low + high) / 2))
    return np.where(estimate.status == Status.OK, np.where(distance == 0, 1.0, p), np.nan)


def _to_lower_end(share: Floats, n: Floats, z2: Floats) -> Floats:
    """How far a share is from the lower end of its Wilson interval: the root of its quadratic, uncancelled."""
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        spread = np.sqrt(z2 * (share * (1 - share) / n + z2 / (4 * n**2)))
        return (share * z2 / n + spread - z2 / (2 * n)) / (1 + z2 / n)
