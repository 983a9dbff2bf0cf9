"""A PostgreSQL server, attached to DuckDB; its errors without the connection's text, which DuckDB repeats."""

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager

import duckdb

from orchestration.remote.errors import RemoteError
from orchestration.remote.extensions import load_extensions
from orchestration.remote.secrets import from_environment, passwords, redacted

_ATTEMPTS = 3
_FIRST_WAIT_SECONDS = 0.5
_CONNECT_SECONDS = 10
_UNREACHABLE = re.compile(r"connection refused|timed? ?out|no route|starting up|shutting down|too many|closed", re.I)
# Text of instants and floats must not depend on how the server is set up.
_SESSION = {"TimeZone": "UTC", "DateStyle": "ISO", "extra_float_digits": "1"}


class PostgresError(RemoteError):
    """The server cannot be reached, or refuses; says why, without credentials."""


class PostgresServer:
    """The server that an environment variable names, attached to a DuckDB connection under a name of its own."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, variable: str, *, read_only: bool) -> None:
        self.connection = connection
        self.variable = variable
        self.name = f"postgres_{variable.lower()}"
        self._read_only = read_only
        self._url = ""

    def attach(self) -> None:
        """Connect, with a second and third try where that may help. Raises PostgresError, MissingExtensionError.

        Raises UnsetVariableError when the environment has no such variable.
        """
        if self._url:
            return
        url = from_environment(self.variable)
        load_extensions(self.connection, "postgres_scanner")
        options = ", READ_ONLY" if self._read_only else ""
        dsn = _with_options(url).replace("'", "''")
        for attempt in range(_ATTEMPTS):
            try:
                self.connection.execute(f"ATTACH IF NOT EXISTS '{dsn}' AS {self.name} (TYPE postgres{options})")
                break
            except duckdb.Error as error:
                if attempt + 1 == _ATTEMPTS or not _UNREACHABLE.search(str(error)):
                    raise self._error(error, url) from None
                time.sleep(_FIRST_WAIT_SECONDS * 2**attempt)
        self._url = url

    def query(self, sql: str) -> list[tuple[object, ...]]:
        """The rows of a query in the server's own dialect."""
        with self.explained():
            return self.connection.execute(
                "FROM postgres_query($name, $sql)", {"name": self.name, "sql": sql}
            ).fetchall()

    def execute(self, sql: str) -> None:
        """Execute a statement of the server's own dialect."""
        with self.explained():
            self.connection.execute("CALL postgres_execute($name, $sql)", {"name": self.name, "sql": sql})

    @contextmanager
    def explained(self) -> Iterator[None]:
        """Turn DuckDB's errors into PostgresError, but for those of memory or of the disk on this machine."""
        try:
            yield
        except duckdb.OutOfMemoryException:
            raise
        except duckdb.Error as error:
            if re.search(r"no space left on device|disk quota", str(error), re.IGNORECASE):
                raise
            raise self._error(error, self._url) from None

    def _error(self, error: duckdb.Error, url: str) -> PostgresError:
        told = str(error).strip()
        # libpq's part is what helps; DuckDB puts the whole connection string before it.
        told = told.rpartition('": ')[2] if told.startswith("IO Error: Unable to connect") else told
        lines = [line.strip() for line in told.splitlines() if line.strip()]
        told = " ".join(lines[:2]) if lines else "no reason given"
        return PostgresError(f"the PostgreSQL server of {self.variable}: {redacted(told, passwords(url))}")


def _with_options(url: str) -> str:
    """The connection's text with a time limit and with settings of the session."""
    settings = " ".join(f"-c {name}={value}" for name, value in _SESSION.items())
    if "://" not in url:
        return f"{url} connect_timeout={_CONNECT_SECONDS} options='{settings}'"
    given = url.partition("?")[2]
    quoted = settings.replace("=", "%3D").replace(" ", "%20")
    added = [] if "connect_timeout=" in given else [f"connect_timeout={_CONNECT_SECONDS}"]
    added += [] if "options=" in given else [f"options={quoted}"]
    return url + ("&" if given else "?") + "&".join(added) if added else url
