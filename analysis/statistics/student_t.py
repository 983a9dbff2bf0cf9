"""Fixed-horizon tests and intervals from Student's t distribution."""

from dataclasses import dataclass

import numpy as np
from scipy import special

from analysis.statistics.estimate import Contrast
from analysis.statistics.status import Floats

# Below this scipy's incomplete beta flushes to 0 while doubles reach 5e-324.
UNDERFLOW = 1e-290
# From here on four terms of the quantile's expansion reach the spacing of doubles, for |z|² below 1/200 of it.
_LARGE_DF = 1000.0
_NODES, _WEIGHTS = np.polynomial.laguerre.laggauss(40)


@dataclass(frozen=True)
class Interval:
    """Both ends of an interval, in the contrast's unit; NaN where the contrast is."""

    low: Floats
    high: Floats


def two_sided_p(contrast: Contrast) -> Floats:
    """P(|T| ≥ |value/se|) for H0: value = 0; agrees with `interval` at every level."""
    return np.minimum(1.0, 2 * upper_tail(np.abs(_statistic(contrast)), contrast.df))


def upper_tail_p(contrast: Contrast) -> Floats:
    """One-sided p-value of H0: value ≤ 0 against value > 0."""
    return upper_tail(_statistic(contrast), contrast.df)


def interval(contrast: Contrast, alpha: Floats | float) -> Interval:
    """Two-sided interval of level 1 - alpha, alpha in (0, 1)."""
    half = contrast.se * upper_quantile(np.asarray(alpha) / 2, contrast.df)
    return Interval(contrast.value - half, contrast.value + half)


def upper_tail(t: Floats, df: Floats) -> Floats:
    """P(T > t), to full relative precision also below 1e-300; 0 only where it is below 5e-324."""
    t, df = np.broadcast_arrays(np.asarray(t, dtype=float), df)
    tail = np.asarray(special.stdtr(df, -t))
    tiny = tail < UNDERFLOW
    if tiny.any():
        tail[tiny] = np.exp(_log_far_tail(t[tiny], df[tiny]))
    return tail


def upper_quantile(tail: Floats, df: Floats) -> Floats:
    """The t with P(T > t) = tail, tail in (0, 1), to 1e-13 of it; NaN where either is.

    With many degrees of freedom from the normal quantile z by powers of 1/df, several times as fast as inverting
    the tail. Reference: Abramowitz & Stegun 1964, 26.7.5; its next term is below 1e-16 of t here.
    """
    z = -special.ndtri(np.asarray(tail, dtype=float))
    z2 = z * z
    is_near_normal = (df >= _LARGE_DF) & (200 * z2 < df)
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        inverse = 1 / np.asarray(df, dtype=float)
        first = (z2 + 1) / 4
        second = ((5 * z2 + 16) * z2 + 3) / 96
        third = (((3 * z2 + 19) * z2 + 17) * z2 - 15) / 384
        fourth = ((((79 * z2 + 776) * z2 + 1482) * z2 - 1920) * z2 - 945) / 92160
        t = z + z * inverse * (first + inverse * (second + inverse * (third + inverse * fourth)))
    if is_near_normal.all():
        return np.asarray(t)
    return np.where(is_near_normal, t, -special.stdtrit(np.where(is_near_normal, np.nan, df), tail))


def _log_far_tail(t: Floats, df: Floats) -> Floats:
    """Log P(T > t) far out: with s = t·exp(u/k) the tail is f(t)·t/k times a Laguerre sum.

    k is the rate at which s·f(s) falls in log s, so that the integrand is near exp(-u).
    """
    k = (df + 1) * t**2 / (df + t**2) - 1
    u = _NODES[:, None]
    drift = -(df + 1) / 2 * np.log1p(t**2 / (df + t**2) * np.expm1(2 * u / k)) + u / k + u
    log_sum = np.log(np.sum(_WEIGHTS[:, None] * np.exp(drift), axis=0))
    log_density = -special.betaln(df / 2, 0.5) - np.log(df) / 2 - (df + 1) / 2 * np.log1p(t**2 / df)
    return log_density + np.log(t / k) + log_sum


def _statistic(contrast: Contrast) -> Floats:
    with np.errstate(invalid="ignore", divide="ignore"):
        return contrast.value / contrast.se
