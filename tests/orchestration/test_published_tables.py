"""What a published table's query returns, on a warehouse of one row."""

import duckdb
import pytest

from orchestration.provenance import PROVENANCE
from orchestration.published_tables import _with_provenance

INSTANT = "timestamp '2026-10-03'"


@pytest.fixture
def warehouse():
    with duckdb.connect() as connection:
        connection.execute("create schema results")
        columns = ", ".join(f"'x' as {name}" for name in PROVENANCE)
        connection.execute(
            f"create table results.provenance as select 'checkout' as experiment_id, {INSTANT} as as_of_date, {columns}"
        )
        yield connection


@pytest.mark.parametrize("projected", [INSTANT, "null::timestamp"], ids=["a date", "no date"])
def test_days_are_published_as_dates(warehouse, projected):
    warehouse.execute(
        f"create table results.scorecard as select 'checkout' as experiment_id, {INSTANT} as as_of_date, "
        f"{INSTANT} as last_cohort_date, {projected} as projected_date, 0.5 as p_value"
    )
    published = warehouse.sql(_with_provenance(warehouse, "results.scorecard"))
    types = dict(zip(published.columns, published.types, strict=True))
    assert {name for name, kind in types.items() if kind == "DATE"} == {
        "as_of_date", "last_cohort_date", "projected_date",
    }  # fmt: skip
    assert "TIMESTAMP" not in set(map(str, published.types))
