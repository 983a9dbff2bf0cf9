"""The chi-squared of many ranges of days at once, from sums over days."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

MOST_EDGES = 60
"""Days at which a range with two ends may begin or end: every one of them, in a table of no more."""


class DayKind(Enum):
    """What kind of range: every day, from a day on, until a day, between two days."""

    ALL = "all"
    FROM = "from"
    UNTIL = "until"
    BETWEEN = "between"


@dataclass(frozen=True)
class DayRanges:
    """Ranges of one kind from `first` to before `end`: `chi_squared` (cells, ranges), of one degree of freedom."""

    kind: DayKind
    first: NDArray[np.intp]
    end: NDArray[np.intp]
    chi_squared: Floats
    is_coarse: bool = False

    def days(self, column: int) -> tuple[int, int]:
        """The first and the last day of a range."""
        return int(self.first[column]), int(self.end[column]) - 1


def open_ranges(excess: Floats, variance: Floats, least_variance: float) -> Iterator[DayRanges]:
    """Every kind of range over cells × days of `excess`, with its `variance`; 0 where that is below the least.

    Ranges between two days begin and end at no more than MOST_EDGES days.
    """
    n_days = excess.shape[1]
    sums = _sums(excess), _sums(variance)
    inner = np.arange(1, n_days)
    step = -(-n_days // MOST_EDGES)
    first, end = np.triu_indices(len(inner[::step]), 1)
    edges = inner[::step]
    for kind, starts, stops in (
        (DayKind.ALL, np.zeros(1, dtype=np.intp), np.full(1, n_days)),
        (DayKind.FROM, inner, np.full(len(inner), n_days)),
        (DayKind.UNTIL, np.zeros(len(inner), dtype=np.intp), inner),
        (DayKind.BETWEEN, edges[first], edges[end]),
    ):
        if len(starts):
            yield DayRanges(kind, starts, stops, _chi_squared(*sums, starts, stops, least_variance), step > 1)


def daily_ranges(excess: Floats, variance: Floats, least_variance: float) -> DayRanges:
    """Every range between two days, however many there are."""
    first, end = (edges + 1 for edges in np.triu_indices(excess.shape[1] - 1, 1))
    sums = _sums(excess), _sums(variance)
    return DayRanges(DayKind.BETWEEN, first, end, _chi_squared(*sums, first, end, least_variance))


def _sums(values: Floats) -> Floats:
    """Sums of the days before each, and of all."""
    return np.pad(np.cumsum(values, axis=1), ((0, 0), (1, 0)))


def _chi_squared(
    excess: Floats, variance: Floats, first: NDArray[np.intp], end: NDArray[np.intp], least_variance: float
) -> Floats:
    own = variance[:, end] - variance[:, first]
    found = (excess[:, end] - excess[:, first]) ** 2
    return np.divide(found, own, out=np.zeros_like(found), where=own >= least_variance)
