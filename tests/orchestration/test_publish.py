"""Publishing, on tables of a few rows."""

from datetime import date

import duckdb
import pytest

from orchestration.publish import PublishedTable, current_run, publish

DAYS = [date(2026, 9, 1), date(2026, 9, 2)]


@pytest.fixture
def warehouse():
    with duckdb.connect() as connection:
        connection.execute("create table daily (as_of_date date, n integer)")
        connection.execute("insert into daily values (date '2026-09-01', 1), (date '2026-09-02', 2)")
        connection.execute("create table few as select 'a' as id")
        yield connection


TABLES = [PublishedTable("daily", "from daily", "as_of_date"), PublishedTable("few", "from few")]


def published(state, table="daily"):
    with duckdb.connect(str((state / "results.duckdb").resolve()), read_only=True) as connection:
        return connection.execute(f"from {table} order by all").fetchall()


def test_tables_are_readable_as_a_database_and_as_parquet(tmp_path, warehouse):
    publish(warehouse, TABLES, state=tmp_path, run_id="one", changed={})

    assert published(tmp_path) == [(DAYS[0], 1), (DAYS[1], 2)]
    assert published(tmp_path, "few") == [("a",)]
    assert duckdb.sql(f"select n from '{tmp_path}/results/daily/as_of_date=2026-09-02/*.parquet'").fetchall() == [(2,)]


def test_an_unchanged_partition_is_the_same_file_and_a_changed_one_is_new(tmp_path, warehouse):
    first = publish(warehouse, TABLES, state=tmp_path, run_id="one", changed={})
    warehouse.execute("update daily set n = 20 where n = 2")
    second = publish(warehouse, TABLES, state=tmp_path, run_id="two", changed={"daily": {DAYS[1]}})

    files = [[run / "daily" / f"as_of_date={day}" / "part.parquet" for day in DAYS] for run in (first, second)]
    assert files[0][0].samefile(files[1][0])
    assert not files[0][1].samefile(files[1][1])
    assert published(tmp_path) == [(DAYS[0], 1), (DAYS[1], 20)]


def test_a_reader_who_resolved_the_link_keeps_its_run(tmp_path, warehouse):
    publish(warehouse, TABLES, state=tmp_path, run_id="one", changed={})
    held = (tmp_path / "results").resolve()
    warehouse.execute("delete from daily")
    publish(warehouse, TABLES, state=tmp_path, run_id="two", changed={})

    assert duckdb.sql(f"select count(*) from '{held}/daily/*/*.parquet'").fetchone() == (2,)
    assert published(tmp_path) == []


def test_three_runs_are_kept(tmp_path, warehouse):
    for name in ("one", "two", "three", "four"):
        publish(warehouse, TABLES, state=tmp_path, run_id=name, changed={})

    assert sorted(path.name for path in (tmp_path / "runs").iterdir()) == ["four", "three", "two"]


def test_a_run_may_publish_twice(tmp_path, warehouse):
    publish(warehouse, TABLES, state=tmp_path, run_id="one", changed={})
    again = publish(warehouse, TABLES, state=tmp_path, run_id="one", changed={})

    assert current_run(tmp_path) == again
    assert again.name == "one-2"


def test_a_failure_leaves_the_old_run_and_the_next_one_cleans_up(tmp_path, warehouse):
    publish(warehouse, TABLES, state=tmp_path, run_id="one", changed={})
    broken = [*TABLES, PublishedTable("wrong", "select error('no such thing') as x")]

    with pytest.raises(duckdb.Error, match="no such thing"):
        publish(warehouse, broken, state=tmp_path, run_id="two", changed={})
    assert current_run(tmp_path).name == "one"
    assert published(tmp_path) == [(DAYS[0], 1), (DAYS[1], 2)]

    publish(warehouse, TABLES, state=tmp_path, run_id="three", changed={})
    assert sorted(path.name for path in (tmp_path / "runs").iterdir()) == ["one", "three"]
