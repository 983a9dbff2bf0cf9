"""What counts as equal between two engines."""

import pandas as pd
import pytest

from tests.spark.comparison import as_lines, compare_frames

ROWS = pd.DataFrame({"id": ["a", "b"], "n_units": [3, 4], "mean": [0.25, 1e9 + 0.5]})


def test_rows_in_another_order_are_equal() -> None:
    found = compare_frames("moments", ROWS, ROWS.iloc[::-1])
    assert found.is_equal
    assert (found.n_rows, found.n_exact, found.n_doubles, found.largest_difference) == (2, 4, 2, 0.0)


@pytest.mark.parametrize(("apart", "is_equal"), [(0.5, True), (2.0, False)])
def test_doubles_may_be_a_billionth_apart(apart: float, is_equal: bool) -> None:
    moved = ROWS.assign(mean=[0.25, 1e9 + 0.5 + apart])
    assert compare_frames("moments", ROWS, moved).is_equal is is_equal


def test_near_zero_it_is_a_billionth_of_one() -> None:
    zero, rounded = ROWS.assign(mean=[0.25, 0.0]), ROWS.assign(mean=[0.25, 1e-17])
    assert compare_frames("moments", zero, rounded).is_equal


@pytest.mark.parametrize(
    ("other", "fault"),
    [
        (ROWS.assign(n_units=[3, 5]), "n_units: 4 and 5"),
        (ROWS.assign(mean=[0.25, None]), "mean: 1000000000.5 and nan"),
        (ROWS.iloc[:1], "2 and 1 rows"),
        (ROWS.drop(columns="n_units"), "only one side has n_units"),
        (None, "only one side has it"),
    ],
)
def test_all_else_must_be_the_same(other: pd.DataFrame | None, fault: str) -> None:
    found = compare_frames("moments", ROWS, other)
    assert found.faults == (fault,)
    assert f"    {fault}" in as_lines([found])
