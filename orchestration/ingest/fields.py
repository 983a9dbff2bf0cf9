"""What a source's rows hold, and how a log column of a given type is read into each field."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from configs.schema import EventSource, ExposureSource
from orchestration.audit import NamedColumn
from orchestration.ingest.errors import BadFileError

LogSource = ExposureSource | EventSource
Kind = Literal["identifier", "instant", "measure", "attribute"]
Reading = Literal["text", "cast", "float", "instant", "zoned_instant", "decimal", "single", "double"]

_WHOLE = {
    "TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT",
    "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "UHUGEINT",
}  # fmt: skip
_FLOATING = {"FLOAT", "DOUBLE"}
_LOCAL_INSTANTS = {"TIMESTAMP", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS"}
_EXPECTED: Mapping[Kind, str] = {
    "identifier": "text, a whole number or a UUID",
    "instant": "a timestamp or ISO 8601 text (epoch numbers do not say their unit)",
    "measure": "a number or text that holds one",
    "attribute": "text, a number, a boolean or a date",
}


@dataclass(frozen=True)
class Field:
    """A field of the row contract: `name` in the lake, `label` in reasons, `column` in the log.

    `expected`: of the field that holds a measure's unit, the unit of amounts that count.
    """

    name: str
    label: str
    column: str
    kind: Kind
    required: bool
    decimals: int = 0
    expected: str = ""


@dataclass(frozen=True)
class BoundField:
    """A field as one file holds it: `reading` says how its column's type is read."""

    field: Field
    reading: Reading


def fields_of(source: LogSource) -> tuple[Field, ...]:
    """The fields of a source, required ones first, in the order of the lake's columns."""
    columns = source.columns.model_dump(exclude_none=True)
    fields = [
        Field(name, name, column, "instant" if name.endswith("_at") else "identifier", required=True)
        for name, column in columns.items()
    ]
    if isinstance(source, ExposureSource):
        return (*fields, *(_attribute(f"a_{name}", name) for name in source.attributes))
    measures = (
        Field(f"m_{name}", name, measure.column, "measure", required=False, decimals=measure.decimals)
        for name, measure in source.measures.items()
    )
    units = (
        Field(f"u_{name}", name, measure.unit_column, "attribute", required=False, expected=measure.unit)
        for name, measure in source.measures.items()
        if measure.unit_column
    )
    return (*fields, *measures, *units, *(_attribute(f"p_{name}", name) for name in source.properties))


def _attribute(name: str, column: str) -> Field:
    return Field(name, column, column, "attribute", required=False)


def instant_column(source: LogSource) -> str:
    """The lake's column that says when a row happened."""
    return "exposed_at" if isinstance(source, ExposureSource) else "occurred_at"


def date_column(source: LogSource) -> str:
    """The lake's column with the local date of that instant."""
    return instant_column(source).removesuffix("_at") + "_date"


def lake_columns(source: LogSource) -> tuple[tuple[str, str], ...]:
    """Name and type of the lake's columns for this source, in order."""
    ids = ("unit_id", "experiment_id", "variant_id")
    if isinstance(source, EventSource):
        ids = ("event_id", "unit_id", "event_name")
    optional = (
        (field.name, "BIGINT" if field.kind == "measure" else "VARCHAR")
        for field in fields_of(source)
        if not field.required
    )
    return (
        *((name, "VARCHAR") for name in ids),
        (instant_column(source), "TIMESTAMP"),
        (date_column(source), "DATE"),
        ("known_from", "DATE"),
        *optional,
    )


def suite_columns(source: LogSource) -> dict[str, NamedColumn]:
    """The columns that a suite may name: ids by their field, measures and the others as in `sources.yaml`."""
    return {
        field.label: NamedColumn(field.name, field.decimals if field.kind == "measure" else None)
        for field in fields_of(source)
        if field.kind != "instant"
    }


def identity(source: LogSource) -> tuple[str, ...]:
    """The lake's columns that make two rows the same one."""
    if isinstance(source, EventSource) and source.columns.event_id is not None:
        return ("event_id",)
    return tuple(field.name for field in fields_of(source))


def bind(fields: tuple[Field, ...], types: Mapping[str, str]) -> tuple[BoundField, ...]:
    """Fields with the reading that fits their column's DuckDB type.

    Raises BadFileError when a column's type cannot hold its field.
    """
    bound = []
    for field in fields:
        reading = _reading(field.kind, types[field.column])
        if reading is None:
            raise BadFileError(
                f"column {field.column!r} has type {types[field.column]}; {field.label} takes {_EXPECTED[field.kind]}"
            )
        bound.append(BoundField(field, reading))
    return tuple(bound)


def require_columns(fields: tuple[Field, ...], found: list[str]) -> None:
    """Raises BadFileError unless `found` holds the column of every field exactly once.

    Two names that differ by case only count as the same one, because SQL cannot tell them apart.
    """
    for field in fields:
        if field.column not in found:
            raise BadFileError(f"column {field.column!r} ({field.label}) is missing; found: {_listed(found)}")
        if sum(name.lower() == field.column.lower() for name in found) > 1:
            raise BadFileError(f"column {field.column!r} ({field.label}) is there twice; found: {_listed(found)}")


def _listed(found: list[str], limit: int = 20) -> str:
    names = ", ".join(found[:limit]) or "none"
    return names if len(found) <= limit else f"{names}, … ({len(found)} columns)"


def _reading(kind: Kind, column_type: str) -> Reading | None:
    decimal = re.fullmatch(r"DECIMAL\(\d+,(\d+)\)", column_type)
    is_text = column_type == "VARCHAR" or column_type.startswith("ENUM(")
    if kind == "instant":
        if column_type in _LOCAL_INSTANTS:
            return "instant"
        return "zoned_instant" if column_type == "TIMESTAMP WITH TIME ZONE" else "text" if is_text else None
    if is_text:
        return "text"
    if kind == "measure":
        if column_type in _FLOATING:
            return "double" if column_type == "DOUBLE" else "single"
        return "decimal" if column_type in _WHOLE or decimal else None
    if column_type in _FLOATING:
        return "float"
    if column_type in _WHOLE | {"UUID", "BOOLEAN"} or (decimal and decimal[1] == "0"):
        return "cast"
    return "cast" if kind == "attribute" and (decimal or column_type in {"DATE"} | _LOCAL_INSTANTS) else None
