"""Publishing: a run's tables beside the old ones, made current by one rename."""

import os
import shutil
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import duckdb

from orchestration.faults import StateError

RUNS_KEPT = 3
_UNFINISHED = ".unfinished-"
_REMOVED = ".removed-"
_PARQUET_MARK = b"PAR1"
_SYNC_THREADS = 16


@dataclass(frozen=True)
class PublishedTable:
    """A published table: its SQL over the warehouse, its partition column if any, and its order."""

    name: str
    query: str
    partition: str | None = None
    order: str = "all"


def publish(
    connection: duckdb.DuckDBPyConnection,
    tables: list[PublishedTable],
    *,
    state: Path,
    run_id: str,
    changed: Mapping[str, set[date] | None],
) -> Path:
    """Write every table to `runs/<run_id>/` and point `results` at it.

    Partitions that did not change are hard links to the run before. Readers see the old run or the new one, never a
    mixture; a failure at any point leaves the old one current. All is on disk before it becomes current. Raises
    StateError when `results` is no link.

    Args:
        connection: the warehouse.
        tables: what to publish.
        state: the state folder.
        run_id: the name of the run's folder.
        changed: for a partitioned table the partitions to write anew; None or absent: all.

    Returns: the run's folder.

    """
    runs = state / "runs"
    runs.mkdir(parents=True, exist_ok=True)
    _require_link(state / "results")
    for leftover in unfinished(state):
        shutil.rmtree(leftover, ignore_errors=True)  # a link, or a file that a reader holds open on a network disk
    previous = current_run(state)
    folder = runs / f"{_UNFINISHED}{run_id}"
    folder.mkdir()
    try:
        for table in tables:
            _write_table(connection, table, folder, previous, changed.get(table.name))
        _write_database(tables, folder)
        sync_to_disk(_new_files(folder))
        sync_to_disk([folder, *(path for path in folder.rglob("*") if path.is_dir())])
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)  # it may be what fills the disk
        raise
    final = _free_name(runs, run_id)
    folder.rename(final)
    sync_to_disk([runs])
    # Before the first run is current this link leads nowhere; after that it is never touched.
    if not (state / "results.duckdb").is_symlink():
        _point(state / "results.duckdb", Path("results") / "results.duckdb")
    _point(state / "results", Path("runs") / final.name)
    sync_to_disk([state])
    _forget_old_runs(runs, final)
    return final


def current_run(state: Path) -> Path | None:
    """The folder of the run that is published now."""
    link = state / "results"
    return link.resolve() if link.is_symlink() and link.exists() else None


def unfinished(state: Path) -> list[Path]:
    """What a publication that died left: folders half written or half removed, and links not yet in place."""
    runs = state / "runs"
    return [*runs.glob(f"{_UNFINISHED}*"), *runs.glob(f"{_REMOVED}*"), *state.glob(".results*-new")]


def is_whole(path: Path) -> bool:
    """Whether a Parquet file, or every one in a folder, has its beginning and its end."""
    if path.is_dir():
        return all(is_whole(part) for part in path.rglob("*.parquet"))
    with path.open("rb") as file:
        start = file.read(len(_PARQUET_MARK))
        if file.seek(0, os.SEEK_END) < 3 * len(_PARQUET_MARK):
            return False
        file.seek(-len(_PARQUET_MARK), os.SEEK_END)
        return start == file.read() == _PARQUET_MARK


def link_or_copy(source: Path, target: Path) -> None:
    """A second name for a file; a copy where the file system has none, or does not allow one of another user's file.

    Raises FileNotFoundError when the file is not there.
    """
    try:
        os.link(source, target)
    except FileNotFoundError:
        raise
    except OSError:
        shutil.copyfile(source, target)


def _require_link(results: Path) -> None:
    if results.is_dir() and not results.is_symlink():
        raise StateError(
            f"{results} is a folder, and must be a link to the published run; a copy of the state that follows links "
            f"makes it one: `mv {results} {results}.copied`, and run again, which publishes everything anew"
        )


def _free_name(runs: Path, run_id: str) -> Path:
    """A folder for the run; a run that publishes twice (a retried step) gets a second one."""
    candidate, attempt = runs / run_id, 1
    while candidate.exists():
        attempt += 1
        candidate = runs / f"{run_id}-{attempt}"
    return candidate


def _write_table(
    connection: duckdb.DuckDBPyConnection,
    table: PublishedTable,
    folder: Path,
    previous: Path | None,
    changed: set[date] | None,
) -> None:
    target = folder / table.name
    target.mkdir()
    connection.execute(f"create or replace temp view published as {table.query}")
    if table.partition is None:
        _copy(connection, f"select * from published order by {table.order}", target / "part.parquet")
        return
    column = table.partition
    present = [row[0] for row in connection.execute(f"select distinct {column} from published").fetchall()]
    for value in sorted(present):
        part = Path(f"{column}={value.isoformat()}") / "part.parquet"
        (target / part).parent.mkdir()
        old = previous / table.name / part if previous is not None else None
        if old is not None and changed is not None and value not in changed and old.exists() and is_whole(old):
            link_or_copy(old, target / part)
            continue
        rows = f"select * from published where {column} = date '{value.isoformat()}' order by {table.order}"
        _copy(connection, rows, target / part)
    if not present:
        _copy(connection, "select * from published", target / "part.parquet")


def _copy(connection: duckdb.DuckDBPyConnection, query: str, path: Path) -> None:
    escaped = str(path).replace("'", "''")
    connection.execute(f"copy ({query}) to '{escaped}' (format parquet, compression zstd)")


def _write_database(tables: list[PublishedTable], folder: Path) -> None:
    with duckdb.connect(str(folder / "results.duckdb"), config={"storage_compatibility_version": "v1.5.0"}) as database:
        for table in tables:
            files = str(folder / table.name / "**" / "*.parquet").replace("'", "''")
            # The partition column is in the files too, so the folder names need no parsing.
            rows = f"read_parquet('{files}', hive_partitioning = false, union_by_name = true)"
            database.execute(f"create table {table.name} as from {rows}")


def _point(link: Path, target: Path) -> None:
    temporary = link.with_name(f".{link.name}-new")
    temporary.unlink(missing_ok=True)
    temporary.symlink_to(target)
    temporary.replace(link)


def _forget_old_runs(runs: Path, newest: Path) -> None:
    """Remove all but the last runs, each in one step for a reader who still looks for its files."""
    finished = sorted(
        (path for path in runs.iterdir() if path.is_dir() and path != newest and not path.name.startswith(".")),
        key=lambda path: path.stat().st_mtime_ns,
        reverse=True,
    )
    for old in finished[RUNS_KEPT - 1 :]:
        with suppress(OSError):  # the new run is published; what cannot be removed now, a later one removes
            shutil.rmtree(old.rename(runs / f"{_REMOVED}{old.name}"))


def _new_files(folder: Path) -> Iterable[Path]:
    """The files of the run that are no links to the run before."""
    return (path for path in folder.rglob("*") if path.is_file() and path.stat().st_nlink == 1)


def sync_to_disk(paths: Iterable[Path]) -> None:
    """Have the file system write these files or folders to disk; together, which is much faster than in turn."""
    with ThreadPoolExecutor(_SYNC_THREADS) as pool:
        list(pool.map(_sync_one, paths))


def _sync_one(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
