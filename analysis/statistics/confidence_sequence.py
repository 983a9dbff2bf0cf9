"""Always-valid inference: asymptotic confidence sequences by the normal mixture, and their p-values.

One kernel serves confidence sequence and mixture SPRT: with z = value/se and k = n·ρ², all depends on (z, k).
Of two arms `n` is their total number of units, so that se·√n is the standard deviation of a unit and the
interval is value ± se·√n·unit_margin(n). Any other clock serves that is 1/se² up to a constant fixed in
advance. The mixture SPRT with effect variance τ² has ρ² = τ²/σ², σ² = n·se² being a unit's variance.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import lambertw

from analysis.statistics.estimate import Arm, Contrast
from analysis.statistics.status import Floats
from analysis.statistics.student_t import Interval

Flags = NDArray[np.bool_]

# The fixed point gains most of a digit a step, Newton's method doubles them: both end at the spacing of doubles.
_STEPS = 40


def unit_margin(n: ArrayLike, rho2: ArrayLike, alpha: ArrayLike, sides: int = 2) -> Floats:
    """Margin of a mean of n units of standard deviation 1, valid at all n together with chance 1 - alpha.

    Broadcasts; NaN where n, rho2 or alpha is out of range.
    Reference: Waudby-Smith, Arbour, Sinha, Kennedy, Ramdas 2021, arXiv:2103.06476, theorem 2.2; one side: their
    bound log(1 + √(k + 1)/(2α)) on the half-normal mixture.
    """
    units, scale = np.asarray(n, dtype=float), np.asarray(rho2, dtype=float)
    with np.errstate(invalid="ignore", divide="ignore"):
        return _critical(units * scale, np.asarray(alpha, dtype=float), sides) / np.sqrt(units)


def best_rho2(n: ArrayLike, alpha: ArrayLike, sides: int = 2) -> Floats:
    """The ρ² with the narrowest margin at n units (total of both arms) and level alpha.

    Set it once, from the size at which the decision is expected: it must not depend on the data.
    Two sides: (-W₋₁(-α²/e) - 1)/n. One side: the same minimum of its own margin, to full precision.
    Reference: Waudby-Smith et al. 2021, arXiv:2103.06476, appendix on the choice of ρ.
    """
    units, level = np.asarray(n, dtype=float), np.asarray(alpha, dtype=float)
    with np.errstate(invalid="ignore", divide="ignore"):
        k = _best_two_sided(level) if sides == 2 else _best_one_sided(level)
        return np.where((units > 0) & (level > 0) & (level < 1), k / units, np.nan)


def interval(contrast: Contrast, n: ArrayLike, rho2: ArrayLike, alpha: ArrayLike) -> Interval:
    """Two-sided confidence sequence of level 1 - alpha: at every n at once, with that chance, it holds the truth."""
    k = np.asarray(n, dtype=float) * np.asarray(rho2, dtype=float)
    half = contrast.se * _critical(k, np.asarray(alpha, dtype=float), 2)
    return Interval(contrast.value - half, contrast.value + half)


def lower_bound(contrast: Contrast, n: ArrayLike, rho2: ArrayLike, alpha: ArrayLike) -> Floats:
    """One-sided confidence sequence: the value exceeds all these bounds with chance 1 - alpha."""
    k = np.asarray(n, dtype=float) * np.asarray(rho2, dtype=float)
    return contrast.value - contrast.se * _critical(k, np.asarray(alpha, dtype=float), 1)


def two_sided_p(contrast: Contrast, n: ArrayLike, rho2: ArrayLike) -> Floats:
    """Always-valid p-value of H0: value = 0; at most alpha exactly where `interval` at alpha excludes 0.

    The reciprocal of the mixture likelihood ratio; exact in the logarithm down to the smallest double.
    Reference: Johari, Koomen, Pekelis, Walsh 2022, Operations Research 70.
    """
    z, k = _statistics(contrast, n, rho2)
    with np.errstate(over="ignore", invalid="ignore", under="ignore"):
        return np.exp(np.minimum(0.0, (np.log1p(k) - z * z * (k / (k + 1))) / 2))


def upper_tail_p(contrast: Contrast, n: ArrayLike, rho2: ArrayLike) -> Floats:
    """Always-valid p-value of H0: value ≤ 0; at most alpha exactly where `lower_bound` at alpha exceeds 0."""
    z, k = _statistics(contrast, n, rho2)
    with np.errstate(over="ignore", invalid="ignore", under="ignore", divide="ignore"):
        half = np.maximum(z, 0.0) ** 2 * (k / (k + 1)) / 2
        # log(exp(h) - 1) = h + log(1 - exp(-h))
        return np.exp(np.minimum(0.0, np.log1p(k) / 2 - np.log(2) - half - np.log(-np.expm1(-half))))


def projected_n(contrast: Contrast, n: ArrayLike, rho2: ArrayLike, alpha: ArrayLike, sides: int = 2) -> Floats:
    """Total units at which the sequence would exclude 0 if effect and unit variance stayed as they are.

    Below the present n where it is excluded already; with sides = 1 only a positive value ever is. NaN where
    it never would be. It is a projection of an estimate, not a promise.
    """
    units, scale = np.asarray(n, dtype=float), np.asarray(rho2, dtype=float)
    level = np.asarray(alpha, dtype=float)
    z, k_now = _statistics(contrast, units, scale)
    with np.errstate(all="ignore"):
        # z² grows as n: solve (z²/k_now)·k²/(k + 1) = L(k) for log k; the difference of logs is near linear.
        signal = np.log(z * z / k_now)
        quotient = np.log(_log_threshold(np.zeros_like(level), level, sides)[0]) - signal
        log_k = quotient + np.log((1 + np.sqrt(1 + 4 * np.exp(-quotient))) / 2)
        for _ in range(_STEPS):
            k = np.exp(log_k)
            threshold, weight = _log_threshold(k, level, sides)
            share = k / (k + 1)
            gap = signal + log_k + np.log(share) - np.log(threshold)
            step = gap / (2 - share - share * weight / threshold)
            log_k = log_k - step
            if not np.any(np.abs(step) > 1e-13):
                break
        reached = np.exp(log_k) / scale
    possible = (z != 0) if sides == 2 else (z > 0)
    return np.where(possible & np.isfinite(reached), reached, np.nan)


def projected_days(needed_n: ArrayLike, n: ArrayLike, units_per_day: ArrayLike) -> Floats:
    """Days until `needed_n` total units at the present traffic: 0 if reached, NaN if unknown or never."""
    with np.errstate(invalid="ignore", divide="ignore"):
        days = np.maximum(0.0, np.asarray(needed_n, dtype=float) - n) / np.asarray(units_per_day, dtype=float)
        return np.where(np.asarray(needed_n) <= n, 0.0, np.where(np.isfinite(days), days, np.nan))


def running_minimum(p: Floats, group: NDArray[np.int64], order: NDArray[np.generic]) -> Floats:
    """Smallest value so far within each group, in the order of `order` (dates, say); all are 1-D, in any order.

    A NaN adds nothing: the minimum before it stands, and is NaN until the first number. The running minimum
    of always-valid p-values is one. Equal `order` within a group: in the sequence given.
    """
    if p.size == 0:
        return p
    rank = np.lexsort((order, group))
    ordered_group = group[rank]
    block = np.cumsum(np.r_[False, ordered_group[1:] != ordered_group[:-1]])
    levels, ranks = np.unique(np.where(np.isnan(p), np.inf, p)[rank], return_inverse=True)
    # Later groups get lower ranks, so that one cumulative minimum starts afresh in each.
    offset = (block[-1] - block) * levels.size
    smallest = levels[np.minimum.accumulate(ranks + offset) - offset]
    result = np.empty(p.shape)
    result[rank] = np.where(np.isinf(smallest), np.nan, smallest)
    return result


def running_intersection(ends: Interval, group: NDArray[np.int64], order: NDArray[np.generic]) -> Interval:
    """Intersection so far of each group's intervals; NaN once it is empty.

    Valid only while the effect is the same at all dates: not for metrics without a window.
    """
    low = -running_minimum(-ends.low, group, order)
    high = running_minimum(ends.high, group, order)
    with np.errstate(invalid="ignore"):
        empty = low > high
    return Interval(np.where(empty, np.nan, low), np.where(empty, np.nan, high))


def burn_in_reached(
    baseline: Arm,
    treatment: Arm,
    is_share: ArrayLike,
    minimum_events: Floats | float = 100.0,
    minimum_units: Floats | float = 1_000.0,
) -> Flags:
    """Whether both arms are large enough for the sequence to start; before that it says nothing.

    Shares (`is_share`) need `minimum_events` units with and without the event in each arm, other metrics
    `minimum_units` units. Enough for 1 % at a 90/10 split; skewed money at such a split needs more (docs).
    """
    reached = np.asarray(True)
    for arm in (baseline, treatment):
        events = np.rint(arm.n * arm.mean)
        enough_events = np.minimum(events, arm.n - events) >= minimum_events
        reached = reached & np.where(is_share, enough_events, arm.n >= minimum_units)
    return reached


def _statistics(contrast: Contrast, n: ArrayLike, rho2: ArrayLike) -> tuple[Floats, Floats]:
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        k = np.asarray(n, dtype=float) * np.asarray(rho2, dtype=float)
        return contrast.value / contrast.se, np.where(k > 0, k, np.nan)


def _critical(k: Floats, alpha: Floats, sides: int) -> Floats:
    """How many standard errors the sequence extends."""
    with np.errstate(invalid="ignore", divide="ignore"):
        threshold, _ = _log_threshold(k, alpha, sides)
        return np.where((k > 0) & (alpha > 0) & (alpha < 1), np.sqrt((k + 1) / k * threshold), np.nan)


def _log_threshold(k: Floats, alpha: Floats, sides: int) -> tuple[Floats, Floats]:
    """What z²·k/(k + 1) must reach, L(k), and the weight w of its slope L'(k) = w/(k + 1)."""
    if sides == 2:
        return np.log1p(k) - 2 * np.log(alpha), np.ones_like(k)
    ratio = np.sqrt(k + 1) / (2 * alpha)
    return 2 * np.log1p(ratio), ratio / (1 + ratio)


def _best_two_sided(alpha: Floats) -> Floats:
    return -lambertw(-(alpha**2) * np.exp(-1), -1).real - 1


def _best_one_sided(alpha: Floats) -> Floats:
    """The margin is least where k·w(k) = L(k)."""
    k = np.full(np.shape(alpha), 8.0)
    for _ in range(_STEPS):
        threshold, weight = _log_threshold(k, alpha, 1)
        k = threshold / weight
    return k
