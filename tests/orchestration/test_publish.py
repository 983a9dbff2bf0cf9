"""Publishing, on tables of a few rows."""

import re
import shutil
import signal
import subprocess
import sys
import tempfile
from datetime import date
from pathlib import Path

import duckdb
import pytest

from orchestration.faults import StateError
from orchestration.publish import PublishedTable, current_run, is_whole, link_or_copy, publish, unfinished

DAYS = [date(2026, 9, 1), date(2026, 9, 2)]


@pytest.fixture
def warehouse():
    with duckdb.connect() as connection:
        connection.execute("create table daily (as_of_date date, n integer)")
        connection.execute("insert into daily values (date '2026-09-01', 1), (date '2026-09-02', 2)")
        connection.execute("create table few as select 'a' as id")
        yield connection


TABLES = [PublishedTable("daily", "from daily", "as_of_date"), PublishedTable("few", "from few")]

TABLE = PublishedTable("t", "from t", "as_of_date")


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


def test_a_link_that_never_got_its_place_holds_up_no_publication(tmp_path, warehouse):
    (tmp_path / ".results-new").symlink_to("runs/gone")

    publish(warehouse, TABLES, state=tmp_path, run_id="one", changed={})

    assert published(tmp_path) == [(DAYS[0], 1), (DAYS[1], 2)]
    assert unfinished(tmp_path) == []


def test_results_that_are_no_link_are_refused_with_the_command_that_mends_it(tmp_path, warehouse):
    """A copy of the state folder that followed links has a folder there."""
    publish(warehouse, TABLES, state=tmp_path, run_id="one", changed={})
    (tmp_path / "results").unlink()
    shutil.copytree(tmp_path / "runs" / "one", tmp_path / "results")

    with pytest.raises(StateError, match="must be a link") as refusal:
        publish(warehouse, TABLES, state=tmp_path, run_id="two", changed={})
    subprocess.run(re.findall("`([^`]+)`", str(refusal.value))[0], shell=True, check=True)
    publish(warehouse, TABLES, state=tmp_path, run_id="two", changed={})

    assert published(tmp_path) == [(DAYS[0], 1), (DAYS[1], 2)]


def test_a_file_that_cannot_have_two_names_is_copied(tmp_path):
    """Another file system, for one; or the file of another user, where the kernel protects those."""
    with tempfile.TemporaryDirectory(dir="/dev/shm") as elsewhere:
        file = Path(elsewhere) / "part.parquet"
        file.write_bytes(b"rows")
        link_or_copy(file, tmp_path / "part.parquet")
        assert (tmp_path / "part.parquet").read_bytes() == b"rows"
        with pytest.raises(FileNotFoundError):
            link_or_copy(file.with_name("gone"), tmp_path / "gone")


def test_an_unchanged_partition_that_was_cut_short_is_written_anew(tmp_path, warehouse):
    first = publish(warehouse, TABLES, state=tmp_path, run_id="one", changed={})
    damaged = first / "daily" / "as_of_date=2026-09-01" / "part.parquet"
    damaged.write_bytes(damaged.read_bytes()[:-10])
    assert not is_whole(first)

    second = publish(warehouse, TABLES, state=tmp_path, run_id="two", changed={"daily": set()})

    assert is_whole(second)
    assert published(tmp_path) == [(DAYS[0], 1), (DAYS[1], 2)]


KILLED_AT_NTH_CALL = """
import os, signal, sys
from datetime import date
from pathlib import Path
import duckdb
from orchestration.publish import PublishedTable, publish

state, nth = Path(sys.argv[1]), int(sys.argv[2])
calls = 0

def dies(event, arguments):
    global calls
    if event in ("os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.symlink", "os.link"):
        calls += 1
        if calls == nth:
            os.kill(os.getpid(), signal.SIGKILL)

with duckdb.connect() as warehouse:
    warehouse.execute("create table t as select unnest([date '2026-09-01', date '2026-09-02']) as as_of_date, 2 as n")
    sys.addaudithook(dies)
    publish(warehouse, [PublishedTable("t", "from t", "as_of_date")], state=state, run_id="new",
            changed={"t": {date(2026, 9, 2)}})
"""


@pytest.mark.parametrize("earlier_runs", [0, 3])
def test_a_publication_killed_at_any_step_shows_the_old_run_or_the_new_one(tmp_path, earlier_runs):
    """The process is killed before each file-system call in turn, until one run survives."""
    old, new = [(DAYS[0], 1), (DAYS[1], 1)], [(DAYS[0], 1 if earlier_runs else 2), (DAYS[1], 2)]
    shown = []
    for nth in range(1, 100):
        state = tmp_path / str(nth)
        with duckdb.connect() as connection:
            connection.execute("create table t as select unnest($days) as as_of_date, 1 as n", {"days": DAYS})
            for number in range(earlier_runs):
                publish(connection, [TABLE], state=state, run_id=f"old-{number}", changed={})
        killed = subprocess.run([sys.executable, "-c", KILLED_AT_NTH_CALL, str(state), str(nth)], check=False)
        is_published = (state / "results.duckdb").exists()
        assert is_published or not earlier_runs
        shown.append(published(state, "t") if is_published else None)
        for leftover in unfinished(state):
            shutil.rmtree(leftover) if not leftover.is_symlink() else leftover.unlink()
        if is_published:
            assert published(state, "t") == shown[-1]
        if killed.returncode == 0:
            break
        assert killed.returncode == -signal.SIGKILL
    assert shown == sorted(shown, key=lambda rows: rows == new)  # the old run until one step, the new one from it on
    assert shown[0] == (old if earlier_runs else None)
    assert shown[-1] == new
    assert len(shown) > 8
