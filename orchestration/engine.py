"""The seam between the pipeline and the engine that the models run on: one class an engine, named by dbt's target.

The warehouse is a DuckDB database with either: with DuckDB the models' tables are in it, with Spark views of them.
"""

from collections.abc import Sequence
from importlib.util import find_spec
from typing import Protocol

import duckdb

from configs.schema import Config
from orchestration.faults import UNCHANGED, StateError
from orchestration.warehouse import LakeFile, register_lake
from orchestration.workspace import Workspace


class Engine(Protocol):
    """What a run asks of the engine of its models."""

    cuts_units: bool
    """Whether large models are cut into slices of units, for an engine that would not fit them into memory."""

    def register_lake(self, connection: duckdb.DuckDBPyConnection, config: Config, files: Sequence[LakeFile]) -> None:
        """Let the models read these files of accepted rows."""

    def hand_over(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Let the models read the warehouse's schema `inputs`."""

    def take_back(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Let the later steps read in the warehouse what the models made."""

    def forget_models(self) -> None:
        """Remove what the models made of units, beside the warehouse's own schemas."""


class DuckDBEngine:
    """The models are built in the warehouse itself."""

    cuts_units = True

    def register_lake(self, connection: duckdb.DuckDBPyConnection, config: Config, files: Sequence[LakeFile]) -> None:
        """Views over the files."""
        register_lake(connection, config, files)

    def hand_over(self, connection: duckdb.DuckDBPyConnection) -> None:
        """They are there."""

    def take_back(self, connection: duckdb.DuckDBPyConnection) -> None:
        """It is there."""

    def forget_models(self) -> None:
        """Nothing is elsewhere."""


def engine_of(workspace: Workspace) -> Engine:
    """The engine of the workspace's target. Raises StateError for one that there is not, or that is not installed."""
    if workspace.target == "duckdb":
        return DuckDBEngine()
    if workspace.target != "spark":
        raise StateError(f"EQUIPOISE_TARGET={workspace.target}: there are duckdb and spark; {UNCHANGED}")
    if find_spec("pyspark") is None or find_spec("dbt.adapters.spark") is None:
        raise StateError(f"the models cannot run on Spark: pip install 'equipoise[spark]', and Java 17; {UNCHANGED}")
    from orchestration.spark.engine import SparkEngine

    return SparkEngine(workspace)
