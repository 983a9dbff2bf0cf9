"""Schedules of looks of group sequential tests, shared by comparisons, with their boundaries at any level."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy import special

from analysis.statistics import spending
from analysis.statistics.group_sequential.boundaries import Boundaries, boundaries
from analysis.statistics.group_sequential.design import drift_for_power
from analysis.statistics.group_sequential.futility import futility_bounds
from analysis.statistics.status import Floats

Integers = NDArray[np.int64]

# Levels at which boundaries are computed beside those asked for; between them they are interpolated.
_LEVELS = (0.8, 0.5, 0.3, 0.2, 0.1, 0.05, 0.02, 0.01, 1e-3, 1e-4, 1e-6, 1e-8)
# Boundaries are rounded up to this, far beyond what matters and far above the noise of their computation, so
# that a look's boundary is the same to the last bit whichever schedules and later looks it is computed with.
_STEP = 1e-4
# The effect that futility is judged by is that of a plan with so many equal looks.
_PLANNED_LOOKS = 10


@dataclass(frozen=True)
class SpendingOptions:
    """Spending function of alpha, and of 1 - power for futility ("" without), with their gammas."""

    spending: str
    gamma: float
    futility_spending: str
    futility_gamma: float
    power: float


Kind = tuple[SpendingOptions, float, NDArray[np.intp]]


@dataclass(frozen=True)
class Schedules:
    """Distinct histories of looks: a row each of information fractions, NaN behind the last.

    `ends` says whether a row's last look is final and spends all that is left, `options` how it is spent;
    `levels` are the two-sided levels at which boundaries must be exact.
    """

    fractions: Floats
    ends: NDArray[np.bool_]
    options: tuple[SpendingOptions, ...]
    levels: tuple[float, ...] = ()
    _bounds: dict[tuple[SpendingOptions, float], Boundaries] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def none(cls) -> "Schedules":
        """No schedule at all."""
        return cls(np.zeros((0, 1)), np.zeros(0, dtype=bool), ())

    def critical_value(self, schedule: Integers, look: Integers, alpha: Floats) -> Floats:
        """Two-sided critical value in Z at a look (from 0); NaN without one, ∞ where it may not stop."""
        scores = np.broadcast_to(self._scores, (len(schedule), self._scores.size))
        known = self._knots(schedule, look)
        wanted = _on_line(-special.ndtri(alpha / 2), scores, known)
        return np.where(np.isinf(known[:, 1]), np.inf, np.where((schedule < 0) | (look < 0), np.nan, wanted))

    def two_sided_p(self, z: Floats, schedule: Integers, look: Integers) -> Floats:
        """The level at which |z| is the critical value: repeated p-value; NaN without a look.

        Exact at `levels`, within 3 % of the exact p-value from .5 to 1e-8, an extrapolation below.
        """
        scores = np.broadcast_to(self._scores, (len(schedule), self._scores.size))
        known = self._knots(schedule, look)
        p = np.minimum(1.0, 2 * special.ndtr(-_on_line(np.abs(z), known, scores)))
        p = np.where(np.isinf(known[:, 1]), 1.0, p)
        return np.where((schedule < 0) | (look < 0) | np.isnan(z), np.nan, p)

    def futility_bound(self, schedule: Integers, look: Integers, alpha: Floats) -> Floats:
        """Z of improvement below which to stop for futility; NaN without a look or without futility."""
        bound = np.full(len(schedule), np.nan)
        for options, level, here in self.kinds(schedule, look, alpha):
            if options.futility_spending:
                bounds, rows = self.bounds(options, level)
                by_spending = _function(options.futility_spending, options.futility_gamma)
                drift = _planned_drift(options, level)
                lowest = futility_bounds(bounds, drift, 1 - options.power, by_spending)
                bound[here] = np.floor(lowest[rows[schedule[here]], look[here]] / _STEP) * _STEP
        return bound

    def bounds(self, options: SpendingOptions, level: float) -> tuple[Boundaries, Integers]:
        """Boundaries at a level of the schedules with these options, and each schedule's row in them."""
        chosen = np.array([own == options for own in self.options], dtype=bool)
        if (options, level) not in self._bounds:
            by_spending = _function(options.spending, options.gamma)
            self._bounds[options, level] = boundaries(
                self.fractions[chosen], level, by_spending, ends=self.ends[chosen]
            )
        return self._bounds[options, level], np.cumsum(chosen) - 1

    def kinds(self, schedule: Integers, look: Integers, alpha: Floats) -> Iterator[Kind]:
        """The comparisons at a look by options and level: both, and positions."""
        at_look = (schedule >= 0) & (look >= 0)
        distinct = list(dict.fromkeys(self.options))
        number = np.array([distinct.index(own) for own in self.options], dtype=np.int64)
        for position, options in enumerate(distinct):
            here = at_look & (number[schedule] == position)
            for level in np.unique(alpha[here]):
                yield options, float(level), np.flatnonzero(here & (alpha == level))

    @cached_property
    def _scores(self) -> Floats:
        """Normal quantiles of the levels, rising from 0."""
        levels = np.unique([1.0, *_LEVELS, *self.levels])[::-1]
        return np.asarray(-special.ndtri(levels / 2))

    @cached_property
    def _table(self) -> Floats:
        """Critical values (schedules, levels, looks); 0 at level 1."""
        table = np.zeros((len(self.options), self._scores.size, self.fractions.shape[1]))
        for options in dict.fromkeys(self.options):
            chosen = np.array([own == options for own in self.options], dtype=bool)
            for position, score in enumerate(self._scores[1:], start=1):
                upper = self.bounds(options, float(2 * special.ndtr(-score)))[0].upper
                table[chosen, position] = np.ceil(upper / _STEP) * _STEP
        return np.maximum.accumulate(table, axis=1)

    def _knots(self, schedule: Integers, look: Integers) -> Floats:
        if not len(self.options):
            return np.full((len(schedule), self._scores.size), np.nan)
        return self._table[np.maximum(schedule, 0), :, np.maximum(look, 0)]


def _function(name: str, gamma: float) -> spending.Spending:
    known: dict[str, Callable[[], spending.Spending]] = {
        "obrien_fleming": lambda: spending.obrien_fleming,
        "pocock": lambda: spending.pocock,
        "hwang_shih_decani": lambda: spending.hwang_shih_decani(gamma),
    }
    return known[name]()


def _planned_drift(options: SpendingOptions, level: float) -> Floats:
    """Mean of Z at full information under the planned effect."""
    equal = np.arange(1, _PLANNED_LOOKS + 1)[None, :] / _PLANNED_LOOKS
    plan = boundaries(equal, level, _function(options.spending, options.gamma))
    futility = _function(options.futility_spending, options.futility_gamma)
    return drift_for_power(plan, options.power, spending=futility)


def _on_line(x: Floats, knots: Floats, values: Floats) -> Floats:
    """Value at x of the line through each row's (rising) knots, its last finite piece going on to infinity."""
    usable = np.isfinite(knots) & np.isfinite(values)
    last = np.maximum(usable.sum(axis=1) - 1, 1)
    right = np.clip((knots <= x[:, None]).sum(axis=1), 1, last)
    row = np.arange(x.size)
    x0, x1, y0, y1 = knots[row, right - 1], knots[row, right], values[row, right - 1], values[row, right]
    with np.errstate(invalid="ignore", divide="ignore"):
        return y0 + (x - x0) * np.where(x1 > x0, (y1 - y0) / (x1 - x0), 0.0)
