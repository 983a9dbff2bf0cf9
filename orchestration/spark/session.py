"""The Spark session of a state folder, which dbt uses too: its session method takes the one of the process."""

import os
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from orchestration.workspace import DBT_PROJECT_DIR, Workspace

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

MODEL_SCHEMAS = ("staging", "intermediate", "marts")
SCHEMAS = ("inputs", "lake", *MODEL_SCHEMAS)

SETTINGS = {
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.parquet.inferTimestampNTZ.enabled": "false",  # the lake's timestamps are UTC without saying so
    "spark.sql.sources.partitionOverwriteMode": "dynamic",
    "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
}
LOCAL_SETTINGS = {
    "spark.master": "local[*]",
    "spark.driver.memory": os.environ.get("SPARK_DRIVER_MEMORY", "2g"),
    "spark.sql.shuffle.partitions": str(os.cpu_count() or 1),
    "spark.sql.adaptive.coalescePartitions.parallelismFirst": "false",
}
"""Where `SPARK_CONF_DIR` names no cluster: one Java process here, its tables and metastore in the state folder."""


def spark_session(workspace: Workspace) -> "SparkSession":
    """The session of the workspace; one of another workspace is ended first, for a process has one at a time."""
    from pyspark.sql import SparkSession

    active = SparkSession.getActiveSession()
    if active is not None:
        if active.conf.get("spark.equipoise.state", None) == str(workspace.state):
            return active
        active.stop()
    builder = SparkSession.builder.appName("equipoise").enableHiveSupport()
    for name, value in (SETTINGS | _local_settings(workspace)).items():
        builder = builder.config(name, value)
    session = builder.config("spark.equipoise.state", str(workspace.state)).getOrCreate()
    session.sparkContext.setLogLevel("ERROR")
    for schema in SCHEMAS:
        session.sql(f"create database if not exists {schema}")
    return session


def _local_settings(workspace: Workspace) -> dict[str, str]:
    """Nothing where the installation has settings of its own, which name a cluster and a metastore."""
    own = os.environ.get("SPARK_CONF_DIR")
    if own and (Path(own) / "spark-defaults.conf").is_file():
        return {}
    folder = workspace.spark
    folder.mkdir(parents=True, exist_ok=True)
    return LOCAL_SETTINGS | {
        "spark.sql.warehouse.dir": str(folder / "tables"),
        "spark.local.dir": str(workspace.spill),
        "spark.driver.extraJavaOptions": f"-Dderby.system.home={folder}",
        "spark.hadoop.javax.jdo.option.ConnectionURL": f"jdbc:derby:;databaseName={folder}/metastore;create=true",
    }


def forget_units(session: "SparkSession") -> None:
    """Drop the models' tables and views but the marts; nothing else that the metastore may have under these names."""
    for schema in ("staging", "intermediate"):
        for row in session.sql(f"show tables in {schema}").collect():
            name = f"{schema}.{row.tableName}"
            if row.tableName in _model_names():
                kind = "view" if session.catalog.getTable(name).tableType == "VIEW" else "table"
                session.sql(f"drop {kind} {name}")


def remove_leftovers(session: "SparkSession") -> None:
    """Remove folders of models whose tables the catalog does not have: a process died while it wrote or dropped one."""
    jvm, configuration = session._jvm, session._jsc.hadoopConfiguration()
    for schema in MODEL_SCHEMAS:
        location = jvm.org.apache.hadoop.fs.Path(session.catalog.getDatabase(schema).locationUri)
        files = location.getFileSystem(configuration)
        known = {row.tableName for row in session.sql(f"show tables in {schema}").collect()}
        for folder in files.listStatus(location) if files.exists(location) else ():
            if folder.getPath().getName() in _model_names() - known:
                files.delete(folder.getPath(), True)


@cache
def _model_names() -> frozenset[str]:
    return frozenset(path.stem for path in (DBT_PROJECT_DIR / "models").rglob("*.sql"))
