"""What a published table's query returns, on a warehouse of one row."""

from datetime import date

import duckdb
import pytest

from orchestration.planning import PlannedBuild
from orchestration.provenance import PROVENANCE
from orchestration.published_tables import _with_provenance, keep_superseded

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


def test_a_table_that_an_older_release_did_not_publish_has_nothing_to_keep(warehouse, tmp_path):
    part = tmp_path / "run" / "scorecard" / "part.parquet"
    part.parent.mkdir(parents=True)
    warehouse.execute(f"copy (select 'checkout' as experiment_id, 'old' as config_hash) to '{part}'")
    warehouse.execute("create schema runs")
    warehouse.execute("create table runs.experiment_builds (experiment_id varchar, config_hash varchar)")
    day = date(2026, 10, 3)
    plans = [PlannedBuild("checkout", day, day, day, is_rebuild=True)]

    keep_superseded(warehouse, plans, tmp_path / "run", tmp_path / "superseded")

    kept = [str(path.relative_to(tmp_path)) for path in (tmp_path / "superseded").rglob("*.parquet")]
    assert kept == ["superseded/checkout/old/scorecard.parquet"]
