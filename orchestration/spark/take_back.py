"""What the models made on Spark, as views of the warehouse over the tables' files: the later steps read these."""

from typing import TYPE_CHECKING
from urllib.parse import unquote, urlparse

import duckdb

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

READ_BACK = ("intermediate", "marts")
DUCKDB_TYPES = {"string": "varchar", "int": "integer"}


def take_back(session: "SparkSession", connection: duckdb.DuckDBPyConnection) -> None:
    """Replace the warehouse's views of the models' tables; of Spark's own views nothing is read."""
    for schema in READ_BACK:
        connection.execute(f"create schema if not exists {schema}")
        for row in session.sql(f"show tables in {schema}").collect():
            if session.catalog.getTable(f"{schema}.{row.tableName}").tableType != "VIEW":
                query = _query(session, f"{schema}.{row.tableName}")
                connection.execute(f"create or replace view {schema}.{row.tableName} as {query}")


def _query(session: "SparkSession", table: str) -> str:
    types = {field.name: field.dataType.simpleString() for field in session.table(table).schema.fields}
    properties = {row.key: row.value for row in session.sql(f"show tblproperties {table}").collect()}
    own_order = [name for name in properties.get("equipoise.columns", "").split(",") if name in types]
    columns = {name: types[name] for name in dict.fromkeys([*own_order, *types])}
    partitions = {one.name for one in session.catalog.listColumns(table) if one.isPartition}
    files = [unquote(urlparse(path).path) for path in session.table(table).inputFiles()]
    if not files:
        nothing = ", ".join(f"cast(null as {_duckdb_type(kind)}) as {name}" for name, kind in columns.items())
        return f"select {nothing} where false"
    listed = ", ".join("'" + path.replace("'", "''") + "'" for path in files)
    selected = ", ".join(f"{_value(name, kind)} as {name}" for name, kind in columns.items())
    hive = f"hive_partitioning = {str(bool(partitions)).lower()}, hive_types_autocast = false"
    return f"select {selected} from read_parquet([{listed}], union_by_name = true, {hive})"


def _value(name: str, kind: str) -> str:
    """An instant that Spark wrote has a zone; in the models' own types it is UTC without one."""
    return f"timezone('UTC', {name})" if kind == "timestamp" else f"cast({name} as {_duckdb_type(kind)})"


def _duckdb_type(kind: str) -> str:
    if kind.startswith("array<"):
        return f"{_duckdb_type(kind[6:-1])}[]"
    return DUCKDB_TYPES.get(kind, kind)
