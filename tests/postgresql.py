"""A PostgreSQL server of a test's own, from the binaries that are installed."""

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

_BINARIES = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
_PASSWORD = "s3cret-of-the-test"  # what a test looks for where no credential may be


@contextmanager
def postgres_server(folder: Path) -> Iterator[str]:
    """Start a server whose data lie in `folder`; yields its URL, with the password. Skips where none is installed."""
    found = shutil.which("initdb") or next((str(path / "initdb") for path in reversed(_BINARIES)), None)
    if found is None:
        pytest.skip("PostgreSQL is not installed: `apt-get install postgresql`")
    binaries = Path(found).resolve().parent
    as_user: list[str] = []
    if os.geteuid() == 0:  # the server refuses to run as root, and nobody else may enter pytest's folders
        as_user = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"]
        folder = Path(tempfile.mkdtemp(prefix="equipoise-server-"))
    folder.mkdir(parents=True, exist_ok=True)
    data, password, port = folder / "data", folder / "password", _free_port()
    password.write_text(_PASSWORD)
    for path in (folder, password) if as_user else ():
        shutil.chown(path, "nobody", "nogroup")
    options = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1 -c fsync=off -c shared_buffers=16MB"
    initialise = [binaries / "initdb", "-D", data, "-U", "equipoise", "-A", "scram-sha-256", "--pwfile", password]
    _run(as_user, [*initialise, "-E", "UTF8", "--locale=C", "--no-sync"])
    _run(as_user, [binaries / "pg_ctl", "-D", data, "-l", folder / "log", "-w", "-o", options, "start"])
    try:
        yield f"postgresql://equipoise:{_PASSWORD}@127.0.0.1:{port}/postgres"
    finally:
        _run(as_user, [binaries / "pg_ctl", "-D", data, "-m", "immediate", "stop"])
        shutil.rmtree(folder)


def _run(as_user: list[str], command: list[str | Path]) -> None:
    subprocess.run(  # the server inherits what it is given: a pipe would never be closed
        [*as_user, *map(str, command)], check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, cwd="/"
    )


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])
