"""A damaged store of incidents: what is said of it, and what is published meanwhile."""

import re
import subprocess

import duckdb
import pytest

from orchestration.alerts.journal import journal_query
from orchestration.alerts.store import COLUMNS, AlertStore
from orchestration.faults import StateError


@pytest.fixture
def state(tmp_path):
    with AlertStore.open(tmp_path):
        pass
    (tmp_path / "alerts.sqlite").write_bytes(b"no database" * 100)
    return tmp_path


def test_it_is_named_with_the_command_that_moves_it_away(state):
    with pytest.raises(StateError, match=re.escape(f"{state}/alerts.sqlite: ")) as damaged, AlertStore.open(state):
        pass

    subprocess.run(re.findall("`([^`]+)`", str(damaged.value))[0], shell=True, check=True)

    with AlertStore.open(state) as store:
        assert store.tracked() == {}


def test_the_rows_published_last_are_published_again(state):
    part = state / "runs" / "one" / "alerts" / "part.parquet"
    part.parent.mkdir(parents=True)
    columns = ", ".join(f"'{name}' as {name}" for name in COLUMNS)
    duckdb.execute(f"copy (select {columns}) to '{part}'")
    with duckdb.connect() as connection:
        assert connection.execute(journal_query(connection, state)).fetchall() == []
        (state / "results").symlink_to("runs/one")
        assert connection.execute(journal_query(connection, state)).fetchall() == [COLUMNS]
