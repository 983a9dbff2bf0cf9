"""Rows that belong together: the segments of one dimension, of one metric and treatment."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.statistics.status import Floats


@dataclass(frozen=True)
class Groups:
    """Which group each row belongs to, for sums over any number of groups of any size at once.

    `number` (rows,) counts groups from 0, rising, and none is empty. Arrays over rows have rows along their first axis.
    """

    number: NDArray[np.int64]

    @property
    def count(self) -> int:
        """How many groups there are."""
        return int(self.number[-1]) + 1 if self.number.size else 0

    @property
    def starts(self) -> NDArray[np.int64]:
        """Position of each group's first row."""
        return np.flatnonzero(np.diff(self.number, prepend=-1))

    def sum(self, values: NDArray) -> Floats:
        """Sums of rows, by group."""
        return self._reduced(np.add, np.asarray(values, dtype=float))

    def maximum(self, values: NDArray) -> NDArray:
        """The largest row of each group."""
        return self._reduced(np.maximum, values)

    def each(self, of_groups: NDArray) -> NDArray:
        """What belongs to a group, for each of its rows."""
        return of_groups[self.number]

    def _reduced(self, operation: np.ufunc, values: NDArray) -> NDArray:
        if not self.number.size:
            return np.zeros((0, *values.shape[1:]))
        return np.asarray(operation.reduceat(values, self.starts, axis=0))
