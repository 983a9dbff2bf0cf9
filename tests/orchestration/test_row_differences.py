"""Rows compared to the last bit."""

import duckdb
import pytest

from orchestration.row_differences import Difference, TableRows, compare

ROWS = "(values ('a', 1, 0.1::double, true), ('b', 2, null, null)) as rows(id, n, x, flag)"


@pytest.fixture
def connection():
    with duckdb.connect() as connection:
        yield connection


def compared(connection, then, now, ignored=()):
    return compare(connection, TableRows("t", f"select * from {then}", f"select * from {now}", ["id"], ignored))


def test_the_same_rows_in_another_order_and_of_wider_types_are_identical(connection):
    again = "(values ('b', 2::hugeint, null::double, null), ('a', 1, 0.1, true)) as rows(id, n, x, flag)"
    found = compared(connection, ROWS, again)
    assert found.is_identical and found.n_rows == 2


@pytest.mark.parametrize(
    ("then", "now"),
    [("0.1::double", "0.1::double + 1.3877787807814457e-17"), ("0.0::double", "-0.0::double"),
     ("null::double", "'nan'::double"), ("''", "null"), ("1e16::double", "1e16::double + 2")],
)  # fmt: skip
def test_one_bit_is_a_difference(connection, then, now):
    sides = (f"(select 'a' as id, {value} as x)" for value in (then, now))
    (difference,) = compared(connection, *sides).differences
    assert (difference.table, difference.key, difference.column) == ("t", {"id": "a"}, "x")
    assert difference.then != difference.now


def test_a_row_that_one_side_lacks(connection):
    fewer = f"(select * from {ROWS} where id = 'a')"
    assert compared(connection, ROWS, fewer).differences == (Difference("t", {"id": "b"}, None, "there", "not there"),)
    assert compared(connection, fewer, ROWS).differences == (Difference("t", {"id": "b"}, None, "not there", "there"),)


def test_a_row_that_is_there_twice_is_not_one_that_is_there_once(connection):
    twice = f"(select * from {ROWS} union all select * from {ROWS} where id = 'b')"
    assert compared(connection, twice, ROWS).differences == (Difference("t", {"id": "b"}, None, "there", "not there"),)


def test_a_new_column_is_told_and_a_lost_one_is_a_difference(connection):
    fewer = f"(select id, n, x from {ROWS})"
    found = compared(connection, fewer, ROWS)
    assert found.is_identical and found.new_columns == ("flag",)
    found = compared(connection, ROWS, fewer)
    assert not found.is_identical and found.lost_columns == ("flag",)


def test_ignored_columns_are_not_compared(connection):
    changed = "(values ('a', 1, 0.2::double, true), ('b', 2, 0.3, null)) as rows(id, n, x, flag)"
    assert not compared(connection, ROWS, changed).is_identical
    assert compared(connection, ROWS, changed, ignored=["x"]).is_identical
