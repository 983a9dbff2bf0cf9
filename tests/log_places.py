"""One log, delivered to every kind of place that a source can lie in."""

import io
import json
import shutil
from collections.abc import Mapping
from contextlib import suppress
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from orchestration.remote.extensions import load_extensions
from tests.object_store import client

FILES = ("parquet", "csv", "jsonl")
KINDS = (*FILES, "s3", "postgres", "iceberg", "delta")
DATABASE = "LOGS_DATABASE_URL"
BUCKET = "logs"


class LogPlaces:
    """Where logs are delivered by name and day: below `root`, in the bucket, in a PostgreSQL schema."""

    def __init__(self, root: Path, database_url: str = "") -> None:
        self.root = root
        self._database_url = database_url
        self._catalog: Any = None

    def keys(self, kind: str, name: str) -> dict[str, Any]:
        """The keys of `sources.yaml` that say where the log lies."""
        if kind == "postgres":
            return {"format": "postgres", "table": f"logs.{name}", "connection": DATABASE, "log_date": "log_date"}
        if kind == "delta":
            return {"format": "delta", "path": f"delta/{name}", "log_date": "log_date"}
        if kind == "iceberg":
            return {"format": "iceberg", "path": f"iceberg/logs/{name}", "log_date": "log_date"}
        if kind == "s3":
            return {"format": "parquet", "path": f"s3://{BUCKET}/{name}/log_date={{date}}/*.parquet"}
        return {"format": kind, "path": f"{name}/{{date}}/*.{kind}"}

    def deliver(self, kind: str, name: str, log_date: date, rows: pa.Table | None) -> None:
        """Replace the day's log by these rows; None: take it away."""
        if kind in FILES:
            folder = self.root / name / log_date.isoformat()
            shutil.rmtree(folder, ignore_errors=True)
            if rows is not None:
                folder.mkdir(parents=True)
                (folder / f"a.{kind}").write_bytes(_content(kind, rows))
        elif kind == "s3":
            key = f"{name}/log_date={log_date}/a.parquet"
            if rows is None:
                client().delete_object(Bucket=BUCKET, Key=key)
            else:
                client().put_object(Bucket=BUCKET, Key=key, Body=_content("parquet", rows))
        else:
            dated = None if rows is None else rows.append_column("log_date", pa.array([log_date] * len(rows)))
            getattr(self, f"_to_{kind}")(name, log_date, dated)

    def execute(self, *statements: str, **relations: pa.Table) -> None:
        """Execute statements of DuckDB with the server attached as `server`."""
        with duckdb.connect() as connection:
            load_extensions(connection, "postgres_scanner")
            connection.execute(f"attach '{self._database_url}' as server (type postgres)")
            for name, relation in relations.items():
                connection.register(name, relation)
            for statement in statements:
                connection.execute(statement)

    def _to_postgres(self, name: str, log_date: date, rows: pa.Table | None) -> None:
        statements = [f"delete from server.logs.{name} where log_date = date '{log_date}'"]
        if rows is not None:
            create = f"create table if not exists server.logs.{name} as from rows limit 0"
            statements = ["create schema if not exists server.logs", create, *statements]
            self.execute(*statements, f"insert into server.logs.{name} by name from rows", rows=rows)
        else:
            self.execute(*statements)

    def _to_delta(self, name: str, log_date: date, rows: pa.Table | None) -> None:
        from deltalake import DeltaTable, write_deltalake

        path = self.root / "delta" / name
        if rows is None:
            DeltaTable(path).delete(f"log_date = '{log_date}'")
        elif not path.exists():
            write_deltalake(path, rows, partition_by=["log_date"])
        else:
            write_deltalake(path, rows, mode="overwrite", predicate=f"log_date = '{log_date}'")

    def _to_iceberg(self, name: str, log_date: date, rows: pa.Table | None) -> None:
        from pyiceberg.exceptions import NamespaceAlreadyExistsError, NoSuchTableError
        from pyiceberg.expressions import EqualTo

        if self._catalog is None:
            from pyiceberg.catalog.sql import SqlCatalog

            self.root.mkdir(parents=True, exist_ok=True)
            where = {"uri": f"sqlite:///{self.root}/catalog.db", "warehouse": f"file://{self.root}/iceberg"}
            self._catalog = SqlCatalog("logs", **where)
            with suppress(NamespaceAlreadyExistsError):
                self._catalog.create_namespace("logs")
        try:
            table = self._catalog.load_table(f"logs.{name}")
        except NoSuchTableError:
            table = self._catalog.create_table(f"logs.{name}", schema=rows.schema)
        day = EqualTo("log_date", log_date.isoformat())
        if rows is None:
            table.delete(day)
        elif table.current_snapshot() is None:
            table.append(rows)
        else:
            table.overwrite(rows, overwrite_filter=day)


def rows_of(columns: Mapping[str, pa.Array]) -> pa.Table:
    """A log's rows."""
    return pa.table(dict(columns))


def _content(kind: str, rows: pa.Table) -> bytes:
    buffer = io.BytesIO()
    if kind == "parquet":
        pq.write_table(rows, buffer)
        return buffer.getvalue()
    frame = rows.to_pandas()
    texts = {name: [_text(value) for value in frame[name]] for name in frame}
    if kind == "csv":
        return pd.DataFrame(texts).to_csv(index=False).encode()
    lines = [dict(zip(texts, values, strict=True)) for values in zip(*texts.values(), strict=True)]
    return "".join(json.dumps(line) + "\n" for line in lines).encode()


def _text(value: Any) -> str | None:
    if value is None or value is pd.NaT or (isinstance(value, float) and pd.isna(value)):
        return None
    if isinstance(value, pd.Timestamp):
        return value.isoformat()
    return str(value).lower() if isinstance(value, bool) else str(value)
