"""The folder that holds an Iceberg or Delta table, on this machine or in an object store."""

from abc import ABC, abstractmethod
from pathlib import Path
from urllib.parse import urlsplit

import duckdb

from orchestration.ingest.templates import identifier, literal
from orchestration.remote.errors import RemoteError
from orchestration.remote.object_store import ObjectStore, StoreSecret
from orchestration.remote.secrets import redacted


class UnreadableTableError(RemoteError):
    """A folder that is not the table it should be."""


class TableFolder(ABC):
    """Names and small files of a table, and how DuckDB reaches the rest."""

    extensions: tuple[str, ...] = ()

    @abstractmethod
    def names(self, folder: str) -> list[str]:
        """Files directly in a folder of the table; none where there is no such folder."""

    @abstractmethod
    def read(self, path: str) -> str:
        """A small file of the table as text."""

    @abstractmethod
    def location(self, path: str) -> str:
        """What DuckDB calls a path of the table."""

    @abstractmethod
    def give_access(self, connection: duckdb.DuckDBPyConnection, name: str, scope: str) -> None:
        """Let the connection read the table."""

    def redacted(self, message: str) -> str:
        """The message without credentials."""
        return redacted(message)


class LocalFolder(TableFolder):
    """A folder below the data root."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def names(self, folder: str) -> list[str]:
        """Files directly in a folder of the table."""
        try:
            return sorted(path.name for path in (self._root / folder).iterdir())
        except (FileNotFoundError, NotADirectoryError):
            return []
        except OSError as error:
            raise UnreadableTableError(f"{error.filename}: {error.strerror}") from error

    def read(self, path: str) -> str:
        """A small file of the table as text."""
        return (self._root / path).read_text(encoding="utf-8")

    def location(self, path: str) -> str:
        """The absolute path."""
        return str(self._root / path)

    def give_access(self, connection: duckdb.DuckDBPyConnection, name: str, scope: str) -> None:
        """Files of this machine need none."""


class StoredFolder(TableFolder):
    """Objects below a prefix."""

    extensions = ("httpfs",)

    def __init__(self, store: ObjectStore, prefix: str) -> None:
        self._store = store
        self._prefix = prefix
        self._secret: StoreSecret | None = None

    def names(self, folder: str) -> list[str]:
        """Objects directly below a prefix of the table."""
        begin = f"{self._prefix}/{folder}/"
        found = (stored.key.removeprefix(begin) for stored in self._store.listing(begin))
        return sorted(name for name in found if name and "/" not in name)

    def read(self, path: str) -> str:
        """A small object of the table as text."""
        content = self._store.read(f"{self._prefix}/{path}")
        return "" if content is None else content.decode("utf-8")

    def location(self, path: str) -> str:
        """The URL."""
        return f"s3://{self._store.bucket}/{self._prefix}/{path}".rstrip("/")

    def give_access(self, connection: duckdb.DuckDBPyConnection, name: str, scope: str) -> None:
        """A secret of this connection's, from the environment, that is good for the table alone."""
        found = self._secret = self._store.secret()
        endpoint = urlsplit(found.endpoint)
        options = {"KEY_ID": found.key_id, "SECRET": found.secret, "REGION": found.region, "SCOPE": scope}
        if found.token:
            options["SESSION_TOKEN"] = found.token
        if found.endpoint:
            options |= {"ENDPOINT": endpoint.netloc + endpoint.path.rstrip("/"), "URL_STYLE": "path"}
        listed = ", ".join(f"{key} {literal(value)}" for key, value in options.items())
        use_ssl = "false" if endpoint.scheme == "http" else "true"
        try:
            connection.execute(f"CREATE OR REPLACE SECRET {identifier(name)} (TYPE s3, {listed}, USE_SSL {use_ssl})")
        except duckdb.Error as error:  # it quotes the statement
            raise UnreadableTableError(f"{scope}: {self.redacted(str(error))}") from None

    def redacted(self, message: str) -> str:
        """The message without the secrets that were given to DuckDB."""
        found = self._secret
        return redacted(message, [found.key_id, found.secret, found.token] if found is not None else [])
