"""The state folder: can be written, replaced and locked; has room; its databases open; what it holds and how old."""

import fcntl
import os
import shutil
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

import duckdb

from orchestration.doctor.finding import Finding, fail, fine, megabytes, warn
from orchestration.lock import holder, is_locked, kept_out
from orchestration.publish import current_run
from orchestration.workspace import Workspace

OLDEST_HOURS = 36
"""Of the last publication where the daily run does not come late: a day, and half a day."""

FOLDERS = ("lake", "configs", "generated", "dagster", "dbt", "runs", "superseded", "run_configuration", "waiting")
_SHOWN = 5


def state_folder(workspace: Workspace) -> Finding:
    """Files in it can be written and replaced in one step, links made, and all of it is one file system."""
    state = workspace.state
    try:
        state.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="doctor-", suffix=".tmp", dir=state) as folder:
            _replace_and_link(Path(folder))
    except OSError as error:
        advice = f"make {state} writable for uid {os.getuid()}, on a file system with renames and symbolic links"
        return fail(f"{error.filename or state}: {error.strerror}", advice)
    device = state.stat().st_dev
    elsewhere = [name for name in FOLDERS if (state / name).exists() and (state / name).stat().st_dev != device]
    if elsewhere:
        message = (
            f"{', '.join(elsewhere)} of {state} are on another file system: replacing a file there is not one step"
        )
        return fail(message, "mount one volume at the state folder itself")
    return fine(f"{state} is writable, on one file system")


def _replace_and_link(folder: Path) -> None:
    old, new = folder / "old", folder / "new"
    old.write_bytes(b"old")
    new.write_bytes(b"new")
    new.replace(old)
    link = folder / "link"
    link.symlink_to(old)
    if link.read_bytes() != b"new":
        raise OSError(0, "a replaced file has its old content", str(old))


def lock(workspace: Workspace) -> Finding:
    """The writer lock keeps a second writer out; who holds it, if somebody does."""
    probe = workspace.state / f"doctor-{os.getpid()}.tmp"
    try:
        with probe.open("w") as first, probe.open("w") as second:
            if _can_lock(first) and _can_lock(second):
                advice = "put it on a file system with flock (local, or NFS 4)"
                return fail(f"two writers can lock one file in {workspace.state}", advice)
        is_held, owner = is_locked(workspace.lock), holder(workspace.lock)
    except OSError as error:
        return fail(f"{workspace.lock}: {error.strerror}", "put the state folder on a file system with flock")
    finally:
        probe.unlink(missing_ok=True)
    named = f"{owner} ({owner.age})" if owner is not None else "somebody who did not say who"
    if is_held:
        return warn(f"held by {named}", "nothing, while a run works; `ps` shows whether that process does")
    if owner is not None:
        return warn(f"free, and its last writer died: {named}", "the next run clears what it left")
    return fine("free")


def _can_lock(file: TextIO) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def disk(workspace: Workspace) -> Finding:
    """Free space against what the last run wrote, and the warehouse, which a rebuild writes once more."""
    free = shutil.disk_usage(workspace.state).free
    run = current_run(workspace.state)
    written = _own_size(run) if run is not None else 0
    warehouse = workspace.warehouse.stat().st_size if workspace.warehouse.exists() else 0
    message = (
        f"{megabytes(free)} free; the last run wrote {megabytes(written)}, the warehouse has {megabytes(warehouse)}"
    )
    if free < 2 * written or free < 64e6:
        return fail(message, "free some space: the next run would fail, and leave the results as they are")
    if free < 3 * written + warehouse:
        return warn(message, "free some space: a changed configuration may need the warehouse's size once more")
    return fine(message)


def _own_size(folder: Path) -> int:
    """Of files that are no links to a run before."""
    stats = (path.stat() for path in folder.rglob("*") if path.is_file())
    return sum(stat.st_size for stat in stats if stat.st_nlink == 1)


def duck_db(workspace: Workspace) -> Finding:
    """DuckDB opens, and the warehouse and the published database with it; the warehouse only while nobody writes."""
    version = duckdb.__version__
    try:
        with duckdb.connect() as connection:
            connection.execute("select 1")
        published = current_run(workspace.state)
        if published is not None:
            with duckdb.connect(str(published / "results.duckdb"), read_only=True) as connection:
                connection.execute("select count(*) from decisions").fetchall()
        if not workspace.warehouse.exists():
            return fine(f"{version}; no warehouse yet")
        with kept_out(workspace.lock) as is_free:
            if not is_free:
                return fine(f"{version}; the warehouse is in use")
            with duckdb.connect(str(workspace.warehouse), read_only=True) as connection:
                tables = connection.execute("select count(*) from information_schema.tables").fetchall()[0][0]
    except duckdb.Error as error:
        return fail(f"{version}: {str(error).splitlines()[0]}", "docs/runbook.md, corrupted_state")
    return fine(f"{version}; {tables} tables in the warehouse")


def last_publication(workspace: Workspace) -> Finding:
    """How long ago the results that people read were published."""
    run = current_run(workspace.state)
    if run is None:
        return warn("nothing was ever published", "`equipoise run --date YYYY-MM-DD`")
    hours = (time.time() - run.stat().st_mtime) / 3600
    at = datetime.fromtimestamp(run.stat().st_mtime, UTC)
    message = f"{at:%Y-%m-%d %H:%M} UTC, {hours:.0f} hours ago, by run {run.name}"
    if hours > OLDEST_HOURS:
        advice = "look at the last run: `equipoise alerts list`, Dagster's list of runs; is the daemon, or cron, on?"
        return warn(message, advice)
    return fine(message)


def sizes(workspace: Workspace) -> Finding:
    """What takes the room, the largest first."""
    entries = [path for path in workspace.state.iterdir() if not path.is_symlink()] if workspace.state.exists() else []
    found = sorted(((_size(path), path.name) for path in entries), reverse=True)
    listed = ", ".join(f"{name} {megabytes(size)}" for size, name in found[:_SHOWN])
    message = f"{megabytes(sum(size for size, _ in found))} in all: {listed}" if found else "empty"
    by_name = {name: size for size, name in found}
    if by_name.get("dagster", 0) > max(1e9, by_name.get("lake", 0)):
        return warn(message, "prune Dagster's records: `equipoise prune --older-than DAYS`, docs/deployment.md")
    return fine(message)


def _size(path: Path) -> int:
    """Of a file or folder; a file with several names counts once."""
    files = path.rglob("*") if path.is_dir() else [path]
    stats = [file.lstat() for file in files if not file.is_symlink() and file.is_file()]
    return sum({stat.st_ino: stat.st_size for stat in stats}.values())
