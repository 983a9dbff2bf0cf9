"""What models must keep to so that they run on Spark too, told from their text: few have Spark at hand."""

import re
from pathlib import Path

import pytest

from orchestration.workspace import DBT_PROJECT_DIR

SQL = [
    path
    for folder in ("models", "macros", "tests")
    for path in sorted((DBT_PROJECT_DIR / folder).rglob("*.sql"))
    if "dialect" not in path.parts
]
MODELS = [path for path in SQL if "materialized='appended'" in path.read_text(encoding="utf-8")]


@pytest.mark.parametrize(
    ("pattern", "instead"),
    [
        (r"\bas varchar\b", "type_text()"),
        (r"\w::\w", "cast(… as …)"),
        (r"\bover \([a-z_]+ (order by|rows|range)\b", "a named window of its own: Spark extends none"),
        (r"\blead\([^()]+,[^()]+,", "coalesce(lead(…), …)"),
        (r"\bdbt\.(dateadd|datediff)\(", "date_plus, instant_plus_days, days_between"),
        (r"\bqualify\b|\bfilter \(where\b|\bdistinct on\b", "what every engine has"),
    ],
)
def test_no_model_has_sql_that_spark_lacks(pattern: str, instead: str) -> None:
    found = [
        f"{path.relative_to(DBT_PROJECT_DIR)}: {match.group()}"
        for path in SQL
        for match in re.finditer(pattern, re.sub(r"{#.*?#}", "", path.read_text(encoding="utf-8"), flags=re.S))
    ]
    assert not found, f"use {instead}"


@pytest.mark.parametrize("path", MODELS, ids=lambda path: path.stem)
def test_what_a_run_removes_of_a_table_is_how_spark_partitions_it(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    if "starts_empty=true" in text:
        return
    (removed,) = re.findall(r"forget_planned\(this, (\[.*?\])\)", text)
    dated_by = re.findall(r"dated_by=(\[.*?\])", text) or ["['as_of_date']"]
    assert dated_by == [removed]
