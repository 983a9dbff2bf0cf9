"""A bounded sample of a day's rows: chosen by hash, so the same ones every time, and all copies of a row or none."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import duckdb
import pandas as pd

from orchestration.audit import DayContract, DaySuite
from orchestration.ingest.templates import glob_escaped, render

SAMPLE_ROWS = 10_000


def sample_columns(contract: DayContract, suite: DaySuite) -> list[str]:
    """The lake's columns that the contract and the suite look at, and by which a row is found again."""
    of_suite = [suite.columns[name].lake_name for name in suite.sampled]
    found_by = ["unit_id"] if of_suite else []
    return list(dict.fromkeys([*contract.identity, contract.instant, *contract.value_sets, *found_by, *of_suite]))


def sample_rows(
    connection: duckdb.DuckDBPyConnection, rows: Path, columns: Iterable[str], identity: Sequence[str], n_rows: int
) -> pd.DataFrame:
    """At most 10,000 of the `n_rows` rows in a file of the lake."""
    query = render(
        "sample_rows",
        path=glob_escaped(str(rows)),
        columns=list(columns),
        identity=identity,
        every=-(-n_rows // SAMPLE_ROWS),
        size=SAMPLE_ROWS,
    )
    return connection.execute(query).df()
