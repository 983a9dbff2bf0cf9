"""A run keeps its warehouse open; its steps cannot tell, and dbt gets the file to itself."""

import duckdb
import pytest

from orchestration.warehouse import kept_open, open_warehouse, release


def test_steps_share_one_database_and_each_has_a_transaction_of_its_own(tmp_path):
    path = tmp_path / "warehouse.duckdb"
    with kept_open(path):
        with open_warehouse(path) as connection:
            connection.execute("create table numbers as select 1 as number")
        with pytest.raises(RuntimeError), open_warehouse(path) as connection:
            connection.execute("begin")
            connection.execute("insert into numbers values (2)")
            raise RuntimeError("a step that fails")
        with open_warehouse(path) as connection:
            assert connection.execute("from numbers").fetchall() == [(1,)]
        with pytest.raises(duckdb.ConnectionException, match="different configuration"):
            duckdb.connect(str(path), config={"memory_limit": "100MB"})

        release(path)
        with duckdb.connect(str(path), config={"memory_limit": "100MB"}) as other:
            assert other.execute("from numbers").fetchall() == [(1,)]
        with open_warehouse(path) as connection:
            connection.execute("insert into numbers values (3)")
    with duckdb.connect(str(path), read_only=True) as reader:
        assert reader.execute("from numbers order by all").fetchall() == [(1,), (3,)]
