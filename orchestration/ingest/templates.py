"""Renders the SQL of `sql/`: identifiers and literals are quoted here, nowhere else."""

from collections.abc import Iterable
from datetime import date, datetime
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

SqlValue = str | int | float | bool | date | datetime | None


def render(template: str, **values: Any) -> str:
    """The SQL of `sql/<template>.sql` with these values."""
    return _environment().get_template(f"{template}.sql").render(**values)


def identifier(name: str) -> str:
    """`name` as a quoted SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def literal(value: SqlValue | Iterable[SqlValue]) -> str:
    """`value` as an SQL literal; an iterable becomes a list."""
    if value is None:
        return "NULL"
    if isinstance(value, bool | int | float):
        return str(value)
    if isinstance(value, datetime):
        return f"TIMESTAMP '{value.isoformat(sep=' ')}'"
    if isinstance(value, date):
        return f"DATE '{value.isoformat()}'"
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    return "[" + ", ".join(literal(item) for item in value) + "]"


def glob_escaped(path: str) -> str:
    """`path` so that DuckDB reads this very file even when its name holds *, ? or [."""
    return "".join(f"[{character}]" if character in "*?[" else character for character in path)


def json_path(key: str) -> str:
    """The JSON path of a top-level key, whatever characters it holds."""
    return '$."' + key.replace("\\", "\\\\").replace('"', '\\"') + '"'


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("orchestration.ingest", "sql"),
        undefined=StrictUndefined,
        auto_reload=False,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=False,
    )
    environment.filters.update(glob_escaped=glob_escaped, identifier=identifier, json_path=json_path, literal=literal)
    return environment
