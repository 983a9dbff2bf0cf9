"""Faults of the machine and of the state folder: what they mean, and what to do."""

import errno
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from orchestration.workspace import Workspace

UNCHANGED = "the results published before are unchanged"

_FULL = (errno.ENOSPC, errno.EDQUOT)
_NEARLY_FULL = 16 * 2**20


class StateError(RuntimeError):
    """The state folder cannot be used: says what is wrong, where, and what to do."""


@contextmanager
def faults_explained(workspace: Workspace) -> Iterator[None]:
    """Turn what libraries raise for a fault of the state folder into a StateError that says what to do."""
    import duckdb
    import yaml
    from sqlalchemy.exc import DBAPIError

    from orchestration.dbt_models import DbtError

    try:
        yield
    except OSError as error:
        if error.errno not in (*_FULL, errno.EROFS):
            raise
        where = error.filename or workspace.state
        raise StateError(with_advice(f"{where}: {error.strerror}", workspace)) from error
    except DBAPIError as error:  # only Dagster's history of runs is reached through SQLAlchemy
        raise StateError(with_advice(f"{workspace.dagster_home}: {error.orig}", workspace)) from error
    except yaml.YAMLError as error:  # of our own YAML, whatever is wrong is a ConfigError
        settings = workspace.dagster_home / "dagster.yaml"
        raise StateError(
            f"{error}\n  Dagster's settings are damaged: `rm {settings}` and run again, which writes our own anew; "
            f"restore yours from a backup; {UNCHANGED}."
        ) from error
    except (duckdb.Error, DbtError) as error:
        raise StateError(with_advice(str(error), workspace)) from error
    except Exception as error:
        if not isinstance(error.__cause__, DBAPIError):
            raise
        # Dagster's storage in PostgreSQL raises an exception of its own, which says only how often it tried.
        raise StateError(with_advice(str(error.__cause__.orig).strip(), workspace)) from error


def with_advice(message: str, workspace: Workspace) -> str:
    """The message, and where it tells of a known fault of the state folder, what to do about it."""
    for pattern, advice in _ADVICE:
        if found := re.search(pattern, message, re.IGNORECASE):
            return f"{message}\n  {advice(found, workspace)}"
    return f"{message}\n  {_disk_full(None, workspace)}" if _is_nearly_full(workspace) else message


def _is_nearly_full(workspace: Workspace) -> bool:
    """Whether that may be the cause of an error that does not say so: SQLite's "disk I/O error", for one."""
    return shutil.disk_usage(workspace.state).free < _NEARLY_FULL


def _disk_full(_: re.Match[str] | None, workspace: Workspace) -> str:
    return f"The disk of {workspace.state} is full: free some space and run the same days again; {UNCHANGED}."


def _read_only(_: re.Match[str], workspace: Workspace) -> str:
    return f"Make {workspace.state} writable, or give another folder with --state, and run again; {UNCHANGED}."


def _lake_file(found: re.Match[str], workspace: Workspace) -> str:
    source_id, log_date = found["source"], found["date"]
    return (
        f"That file of {source_id}, {log_date}, is missing or cut short. Read the day again from its log files: "
        f"`equipoise run --date {log_date}`; if they are gone, restore the file from a backup; {UNCHANGED}."
    )


def _warehouse(_: re.Match[str], workspace: Workspace) -> str:
    path = workspace.warehouse
    folder = workspace.state / "damaged"
    return (
        f"The warehouse {path} is damaged. It is built from the lake: move it away, "
        f"`mkdir -p {folder} && mv {path}* {folder}`, and run the last day again, which builds it anew; {UNCHANGED}."
    )


def _open_elsewhere(_: re.Match[str], workspace: Workspace) -> str:
    return (
        f"Another program has {workspace.warehouse} open, which is the pipeline's alone: end it and run again; "
        f"{UNCHANGED}. To look at results, open {workspace.state / 'results.duckdb'}."
    )


def _published(found: re.Match[str], _: Workspace) -> str:
    return f"The published database {found['file']} is damaged. Run the last day again, which publishes it anew."


def _memory(_: re.Match[str], __: Workspace) -> str:
    return (
        "DuckDB's memory limit was not enough, in small slices of the units either: set EQUIPOISE_MEMORY_LIMIT higher, "
        f"for example to 2GB (700MB unless set), and run the same days again; {UNCHANGED}."
    )


def _run_history(_: re.Match[str], workspace: Workspace) -> str:
    home = workspace.dagster_home
    return (
        "Dagster's history of runs is damaged. It holds no result: move it away, "
        f"`mv {home} {home}.damaged`, and run again; {UNCHANGED}."
    )


def _database(_: re.Match[str], __: Workspace) -> str:
    return (
        "Dagster's database cannot be reached: is PostgreSQL up, and are EQUIPOISE_POSTGRES_HOST and the others those "
        f"that `dagster.yaml` means? Nothing was written; {UNCHANGED}."
    )


_DISK_FULL = r"no space left on device|disk is full|disk quota exceeded|out of disk space"
_DAMAGED = (
    r"not a valid duckdb database|corrupt database file|could not read enough bytes from file \"[^\"]*warehouse\.duckdb"
    r"|replaying wal|metadata pointer|failed to deserialize"
)
_ADVICE: tuple[tuple[str, Callable[[re.Match[str], Workspace], str]], ...] = (
    (_DISK_FULL, _disk_full),
    (r"out of memory error", _memory),
    (r"connection to server |could not translate host name", _database),
    (r"read-only file system|readonly database", _read_only),
    (r"(?P<source>[^/\"']+)/log_date=(?P<date>\d{4}-\d\d-\d\d)/(rows|quarantine)-\w+\.parquet", _lake_file),
    (r"could not set lock on file \"[^\"]*warehouse\.duckdb", _open_elsewhere),
    (r"(?P<file>[^\"']+/results\.duckdb)", _published),
    (_DAMAGED, _warehouse),
    (r"file is not a database|database disk image is malformed|file is encrypted", _run_history),
)
