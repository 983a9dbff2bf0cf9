"""Which engine the models run on, and what is said where there is none."""

from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import pytest

from orchestration.engine import DuckDBEngine, engine_of
from orchestration.faults import StateError
from orchestration.workspace import Workspace


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path / "configs", tmp_path / "data", tmp_path / "state")


def test_it_is_duckdb_unless_something_else_is_asked_for(workspace: Workspace) -> None:
    assert isinstance(engine_of(workspace), DuckDBEngine)
    assert workspace.environment()["EQUIPOISE_TARGET"] == "duckdb"


def test_an_engine_that_there_is_not(workspace: Workspace) -> None:
    with pytest.raises(StateError, match="EQUIPOISE_TARGET=oracle: there are duckdb and spark"):
        engine_of(replace(workspace, target="oracle"))


@pytest.mark.skipif(find_spec("pyspark") is not None, reason="Spark is installed here")
def test_spark_where_it_is_not_installed(workspace: Workspace) -> None:
    with pytest.raises(StateError, match=r"pip install 'equipoise\[spark\]'"):
        engine_of(replace(workspace, target="spark"))


def test_what_one_engine_built_is_not_taken_for_the_others(workspace: Workspace) -> None:
    on_spark = replace(workspace, target="spark")
    assert on_spark.warehouse != workspace.warehouse
    assert on_spark.dbt_target != workspace.dbt_target
    assert on_spark.lake == workspace.lake
