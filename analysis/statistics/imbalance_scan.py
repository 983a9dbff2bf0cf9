"""Where an imbalance between arms arises: the cells of a cross-classified table whose arms do not keep pace.

A cell is a value of none, one or two factors on a range of days. Its score is the p-value of one arm against the
others there, times the number of cells of its shape that were tried, times 5 for each restriction: factor, first
day, last day. So neither a large cell wins by its size (what is in order in it dilutes it) nor a small one by luck
(there are more of them, and each restriction has to be worth it). What the best cell explains is put right, and the
rest is searched again. Reference: Kulldorff 1997 (scan statistics); Cochran 1954 (strata of finite populations).
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_ndtr

from analysis.statistics.day_ranges import DayKind, DayRanges, daily_ranges, open_ranges

Floats = NDArray[np.float64]
Codes = NDArray[np.intp]

LEVEL = 0.001
"""Chance that a table in order names any cell, at most."""

MOST_CELLS = 5
LEAST_VARIANCE = 10.0
"""Of an arm's units in a cell: below it the normal approximation does not hold far out."""

RESTRICTION_COST = 5.0
"""How much better a p-value has to be for a restriction more, beside the number of ways to restrict."""

_RESTRICTIONS = {DayKind.ALL: 0, DayKind.FROM: 1, DayKind.UNTIL: 1, DayKind.BETWEEN: 2}
_ALL_SHAPES = sum(RESTRICTION_COST**-size for size in range(3)) * sum(
    RESTRICTION_COST**-ends for ends in _RESTRICTIONS.values()
)


@dataclass(frozen=True)
class ArmTable:
    """Units by stratum and arm. A stratum is a day and a value of each factor.

    `observed` (strata, arms): units that are there. `population` (strata, arms): how they should be split, as a `ratio`
    whose size says nothing; or where they come from, each being there or `lost`; or in which arm they should be, each
    being in it or `moved` to another. `codes` (strata, factors), `day` (strata,): whole numbers from 0 on.
    """

    observed: Floats
    population: Floats
    codes: Codes
    day: Codes
    kind: Literal["ratio", "lost", "moved"] = "ratio"


@dataclass(frozen=True)
class Cell:
    """An arm that does not keep pace within a cell: `expected` units if it did, `observed` ones.

    `factors` and `values`: which factors have which value, at most two. Days are inclusive. `chi_squared` has one
    degree of freedom; `log_p` is the log of its p-value after the corrections above.
    """

    arm: int
    factors: tuple[int, ...]
    values: tuple[int, ...]
    days: tuple[int, int]
    day_kind: DayKind
    observed: float
    expected: float
    chi_squared: float
    log_p: float


@dataclass(frozen=True)
class Found:
    """Cells in the order in which they were found; `unexplained` units are missing besides, and not by chance."""

    cells: tuple[Cell, ...]
    unexplained: float


@dataclass(frozen=True)
class _Group:
    """Strata by the values of some factors: `cell` is -1 where the cell is too small.

    `variance` (cells, days, arms) is that of a table in order, also once causes are put right.
    """

    factors: tuple[int, ...]
    cell: Codes
    values: Codes
    variance: Floats


def find_cells(table: ArmTable, level: float = LEVEL, most: int = MOST_CELLS) -> Found:
    """The cells that explain why arms are not split as they should be, the first the clearest; none where chance does.

    A unit in an arm that should have none is a cell by itself, its chi-squared infinite.
    """
    cells, table = _impossible(table)
    groups = list(_groups(table))
    while len(cells) < most and (cell := _best_cell(table, groups)) is not None and cell.log_p < np.log(level):
        cells.append(cell)
        table = _put_right(table, cell)
    return Found(tuple(cells), _unexplained(table, groups))


def _impossible(table: ArmTable) -> tuple[list[Cell], ArmTable]:
    """Arms that should have no unit and have some, and the table without those units."""
    if table.kind != "ratio":
        return [], table
    units = np.where(table.population > 0, 0.0, table.observed)
    cells = []
    for arm in np.flatnonzero(units.sum(axis=0)).tolist():
        days = table.day[units[:, arm] > 0]
        span = int(days.min()), int(days.max())
        n_units = float(units[:, arm].sum())
        cells.append(Cell(arm, (), (), span, DayKind.BETWEEN, n_units, 0.0, np.inf, -np.inf))
    return cells, replace(table, observed=table.observed - units)


def _groups(table: ArmTable) -> Iterator[_Group]:
    """The whole, each factor, each pair of factors.

    A cell of fewer than 2·√n of n units is left out: were an arm's units in it all missing, the whole table of two
    equal arms would be off by two standard errors.
    """
    n_units = (table.population if table.kind == "lost" else table.observed).sum(axis=1)
    least = 2 * np.sqrt(n_units.sum())
    n_factors = table.codes.shape[1]
    for size in range(3):
        for factors in combinations(range(n_factors), size):
            key = np.zeros(len(table.day), dtype=np.intp)
            for factor in factors:
                key = key * (table.codes[:, factor].max() + 1) + table.codes[:, factor]
            _, first, cell = np.unique(key, return_index=True, return_inverse=True)
            values = table.codes[first][:, factors]
            is_large = np.bincount(cell, weights=n_units, minlength=len(values)) >= least
            number = np.where(is_large, np.cumsum(is_large) - 1, -1)
            if is_large.any():
                values, cell = values[is_large], number[cell]
                _, variance = _by_cell_and_day(table, cell, len(values))
                yield _Group(factors, cell, values, variance)


def _best_cell(table: ArmTable, groups: list[_Group]) -> Cell | None:
    n_arms = table.observed.shape[1]
    arms = range(n_arms if n_arms > 2 else 1)  # of two arms, one is as far below as the other is above
    tried = [sum(len(group.values) for group in groups if len(group.factors) == size) for size in range(3)]
    best: tuple[float, _Group, int, int, DayRanges, int] | None = None
    for group in groups:
        excess, _ = _by_cell_and_day(table, group.cell, len(group.values))
        for arm in arms:
            for ranges in open_ranges(excess[..., arm], group.variance[..., arm], LEAST_VARIANCE):
                at = int(np.argmax(ranges.chi_squared))
                row, column = divmod(at, ranges.chi_squared.shape[1])
                n_tried = tried[len(group.factors)] * ranges.chi_squared.shape[1] * len(arms)
                cost = RESTRICTION_COST ** (len(group.factors) + _RESTRICTIONS[ranges.kind]) * _ALL_SHAPES
                log_p = _log_tail(ranges.chi_squared[row, column]) + np.log(n_tried * cost)
                if best is None or log_p < best[0]:
                    best = log_p, group, row, arm, ranges, column
    if best is None:
        return None
    log_p, group, row, arm, ranges, column = best
    days, chi_squared = ranges.days(column), ranges.chi_squared[row, column]
    if ranges.kind is DayKind.BETWEEN and ranges.is_coarse:
        excess, _ = _by_cell_and_day(table, group.cell, len(group.values))
        daily = daily_ranges(excess[[row], :, arm], group.variance[[row], :, arm], LEAST_VARIANCE)
        column = int(np.argmax(daily.chi_squared[0]))
        days, chi_squared = daily.days(column), daily.chi_squared[0, column]
    values = tuple(int(value) for value in group.values[row])
    cell = Cell(arm, group.factors, values, days, ranges.kind, 0.0, 0.0, float(chi_squared), float(log_p))
    return _with_counts(table, cell)


def _with_counts(table: ArmTable, cell: Cell) -> Cell:
    """The cell with its counts; of two arms it is told of the one that is short."""
    observed, expected = _pace(table, cell)
    if table.observed.shape[1] == 2 and observed > expected:
        cell = replace(cell, arm=1 - cell.arm)
        observed, expected = _pace(table, cell)
    return replace(cell, observed=observed, expected=expected)


def _pace(table: ArmTable, cell: Cell) -> tuple[float, float]:
    """The arm's units in the cell, and how many it would have if it kept pace with the other arms, day by day."""
    rows = _strata_of(table, cell)
    day = table.day[rows]
    observed, population = (
        _sum_by(day, counts[rows], cell.days[1] + 1) for counts in (table.observed, table.population)
    )
    own, others = observed[:, cell.arm], observed.sum(axis=1) - observed[:, cell.arm]
    if table.kind == "moved":
        return float(own.sum()), float(population[:, cell.arm].sum())
    own_share, other_share = population[:, cell.arm], population.sum(axis=1) - population[:, cell.arm]
    expected = np.divide(others * own_share, other_share, out=np.zeros_like(others), where=other_share > 0)
    return float(own.sum()), float(expected.sum())


def _put_right(table: ArmTable, cell: Cell) -> ArmTable:
    """The table whose population of the arm within the cell is as much smaller, or larger, as the arm is."""
    rows = _strata_of(table, cell)
    population = table.population.copy()
    if table.kind == "moved":
        population[rows] = table.observed[rows]
        return replace(table, population=population)
    population[rows, cell.arm] *= cell.observed / cell.expected if cell.expected > 0 else 0.0
    if table.kind == "ratio":
        population[rows] *= _safe_ratio(table.observed[rows].sum(axis=1), population[rows].sum(axis=1))[:, None]
    return replace(table, population=population)


def _strata_of(table: ArmTable, cell: Cell) -> NDArray[np.bool_]:
    rows = (table.day >= cell.days[0]) & (table.day <= cell.days[1])
    for factor, value in zip(cell.factors, cell.values, strict=True):
        rows &= table.codes[:, factor] == value
    return rows


def _by_cell_and_day(table: ArmTable, cell: Codes, n_cells: int) -> tuple[Floats, Floats]:
    """Excess over the expected units, and its variance, by cell, day and arm."""
    kept = cell >= 0
    n_days = int(table.day.max()) + 1
    at = cell[kept] * n_days + table.day[kept]
    observed, population = (
        _sum_by(at, counts[kept], n_cells * n_days) for counts in (table.observed, table.population)
    )
    excess, variance = _excess(observed, population, is_finite=table.kind == "lost")
    shape = (n_cells, n_days, -1)
    return excess.reshape(shape), variance.reshape(shape)


def _excess(observed: Floats, population: Floats, *, is_finite: bool) -> tuple[Floats, Floats]:
    """Multinomial, or hypergeometric where the population is finite (Cochran 1954, Mantel & Haenszel 1959)."""
    total, size = observed.sum(axis=-1, keepdims=True), population.sum(axis=-1, keepdims=True)
    share = _safe_ratio(population, size)
    variance = total * share * (1 - share)
    if is_finite:
        variance *= _safe_ratio(np.maximum(size - total, 0.0), np.maximum(size - 1, 1.0))
    return observed - total * share, variance


def _unexplained(table: ArmTable, groups: list[_Group]) -> float:
    """How many units the arm that is furthest behind lacks in the whole table, less what chance takes.

    √(missing² − standard error²), or none.
    """
    if not groups or groups[0].factors:
        return 0.0
    excess, _ = _by_cell_and_day(table, groups[0].cell, 1)
    others = 1 - _safe_ratio(table.population.sum(axis=0), table.population.sum())
    missing = _safe_ratio(-excess.sum(axis=(0, 1)), others)
    variance = _safe_ratio(groups[0].variance.sum(axis=(0, 1)), others**2)
    worst = int(np.argmax(missing))
    return float(np.sqrt(max(0.0, missing[worst] ** 2 - variance[worst])))


def _sum_by(at: Codes, counts: Floats, n: int) -> Floats:
    return np.stack([np.bincount(at, weights=column, minlength=n) for column in counts.T], axis=1)


def _safe_ratio(above: Floats, below: Floats | float) -> Floats:
    return np.divide(above, below, out=np.zeros(np.broadcast(above, below).shape), where=np.asarray(below) > 0)


def _log_tail(chi_squared: float) -> float:
    """Log of P(χ²₁ ≥ chi_squared), also where that is below the smallest number."""
    return float(np.log(2) + log_ndtr(-np.sqrt(chi_squared)))
