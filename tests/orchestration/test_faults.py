"""What is said of faults, by the words that the libraries have for them."""

import errno
import os
import subprocess
import sys

import dagster as dg
import duckdb
import pytest
from sqlalchemy.exc import OperationalError

from orchestration.faults import StateError, faults_explained, with_advice
from orchestration.publish import PublishedTable, publish
from orchestration.published import read_results
from orchestration.warehouse import open_warehouse
from orchestration.workspace import Workspace
from tests.end_to_end.pipeline import environment_kept


@pytest.fixture
def workspace(tmp_path) -> Workspace:
    (tmp_path / "state").mkdir()
    return Workspace(tmp_path / "configs", tmp_path / "data", tmp_path / "state")


@pytest.mark.parametrize(
    ("message", "advice"),
    [
        ('IO Error: Could not write file "x": No space left on device', "free some space and run the same days again"),
        ("(sqlite3.OperationalError) database or disk is full", "free some space and run the same days again"),
        ("attempt to write a readonly database", "writable, or give another folder with --state"),
        (
            "No magic bytes found at end of file '/s/lake/orders/log_date=2026-10-05/rows-3f2a.parquet'",
            "of orders, 2026-10-05, is missing or cut short",
        ),
        (
            'No files found that match the pattern "/s/lake/orders/log_date=2026-10-05/quarantine-3f2a.parquet"',
            "`equipoise run --date 2026-10-05`",
        ),
        ('The file "/s/warehouse.duckdb" exists, but it is not a valid DuckDB database file!', "/warehouse.duckdb* "),
        ("Corrupt database file: computed checksum 1 does not match stored checksum 2", "/warehouse.duckdb* "),
        ("database disk image is malformed", "/dagster.damaged`"),
        (
            'IO Error: Could not set lock on file "/s/warehouse.duckdb": Conflicting lock is held in python3 (PID 7).',
            "Another program has",
        ),
    ],
)
def test_a_known_fault_is_followed_by_what_to_do(workspace, message, advice):
    said = with_advice(message, workspace)
    assert said.startswith(message + "\n  ")
    assert advice in said
    assert "the results published before are unchanged" in said


def test_other_errors_stay_as_they_are(workspace):
    assert with_advice("Binder Error: no column x", workspace) == "Binder Error: no column x"
    with pytest.raises(PermissionError), faults_explained(workspace):
        raise PermissionError(errno.EACCES, "Permission denied", "/data/orders.csv")


def test_a_full_disk_is_told_by_every_layer(workspace):
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    layers = (full, duckdb.IOException(str(full)), OperationalError("insert", {}, Exception("disk is full")))
    for error in layers:
        with pytest.raises(StateError, match="free some space"), faults_explained(workspace):
            raise error


def test_a_damaged_publication_is_named_to_who_reads_it(workspace):
    with duckdb.connect() as connection:
        tables = [PublishedTable("decisions", "select 'a' as experiment_id")]
        run = publish(connection, tables, state=workspace.state, run_id="one", changed={})
    (run / "results.duckdb").write_bytes(b"no database")

    with pytest.raises(StateError, match=f"{run}/results.duckdb: .*\n  Run the last day again"):
        read_results(workspace.state)


def test_a_warehouse_that_another_program_has_open_is_told_with_where_to_look_instead(workspace):
    hold = "import duckdb, sys; held = duckdb.connect(sys.argv[1]); print('held', flush=True); sys.stdin.read()"
    command = [sys.executable, "-c", hold, str(workspace.warehouse)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout.readline() == "held\n"
        with (
            pytest.raises(StateError, match=f"PID {holder.pid}.*\n  Another program has .*results.duckdb"),
            faults_explained(workspace),
            open_warehouse(workspace.warehouse),
        ):
            pass
        holder.stdin.close()


def test_damaged_settings_of_dagster_are_named(workspace):
    with environment_kept():
        workspace.activate()
        settings = workspace.dagster_home / "dagster.yaml"
        settings.write_text(settings.read_text()[:-40].replace("false", "{"))
        with pytest.raises(StateError, match=f"`rm {settings}` and run again"), faults_explained(workspace):
            dg.DagsterInstance.get()
