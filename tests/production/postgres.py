"""A PostgreSQL server of the machine's own binaries, on a free port and in a temporary folder, for as long as a block.

`skip_reason()` says why there is none; root starts it as another user, which PostgreSQL asks for.
"""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

USER, DATABASE = "equipoise", "dagster"


def free_port() -> int:
    """A port of this machine that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def server_binaries() -> Path | None:
    """The folder of `postgres` and `initdb`: Debian keeps them by version and out of the path."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: float(path.parts[-3]))
    on_path = shutil.which("postgres")
    candidates = [*found[::-1], *([Path(on_path)] if on_path else [])]
    return next((path.parent for path in candidates if (path.parent / "initdb").exists()), None)


def skip_reason() -> str:
    """Why no server can be started here; empty where one can."""
    if server_binaries() is None:
        return "PostgreSQL's server is not installed (Debian: apt-get install postgresql)"
    if os.geteuid() == 0 and (_other_user() is None or shutil.which("setpriv") is None):
        return "PostgreSQL does not run as root, and there is no user postgres and setpriv to start it with"
    return ""


@contextmanager
def postgres_server() -> Iterator[dict[str, str]]:
    """The environment variables of `deploy/dagster.yaml` for a server that lives as long as the block."""
    binaries, port = server_binaries(), free_port()
    assert binaries is not None, skip_reason()
    folder = Path(tempfile.mkdtemp(prefix="equipoise-postgres-", dir="/tmp"))
    user = _other_user() if os.geteuid() == 0 else None
    if user is not None:
        os.chown(folder, user.pw_uid, user.pw_gid)

    def execute(*command: str) -> None:
        prefix = ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"] if user else []
        with (folder.parent / f"{folder.name}.log").open("ab") as log:
            subprocess.run([*prefix, *command], check=True, cwd="/", stdout=log, stderr=log)

    data = str(folder / "data")
    execute(str(binaries / "initdb"), "-D", data, "-U", USER, "-A", "trust", "--no-sync", "--no-locale", "-E", "UTF8")
    options = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1 -c fsync=off -c max_connections=60"
    execute(str(binaries / "pg_ctl"), "-D", data, "-l", str(folder / "server.log"), "-o", options, "-w", "start")
    try:
        execute(str(binaries / "createdb"), "-h", "127.0.0.1", "-p", str(port), "-U", USER, DATABASE)
        yield {
            "EQUIPOISE_POSTGRES_HOST": "127.0.0.1",
            "EQUIPOISE_POSTGRES_PORT": str(port),
            "EQUIPOISE_POSTGRES_USER": USER,
            "EQUIPOISE_POSTGRES_PASSWORD": "not-asked-for",
            "EQUIPOISE_POSTGRES_DB": DATABASE,
        }
    finally:
        execute(str(binaries / "pg_ctl"), "-D", data, "-m", "immediate", "-w", "stop")
        shutil.rmtree(folder, ignore_errors=True)
        (folder.parent / f"{folder.name}.log").unlink(missing_ok=True)


def _other_user() -> pwd.struct_passwd | None:
    try:
        return pwd.getpwnam("postgres")
    except KeyError:
        return None
