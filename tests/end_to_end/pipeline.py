"""Running the pipeline in a test, and reading what it published the way a user does."""

import io
import os
import shutil
import sys
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

import duckdb
import pandas as pd
import pytest

from orchestration.cli import main
from orchestration.runs import RunOutcome, run_days
from orchestration.workspace import Workspace

NULLABLE = {"bool": "boolean", "int32": "Int32", "int64": "Int64"}


@contextmanager
def environment_kept():
    """A run points the process's environment at its workspace; undo that."""
    before = dict(os.environ)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


@dataclass(frozen=True)
class Printed:
    """What a command left behind."""

    status: int
    out: str
    err: str


def command(workspace: Workspace, *arguments: str) -> Printed:
    """Run the console script's entry point in this process."""
    folders = [f"--{name}={getattr(workspace, name)}" for name in ("configs", "data", "state")]
    status, out, err = 0, io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, environment_kept(), redirect_stdout(out), redirect_stderr(err):
        patch.setattr(sys, "argv", ["equipoise", *folders, *arguments])
        try:
            main()
        except SystemExit as ended:
            status = int(ended.code or 0)
    return Printed(status, out.getvalue(), err.getvalue())


def run(workspace: Workspace, first: date, last: date) -> RunOutcome:
    """Run log dates; a run that publishes nothing fails the test with the run's own words."""
    outcome = try_run(workspace, first, last)
    assert outcome.published, outcome.errors
    return outcome


def try_run(workspace: Workspace, first: date, last: date) -> RunOutcome:
    with environment_kept():
        return run_days(workspace, first, last)


def copy_of(workspace: Workspace, folder: Path, *parts: str) -> Workspace:
    """The workspace with `configs`, `data` or `state` copied into `folder`, for a test to change."""
    for part in parts:
        shutil.copytree(getattr(workspace, part), folder / part, symlinks=True)
    return replace(workspace, **{part: folder / part for part in parts})


def tables(state: Path) -> dict[str, pd.DataFrame]:
    """Every published table, in one order."""
    with duckdb.connect(str((state / "results.duckdb").resolve()), read_only=True) as connection:
        names = [name for (name,) in connection.execute("select table_name from duckdb_tables()").fetchall()]
        return {name: rows(connection, f"from {name} order by all") for name in sorted(names)}


def rows(connection: duckdb.DuckDBPyConnection, query: str) -> pd.DataFrame:
    """The rows of a query, with types that do not depend on whether values are missing."""
    frame = connection.execute(query).df()
    types = {name: NULLABLE[str(dtype)] for name, dtype in frame.dtypes.items() if str(dtype) in NULLABLE}
    if frame.empty:  # DuckDB gives text another type where there is none
        types |= dict.fromkeys(frame.select_dtypes("object"), "str")
    return frame.astype(types)


def table(state: Path, name: str, **equal: object) -> pd.DataFrame:
    """The rows of one published table whose columns equal the values given."""
    frame = tables(state)[name]
    for column, value in equal.items():
        frame = frame[frame[column] == (pd.Timestamp(value) if isinstance(value, date) else value)]
    return frame.reset_index(drop=True)


def assert_same_results(left: Path, right: Path, *, apart_from: str = "") -> None:
    """Every published table is the same to the last bit, apart from the rows of a health check."""
    first, second = tables(left), tables(right)
    assert first.keys() == second.keys()
    for name, frame in first.items():
        pair = (without_check(one, apart_from) for one in (frame, second[name]))
        pd.testing.assert_frame_equal(*pair, check_exact=True, obj=name)


def without_check(frame: pd.DataFrame, name: str) -> pd.DataFrame:
    """A table without the rows of a health check."""
    return frame[frame["check_name"] != name].reset_index(drop=True) if "check_name" in frame else frame
