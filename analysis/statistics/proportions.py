"""Score intervals of proportions, their difference and their ratio, for rare events and few units."""

import numpy as np
from scipy import special

from analysis.statistics.status import Floats
from analysis.statistics.student_t import Interval

# Here `mean` is an arm's share of units in [0, 1] and `n` its number of units; without units, NaN. A one-sided
# bound of level 1 - alpha is the end of the interval at 2·alpha.


def wilson(n: Floats, mean: Floats, alpha: Floats | float) -> Interval:
    """Score interval of one proportion, of level 1 - alpha; within [0, 1], 0 and 1 only at shares of 0 and 1.

    The roots of (p̂ - p)² = z²·p(1 - p)/n, the smaller one from their product, so rare events keep every digit.
    Reference: Wilson 1927, Journal of the American Statistical Association 22; Newcombe 1998a, method 3.
    """
    n, share, z2 = np.broadcast_arrays(*_valid(n, mean), _normal_quantile(alpha) ** 2)
    with np.errstate(invalid="ignore", divide="ignore"):
        return Interval(_lower(share, n, z2), 1 - _lower(1 - share, n, z2))


def newcombe(
    n_baseline: Floats, mean_baseline: Floats, n_treatment: Floats, mean_treatment: Floats, alpha: Floats | float
) -> Interval:
    """Hybrid score interval of treatment share - baseline share, of level 1 - alpha; within [-1, 1].

    Each end is as far from the difference as the root of the summed squares of the arms' distances to their
    Wilson ends. Not the inversion of Welch's test: near its edge the two may disagree.
    Reference: Newcombe 1998, Statistics in Medicine 17, 873-890, method 10.
    """
    baseline, treatment = wilson(n_baseline, mean_baseline, alpha), wilson(n_treatment, mean_treatment, alpha)
    difference = np.asarray(mean_treatment, dtype=float) - mean_baseline
    below = np.hypot(mean_treatment - treatment.low, baseline.high - mean_baseline)
    above = np.hypot(treatment.high - mean_treatment, mean_baseline - baseline.low)
    return Interval(difference - below, difference + above)


def risk_ratio(
    n_baseline: Floats, mean_baseline: Floats, n_treatment: Floats, mean_treatment: Floats, alpha: Floats | float
) -> Interval:
    """Interval of treatment share / baseline share - 1, of level 1 - alpha, symmetric in the log ratio.

    Var log ratio = (1 - p_T)/(n_T·p_T) + (1 - p_B)/(n_B·p_B). NaN where an arm has no event.
    Reference: Katz, Baptista, Azen, Pike 1978, Biometrics 34, method C.
    """
    n_b, share_b = _valid(n_baseline, mean_baseline)
    n_t, share_t = _valid(n_treatment, mean_treatment)
    share_b, share_t = np.where(share_b > 0, share_b, np.nan), np.where(share_t > 0, share_t, np.nan)
    half = _normal_quantile(alpha) * np.sqrt((1 - share_t) / (n_t * share_t) + (1 - share_b) / (n_b * share_b))
    log_ratio = np.log(share_t) - np.log(share_b)
    return Interval(np.expm1(log_ratio - half), np.expm1(log_ratio + half))


def _lower(share: Floats, n: Floats, z2: Floats) -> Floats:
    root = np.sqrt(z2 * (share * (1 - share) / n + z2 / (4 * n**2)))
    return share**2 / (share + z2 / (2 * n) + root)


def _valid(n: Floats, mean: Floats) -> tuple[Floats, Floats]:
    """Units and share, NaN where there are no units or the share is none."""
    n, share = np.broadcast_arrays(np.asarray(n, dtype=float), np.asarray(mean, dtype=float))
    valid = (n >= 1) & (share >= 0) & (share <= 1)
    return np.where(valid, n, np.nan), np.where(valid, share, np.nan)


def _normal_quantile(alpha: Floats | float) -> Floats:
    return np.asarray(-special.ndtri(np.asarray(alpha, dtype=float) / 2))
