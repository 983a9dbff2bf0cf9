"""The published table `alerts`: every event, and how its messages fared, up to the run before."""

from pathlib import Path

import duckdb
import pandas as pd

from orchestration.alerts.store import COLUMNS, AlertStore
from orchestration.faults import StateError
from orchestration.publish import current_run, is_whole

_TYPES = {"event_id": "bigint", "attempts": "bigint", "happened_at": "timestamp", "delivered_at": "timestamp"}


def journal_query(connection: duckdb.DuckDBPyConnection, state: Path) -> str:
    """SQL of the table's rows, of which there are none in a state folder without alerts.

    Those of the last publication where the store is damaged: alerts hold up no results.
    """
    rows = []
    if AlertStore.is_in(state):
        try:
            with AlertStore.open(state) as store:
                rows = store.journal()
        except StateError:
            if published := _published(state):
                return published
    frame = pd.DataFrame(rows, columns=list(COLUMNS), dtype=object)
    connection.register("alert_journal", frame)
    columns = ", ".join(f"cast({name} as {_TYPES.get(name, 'varchar')}) as {name}" for name in COLUMNS)
    return f"select {columns} from alert_journal"


def _published(state: Path) -> str | None:
    run = current_run(state)
    part = run / "alerts" / "part.parquet" if run is not None else None
    if part is None or not part.exists() or not is_whole(part):
        return None
    escaped = str(part).replace("'", "''")
    return f"select {', '.join(COLUMNS)} from read_parquet('{escaped}')"
