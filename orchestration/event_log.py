"""Dagster's event log in SQLite, with connections that stay open: opening one took most of the time of an event."""

import os
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dagster._core.storage.event_log.sqlite import sqlite_event_log
from dagster._serdes import ConfigurableClassData
from sqlalchemy import create_engine
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.pool import StaticPool

_OPEN_FILES = 8


class PooledSqliteEventLogStorage(sqlite_event_log.SqliteEventLogStorage):
    """As Dagster's own, which makes an engine and a connection four times for an event; `dagster.yaml` names it.

    A year's backfill stores some thousand events. The files used last stay open, one connection each, under the
    lock that serialises their use.
    """

    def __init__(self, base_dir: str, inst_data: ConfigurableClassData | None = None) -> None:
        """`base_dir` is the folder of the files, one for each run and one across runs."""
        self._engines: OrderedDict[str, Engine] = OrderedDict()
        super().__init__(base_dir, inst_data)

    @classmethod
    def config_type(cls) -> dict[str, Any]:
        """No settings: the files lie where Dagster's own storage puts them."""
        return {}

    @classmethod
    def from_config_value(cls, inst_data: Any, config_value: Any) -> "PooledSqliteEventLogStorage":
        """Made by Dagster from `dagster.yaml`."""
        return cls(str(Path(os.environ["DAGSTER_HOME"]) / "history" / "runs"), inst_data)

    @contextmanager
    def _connect(self, shard: str) -> Iterator[Connection]:
        with self._db_lock:
            engine = self._engine(shard)
            if shard not in self._initialized_dbs:
                self._initdb(engine)
                self._initialized_dbs.add(shard)
            with engine.connect() as connection, connection.begin():
                yield connection

    def _engine(self, shard: str) -> Engine:
        engines = self._engines
        if shard not in engines:
            engines[shard] = create_engine(
                self.conn_string_for_shard(shard),
                poolclass=StaticPool,
                connect_args={"timeout": sqlite_event_log.SQLITE_BUSY_TIMEOUT_SECONDS, "check_same_thread": False},
            )
        engines.move_to_end(shard)
        while len(engines) > _OPEN_FILES:
            engines.popitem(last=False)[1].dispose()
        return engines[shard]

    def close_run(self, run_id: str) -> None:
        """Close the file of a run, which is about to be removed."""
        with self._db_lock:
            if run_id in self._engines:
                self._engines.pop(run_id).dispose()

    def wipe(self) -> None:
        """Remove every file, closed first."""
        self._close()
        super().wipe()

    def dispose(self) -> None:
        """Close every file."""
        self._close()
        super().dispose()

    def _close(self) -> None:
        with self._db_lock:
            while self._engines:
                self._engines.popitem()[1].dispose()
