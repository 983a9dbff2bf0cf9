"""What the models read on Spark: the inputs as small tables, the lake's files as views."""

import json
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb

from configs.schema import Config
from orchestration.warehouse import EVENT_COLUMNS, EXPOSURE_COLUMNS, LakeFile, event_fields

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

SPARK_TYPES = {"varchar": "string", "double": "double", "timestamp": "timestamp", "integer": "int"}
"""Of the types that are called otherwise than in DuckDB, or need a zone."""


def hand_over_inputs(session: "SparkSession", connection: duckdb.DuckDBPyConnection, folder: Path) -> None:
    """Copy every table of schema `inputs` to Spark's: their files are replaced, the tables seldom change."""
    listing = folder / "tables.json"
    known = json.loads(listing.read_text(encoding="utf-8")) if listing.exists() else {}
    names = connection.execute(
        "select table_name from information_schema.tables where table_schema = 'inputs' order by 1"
    ).fetchall()
    created = {}
    for (name,) in names:
        target = folder / name / "rows.parquet"
        target.parent.mkdir(parents=True, exist_ok=True)
        described = connection.execute(f"describe inputs.{name}").fetchall()
        listed = ", ".join(f"{row[0]} {SPARK_TYPES.get(row[1].lower(), row[1].lower())}" for row in described)
        connection.execute(f"copy inputs.{name} to '{_escaped(target)}' (format parquet)")
        created[name] = f"create table inputs.{name} ({listed}) using parquet location '{_escaped(target.parent)}'"
        if known.get(name) == created[name]:
            session.sql(f"refresh table inputs.{name}")
        else:
            session.sql(f"drop table if exists inputs.{name}")
            session.sql(created[name])
    listing.write_text(json.dumps(created), encoding="utf-8")


def register_lake(session: "SparkSession", config: Config, files: Sequence[LakeFile]) -> None:
    """Point the views `lake.exposures` and `lake.events` at these files of accepted rows."""
    attributes = {f"a_{name}": "varchar" for source in config.sources.exposures for name in source.attributes}
    exposures = [
        select
        for source in config.sources.exposures
        for select in _selects(source.id, files, EXPOSURE_COLUMNS, attributes)
    ]
    fields: dict[str, str] = {}
    for source in config.sources.events:
        fields |= event_fields(source)
    events = [
        select for source in config.sources.events for select in _selects(source.id, files, EVENT_COLUMNS, fields)
    ]
    for name, selects, columns in (
        ("exposures", exposures, EXPOSURE_COLUMNS | attributes),
        ("events", events, EVENT_COLUMNS | fields),
    ):
        session.sql(f"create or replace view lake.{name} as {' union all '.join(selects or [_nothing(columns)])}")


def _selects(
    source_id: str, files: Sequence[LakeFile], columns: Mapping[str, str], fields: Mapping[str, str]
) -> list[str]:
    """A select for the source's files with the same fields: days stored before one was added lack it."""
    alike: dict[frozenset[str], list[Path]] = defaultdict(list)
    for file in files:
        if file.source_id == source_id:
            alike[file.fields].append(file.path)
    return [_select(source_id, paths, stored, columns, fields) for stored, paths in alike.items()]


def _select(
    source_id: str, paths: Sequence[Path], stored: frozenset[str], columns: Mapping[str, str], fields: Mapping[str, str]
) -> str:
    folder = re.sub(r"([][{}*?\\])", r"\\\1", str(paths[0].parent.parent)).replace("`", "``")
    below = ",".join(f"{path.parent.name}/{path.name}" for path in paths)
    files = f"{folder}/{below}" if len(paths) == 1 else f"{folder}/{{{below}}}"
    selected = [f"cast({name} as {SPARK_TYPES.get(kind, kind)}) as {name}" for name, kind in columns.items()]
    selected += [
        f"cast({name if name in stored else 'null'} as {SPARK_TYPES.get(kind, kind)}) as {name}"
        for name, kind in fields.items()
    ]
    day = "cast(regexp_extract(_metadata.file_path, 'log_date=([0-9-]+)', 1) as date) as log_date"
    return f"select '{source_id}' as source_id, {day}, {', '.join(selected)} from parquet.`{files}`"


def _nothing(columns: Mapping[str, str]) -> str:
    listed = ", ".join(f"cast(null as {SPARK_TYPES.get(kind, kind)}) as {name}" for name, kind in columns.items())
    return f"select cast(null as string) as source_id, cast(null as date) as log_date, {listed} where false"


def _escaped(path: Path) -> str:
    return str(path).replace("'", "''")
