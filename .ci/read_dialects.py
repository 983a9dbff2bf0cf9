"""Write the compiled models in the SQL of other engines, and read that again as they would.

What it shows is that each construct of the models has a counterpart there that sqlglot knows. It runs nothing, so it
says nothing of types, nor of whether the results are the same.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

import sqlglot
from sqlglot import ErrorLevel, exp
from sqlglot.errors import SqlglotError

DIALECTS = ("bigquery", "snowflake", "trino")
LISTS_IN_ORDER = (exp.ArraySort, exp.ArrayDistinct)


def faults(path: Path) -> Iterator[str]:
    """What of a compiled model has no counterpart in a dialect, or is not read there."""
    statement = sqlglot.parse_one(path.read_text(encoding="utf-8"), read="duckdb")
    for dialect in DIALECTS:
        try:
            written = _as_in(dialect, statement).sql(dialect, unsupported_level=ErrorLevel.RAISE)
            sqlglot.parse_one(written, read=dialect)
        except SqlglotError as error:
            yield f"{path.name}: {dialect}: {error}"


def _as_in(dialect: str, statement: exp.Expression) -> exp.Expression:
    """The statement as macros of the dialect would write it.

    BigQuery's windows know its own order of NULLs alone; models order by what is never NULL, and by attributes, of
    which they say where NULLs go. It has no function that sorts a list: `list_where` and sets of texts in
    `macros/dialect` would be sub-queries there, and their lists are read as they are collected.
    """
    if dialect != "bigquery":
        return statement
    statement = statement.copy()
    while listed := statement.find(*LISTS_IN_ORDER):
        listed.replace(listed.this)
    for ordered in statement.find_all(exp.Ordered):
        if not ordered.this.name.startswith("a_"):
            ordered.set("nulls_first", not ordered.args.get("desc"))
    return statement


def main() -> int:
    """Exit status: 0 when every model is read in every dialect."""
    paths = sorted(Path(sys.argv[1]).rglob("*.sql"))
    found = [fault for path in paths for fault in faults(path)]
    print("\n".join(found) or f"{len(paths)} compiled queries are read as {', '.join(DIALECTS)}")
    return 1 if found or not paths else 0


if __name__ == "__main__":
    sys.exit(main())
