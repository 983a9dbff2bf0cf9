"""The range that a daily figure can be expected in, from its values on recent days: robust, and easy to read.

A day is like its namesakes of the weeks before: so each weekday has a median of its own, the range covers all of them,
and the margin follows how far days lie from theirs. Medians of both, so that a bad day or two among them do not count.
"""

import math
from collections.abc import Callable, Sequence
from datetime import date

import numpy as np
from numpy.typing import NDArray

DEVIATIONS = 5.0
_TO_SIGMA = 1.4826  # of a normal distribution: standard deviation over median absolute deviation

Range = tuple[float, float]


def ratio_range(days: Sequence[date], values: Sequence[float], least_factor: float) -> Range:
    """The range of a positive figure, with a margin that is a factor: at least `least_factor` on both sides.

    Raises ValueError without values, or where one is not positive.
    """
    if min(values, default=0.0) <= 0:
        raise ValueError("a ratio needs positive values")
    low, high, deviation = _center(days, np.log(np.asarray(values, dtype=float)))
    margin = max(math.log(least_factor), deviation)
    return math.exp(low - margin), math.exp(high + margin)


def difference_range(days: Sequence[date], values: Sequence[float], least_margin: float) -> Range:
    """The range of a figure of any sign, with a margin that is a difference: at least `least_margin` on both sides.

    Raises ValueError without values.
    """
    if not len(values):
        raise ValueError("a range needs values")
    low, high, deviation = _center(days, np.asarray(values, dtype=float))
    margin = max(least_margin, deviation)
    return low - margin, high + margin


def rounded_outwards(low: float, high: float, digits: int = 2) -> Range:
    """The range with ends of so many significant digits, not narrower."""
    return _rounded(low, digits, math.floor), _rounded(high, digits, math.ceil)


def differs(old: float | None, new: float | None) -> bool:
    """Whether an end of a range moved by more than a fifth, appeared or vanished."""
    if old is None or new is None:
        return old is not new
    return abs(old - new) > 0.2 * max(abs(old), abs(new))


def _center(days: Sequence[date], values: NDArray[np.float64]) -> tuple[float, float, float]:
    """The least and the greatest median of a weekday, and five robust standard deviations about them."""
    weekdays = np.array([day.weekday() for day in days])
    medians = {int(weekday): float(np.median(values[weekdays == weekday])) for weekday in np.unique(weekdays)}
    about = np.array([medians[int(weekday)] for weekday in weekdays])
    deviation = DEVIATIONS * _TO_SIGMA * float(np.median(np.abs(values - about)))
    return min(medians.values()), max(medians.values()), deviation


def _rounded(value: float, digits: int, to: Callable[[float], int]) -> float:
    if value == 0 or not math.isfinite(value):
        return value
    places = digits - 1 - math.floor(math.log10(abs(value)))
    scaled = to(round(value * 10.0**places, 6))
    return round(scaled / 10.0**places, max(places, 0))
