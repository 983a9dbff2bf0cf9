"""DuckDB's extensions, loaded from the packages that `pip` installed: nothing is downloaded while a run works."""

from importlib.resources import files

import duckdb

from orchestration.remote.errors import RemoteError

EXTRAS = {"httpfs": "lakes", "avro": "lakes", "iceberg": "lakes", "delta": "lakes", "postgres_scanner": "postgres"}
"""Which extra of Equipoise brings each."""


class MissingExtensionError(RemoteError):
    """An extension is not installed, or not for this version of DuckDB; says what to install."""


def load_extensions(connection: duckdb.DuckDBPyConnection, *names: str) -> None:
    """Load extensions of DuckDB into a connection.

    Raises MissingExtensionError.
    """
    connection.execute("SET autoinstall_known_extensions = false")
    for name in names:
        path = _file(name)
        try:
            connection.execute(f"LOAD '{path}'")
        except duckdb.Error as error:
            raise MissingExtensionError(f"DuckDB's extension {name} cannot be loaded: {error}") from error


def _file(name: str) -> str:
    package = f"duckdb-extension-{name.replace('_', '-')}"
    try:
        found = files(f"duckdb_extension_{name}")
    except ModuleNotFoundError as error:
        raise MissingExtensionError(
            f"needs {package}: install it with `pip install 'equipoise[{EXTRAS[name]}]'`"
        ) from error
    path = found / "extensions" / f"v{duckdb.__version__}" / f"{name}.duckdb_extension"
    if not path.is_file():
        raise MissingExtensionError(
            f"{package} is not of DuckDB {duckdb.__version__}: `pip install {package}=={duckdb.__version__}`"
        )
    return str(path).replace("'", "''")
