"""A PostgreSQL server of the machine's own binaries, on a free port and in a temporary folder, for as long as a block.

`skip_reason()` says why there is none; root starts it as another user, which PostgreSQL asks for.
"""

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

USER, DATABASE = "equipoise", "postgres"
PASSWORD = "s3cret-of-the-test"
"""What a test looks for where no credential may be."""


@dataclass(frozen=True)
class Server:
    """How to reach a server."""

    port: int

    @property
    def url(self) -> str:
        """The database, with the password."""
        return f"postgresql://{USER}:{PASSWORD}@127.0.0.1:{self.port}/{DATABASE}"

    @property
    def environment(self) -> dict[str, str]:
        """The variables of `deploy/dagster.yaml`."""
        return {
            "EQUIPOISE_POSTGRES_HOST": "127.0.0.1",
            "EQUIPOISE_POSTGRES_PORT": str(self.port),
            "EQUIPOISE_POSTGRES_USER": USER,
            "EQUIPOISE_POSTGRES_PASSWORD": PASSWORD,
            "EQUIPOISE_POSTGRES_DB": DATABASE,
        }


def free_port() -> int:
    """A port of this machine that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def skip_reason() -> str:
    """Why no server can be started here; empty where one can."""
    if _binaries() is None:
        return "PostgreSQL's server is not installed (Debian: apt-get install postgresql)"
    if os.geteuid() == 0 and shutil.which("setpriv") is None:
        return "PostgreSQL does not run as root, and there is no setpriv to start it as another user"
    return ""


@contextmanager
def postgres_server() -> Iterator[Server]:
    """Start a server. Nobody but its user may enter pytest's folders, so that its data lie in one of their own."""
    binaries, port = _binaries(), free_port()
    assert binaries is not None, skip_reason()
    folder = Path(tempfile.mkdtemp(prefix="equipoise-postgres-"))
    data, password = folder / "data", folder / "password"
    password.write_text(PASSWORD)
    as_user: list[str] = []
    if os.geteuid() == 0:
        as_user = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"]
        for path in (folder, password):
            shutil.chown(path, "nobody", "nogroup")
    options = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1 -c fsync=off"
    initialise = [binaries / "initdb", "-D", data, "-U", USER, "-A", "scram-sha-256", "--pwfile", password]
    _run(as_user, [*initialise, "-E", "UTF8", "--locale=C", "--no-sync"])
    _run(as_user, [binaries / "pg_ctl", "-D", data, "-l", folder / "log", "-w", "-o", options, "start"])
    try:
        yield Server(port)
    finally:
        _run(as_user, [binaries / "pg_ctl", "-D", data, "-m", "immediate", "-w", "stop"])
        shutil.rmtree(folder)


def _binaries() -> Path | None:
    """The folder of `postgres` and `initdb`: Debian keeps them by version and out of the path."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: float(path.parts[-3]))
    on_path = shutil.which("postgres")
    candidates = [*found[::-1], *([Path(on_path).resolve()] if on_path else [])]
    return next((path.parent for path in candidates if (path.parent / "initdb").exists()), None)


def _run(as_user: list[str], command: list[str | Path]) -> None:
    subprocess.run(  # the server inherits what it is given: a pipe would never be closed
        [*as_user, *map(str, command)], check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, cwd="/"
    )
