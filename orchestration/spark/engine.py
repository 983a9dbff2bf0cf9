"""The models on Spark, as an engine of the pipeline."""

from collections.abc import Sequence

import duckdb

from configs.schema import Config
from orchestration.spark.hand_over import hand_over_inputs, register_lake
from orchestration.spark.session import forget_units, remove_leftovers, spark_session
from orchestration.spark.take_back import take_back
from orchestration.warehouse import LakeFile
from orchestration.workspace import Workspace


class SparkEngine:
    """Spark has the models' tables; the warehouse has the inputs, and views of the tables' files."""

    cuts_units = False

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace

    def register_lake(self, connection: duckdb.DuckDBPyConnection, config: Config, files: Sequence[LakeFile]) -> None:
        """Views over the files, in Spark."""
        register_lake(spark_session(self._workspace), config, files)

    def hand_over(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Small tables of Spark's."""
        session = spark_session(self._workspace)
        remove_leftovers(session)
        hand_over_inputs(session, connection, self._workspace.spark / "inputs")

    def take_back(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Views over the tables' files."""
        take_back(spark_session(self._workspace), connection)

    def forget_models(self) -> None:
        """Drop Spark's tables of units."""
        forget_units(spark_session(self._workspace))
