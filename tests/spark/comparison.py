"""Published tables of two engines, held against each other: whole numbers, texts and dates exactly, doubles to 1e-9."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd

TOLERANCE = 1e-9
"""Of doubles, relative to the greater of the two, or to 1: a correlation of 1e-17 is a zero that was rounded."""


@dataclass(frozen=True)
class TableEquality:
    """A table's rows on both sides: how many there are, and how far their values are apart."""

    table: str
    n_rows: int
    n_exact: int
    n_doubles: int
    largest_difference: float
    faults: tuple[str, ...]

    @property
    def is_equal(self) -> bool:
        """Whether all rows are there on both sides, with equal values."""
        return not self.faults


def compare_states(left: Path, right: Path) -> list[TableEquality]:
    """Every table that either state has published."""
    frames = [_published(state) for state in (left, right)]
    names = sorted(frames[0].keys() | frames[1].keys())
    return [compare_frames(name, frames[0].get(name), frames[1].get(name)) for name in names]


def compare_frames(table: str, left: pd.DataFrame | None, right: pd.DataFrame | None) -> TableEquality:
    """Rows in the order of their texts, dates and whole numbers, which must be the same on both sides."""
    if left is None or right is None:
        return TableEquality(table, 0, 0, 0, 0.0, ("only one side has it",))
    faults = [f"only one side has {name}" for name in sorted(set(left) ^ set(right))]
    if len(left) != len(right):
        faults.append(f"{len(left)} and {len(right)} rows")
    if faults:
        return TableEquality(table, len(left), 0, 0, 0.0, tuple(faults))
    doubles = [name for name in left if pd.api.types.is_float_dtype(left[name]) and _has_fractions(left, right, name)]
    exact = [name for name in left if name not in doubles]
    ordered = [_ordered(frame, exact, doubles) for frame in (left, right)]
    largest = 0.0
    for name in left:
        pairs = list(zip(ordered[0][name], ordered[1][name], strict=True))
        apart = [_apart(one, other) if name in doubles else _differs(one, other) for one, other in pairs]
        worst = max(range(len(apart)), key=apart.__getitem__, default=None)
        if worst is None:
            continue
        largest = max(largest, apart[worst]) if name in doubles else largest
        if apart[worst] > TOLERANCE:
            faults.append(f"{name}: {pairs[worst][0]} and {pairs[worst][1]}")
    n_values = len(left) * len(exact), len(left) * len(doubles)
    return TableEquality(table, len(left), *n_values, largest, tuple(faults))


def _published(state: Path) -> dict[str, pd.DataFrame]:
    with duckdb.connect(str((state / "results.duckdb").resolve()), read_only=True) as connection:
        names = [name for (name,) in connection.execute("select table_name from duckdb_tables()").fetchall()]
        return {name: connection.execute(f"from {name}").df() for name in names}


def _has_fractions(left: pd.DataFrame, right: pd.DataFrame, name: str) -> bool:
    """A column of whole numbers with a missing one comes as doubles too."""
    return any(not float(value).is_integer() for frame in (left, right) for value in frame[name].dropna())


def _ordered(frame: pd.DataFrame, exact: list[str], doubles: list[str]) -> pd.DataFrame:
    """By what must be equal; ties, by doubles cut to what rounding leaves of them."""
    keys = frame[exact].astype(str)
    for name in doubles:
        keys[name] = frame[name].map(lambda value: f"{value:.6e}")
    return frame.loc[keys.sort_values([*exact, *doubles]).index]


def _differs(one: Any, other: Any) -> float:
    if _is_missing(one) or _is_missing(other):
        return 0.0 if _is_missing(one) and _is_missing(other) else math.inf
    return 0.0 if str(one) == str(other) else math.inf


def _apart(one: float, other: float) -> float:
    if math.isnan(one) or math.isnan(other) or math.isinf(one) or math.isinf(other):
        return 0.0 if str(one) == str(other) else math.inf
    return abs(one - other) / max(abs(one), abs(other), 1.0)


def _is_missing(value: Any) -> bool:
    return value is None or (not isinstance(value, (list, dict)) and bool(pd.isna(value)))


def as_lines(found: Mapping[str, list[TableEquality]] | list[TableEquality]) -> list[str]:
    """A line a table, and one for each of its faults."""
    lines = [f"{'table':24}{'rows':>8}{'exact values':>14}{'doubles':>10}  largest difference"]
    for one in found:
        lines.append(
            f"{one.table:24}{one.n_rows:>8,}{one.n_exact:>14,}{one.n_doubles:>10,}  "
            f"{f'{one.largest_difference:.1e}' if one.is_equal else 'DIFFERS'}"
        )
        lines += [f"    {fault}" for fault in one.faults]
    return lines
