"""The published table `alerts`: every event, and how its messages fared, up to the run before."""

from pathlib import Path

import duckdb
import pandas as pd

from orchestration.alerts.store import COLUMNS, AlertStore

_TYPES = {"event_id": "bigint", "attempts": "bigint", "happened_at": "timestamp", "delivered_at": "timestamp"}


def journal_query(connection: duckdb.DuckDBPyConnection, state: Path) -> str:
    """SQL of the table's rows, of which there are none in a state folder without alerts."""
    rows = []
    if AlertStore.is_in(state):
        with AlertStore.open(state) as store:
            rows = store.journal()
    frame = pd.DataFrame(rows, columns=list(COLUMNS), dtype=object)
    connection.register("alert_journal", frame)
    columns = ", ".join(f"cast({name} as {_TYPES.get(name, 'varchar')}) as {name}" for name in COLUMNS)
    return f"select {columns} from alert_journal"
