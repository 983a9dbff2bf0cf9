"""What a published table's query returns, on a warehouse of one row."""

from datetime import date
from pathlib import Path

import duckdb
import pytest

from orchestration.faults import StateError
from orchestration.inputs import RunInputs
from orchestration.lake import Lake
from orchestration.planning import PlannedBuild
from orchestration.provenance import PROVENANCE
from orchestration.published_tables import _with_provenance, changed_partitions, keep_superseded

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


@pytest.fixture
def replaced(warehouse, tmp_path) -> Path:
    """A published run, of whose only experiment the configuration was replaced since."""
    warehouse.execute("create schema runs")
    warehouse.execute("create table runs.experiment_builds (experiment_id varchar, config_hash varchar)")
    run = tmp_path / "runs" / "run"
    (run / "scorecard").mkdir(parents=True)
    rows = "select 'checkout' as experiment_id, 'old' as config_hash, 0.5 as effect"
    warehouse.execute(f"copy ({rows}) to '{run}/scorecard/part.parquet'")
    with duckdb.connect(str(run / "results.duckdb")) as database:
        database.execute(f"create table scorecard as {rows}")
    return run


REBUILD = [PlannedBuild("checkout", *[date(2026, 10, 3)] * 3, is_rebuild=True)]


def test_replaced_rows_whose_file_was_cut_short_are_kept_from_the_database(warehouse, replaced, tmp_path):
    part = replaced / "scorecard" / "part.parquet"
    part.write_bytes(part.read_bytes()[:-10])

    keep_superseded(warehouse, REBUILD, replaced, tmp_path / "superseded")

    kept = duckdb.sql(f"select effect from '{tmp_path}/superseded/checkout/old/scorecard.parquet'").fetchall()
    assert kept == [(0.5,)]


def test_replaced_rows_that_cannot_be_read_at_all_stop_the_run_with_the_way_to_go_on(warehouse, replaced, tmp_path):
    for name in ("scorecard/part.parquet", "results.duckdb"):
        (replaced / name).write_bytes(b"PAR1")

    with pytest.raises(StateError, match=f"`mv {tmp_path}/results {tmp_path}/results.damaged`"):
        keep_superseded(warehouse, REBUILD, replaced, tmp_path / "superseded")


def test_what_an_experiment_rewrites_that_is_built_from_its_start_depends_on_what_was_published_of_it(
    warehouse, tmp_path
):
    warehouse.execute("create schema runs; create table runs.days (log_date date, source_id varchar)")
    day, run = date(2026, 10, 3), tmp_path / "run"
    for name in ("decisions", "exposure_counts"):
        (run / name).mkdir(parents=True)
        row = "select date '2026-09-28' as as_of_date, 'banner' as experiment_id, 'all' as segment_name"
        warehouse.execute(f"copy ({row}) to '{run}/{name}/part.parquet'")
    inputs = RunInputs(lake=Lake(tmp_path), config=None, broken={}, config_hashes={}, days={}, requested=(day, day))

    def rewritten(experiment_id: str) -> set[date] | None:
        plans = [PlannedBuild(experiment_id, day, day, day, is_rebuild=True)]
        return changed_partitions(warehouse, inputs, plans, run)["scorecard"]

    assert rewritten("checkout") == {day}
    assert rewritten("banner") is None


def test_a_run_without_the_table_of_segments_is_published_anew(warehouse, tmp_path):
    (tmp_path / "run").mkdir()
    day = date(2026, 10, 3)
    inputs = RunInputs(lake=Lake(tmp_path), config=None, broken={}, config_hashes={}, days={}, requested=(day, day))
    changed = changed_partitions(warehouse, inputs, [PlannedBuild("checkout", day, day, day, False)], tmp_path / "run")
    assert changed["exposure_counts"] is None and changed["row_ledger"] is None


def test_segments_that_go_rewrite_their_date_and_those_of_an_ended_experiment_do_not(warehouse, tmp_path):
    warehouse.execute("create schema runs; create table runs.days (log_date date, source_id varchar)")
    day, run = date(2026, 10, 3), tmp_path / "run"
    (run / "exposure_counts").mkdir(parents=True)
    rows = (
        "select * from (values (date '2026-10-02', 'checkout', 'country'), (date '2026-10-01', 'checkout', 'all'), "
        "(date '2026-09-20', 'ended', 'country')) as rows (as_of_date, experiment_id, segment_name)"
    )
    warehouse.execute(f"copy ({rows}) to '{run}/exposure_counts/part.parquet'")
    inputs = RunInputs(lake=Lake(tmp_path), config=None, broken={}, config_hashes={}, days={}, requested=(day, day))
    changed = changed_partitions(warehouse, inputs, [PlannedBuild("checkout", day, day, day, False)], run)
    assert changed["scorecard"] == {date(2026, 10, 2), day}
