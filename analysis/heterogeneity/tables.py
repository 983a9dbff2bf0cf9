"""Rows as tables of two dimensions, those of one shape together."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.heterogeneity.groups import Groups
from analysis.statistics.status import Floats


@dataclass(frozen=True)
class Tables:
    """The groups whose rows fill tables of one shape: `rows` of them, each in a `cell` of its table."""

    groups: NDArray[np.int64]
    rows: NDArray[np.intp]
    cell: tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]
    shape: tuple[int, int]

    def filled(self, values: Floats) -> Floats:
        """The rows' values as (tables, first, second), NaN where a cell has no row."""
        cells = np.full((self.groups.size, *self.shape), np.nan)
        cells[self.cell] = values[self.rows]
        return cells


def tables(group: NDArray[np.int64], first: NDArray, second: NDArray) -> Iterator[Tables]:
    """Tables of every shape. `group` numbers each row's table, `first` and `second` are its levels by name.

    Levels stand in the order of their names, each within its own group. A cell has one row at most.
    """
    if not group.size:
        return
    numbers, dense = np.unique(group, return_inverse=True)
    place = _levels(dense, first), _levels(dense, second)
    order = np.argsort(dense, kind="stable")
    size = [Groups(dense[order]).maximum(level[order]) + 1 for level in place]
    shapes = np.stack(size, axis=1)
    of_row = shapes[dense]
    for shape in np.unique(shapes, axis=0):
        rows = np.flatnonzero((of_row == shape).all(axis=1))
        chosen = np.flatnonzero((shapes == shape).all(axis=1))
        table = np.searchsorted(chosen, dense[rows])
        yield Tables(numbers[chosen], rows, (table, place[0][rows], place[1][rows]), (int(shape[0]), int(shape[1])))


def _levels(group: NDArray[np.int64], names: NDArray) -> NDArray[np.int64]:
    """A number from 0 for each name within its group."""
    _, code = np.unique(names.astype(str), return_inverse=True)
    pairs, inverse = np.unique(np.stack([group, code], axis=1), axis=0, return_inverse=True)
    first = np.searchsorted(pairs[:, 0], pairs[:, 0])
    return (np.arange(len(pairs)) - first)[inverse.ravel()]
