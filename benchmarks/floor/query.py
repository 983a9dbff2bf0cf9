"""The floor's query: `python -m benchmarks.floor.query --project DIR --parts N --memory-limit 700MB`.

It may assume what the pipeline may not: that rows keep the contract, that no exposure is late, that two events
are the same when everything about them that counts is.
"""

import argparse
from datetime import datetime, time, timedelta
from pathlib import Path

import duckdb
import pandas as pd

from benchmarks.scenarios import full_refresh

_SQL = Path(__file__).parent
_THREADS = 2


def floor_moments(project: Path, *, parts: int, shares: int, memory_limit: str) -> pd.DataFrame:
    """A row per variant and metric, with the columns of `fct_metric_moments`, as of the last log date.

    The units are split by hash into `parts`, each with a scan of the logs, and those into `shares`.
    """
    as_of_ends_at = datetime.combine(full_refresh().last_history_date + timedelta(days=1), time())
    with duckdb.connect() as connection:
        connection.execute(f"SET threads = {_THREADS}")
        connection.execute("SET memory_limit = $limit", {"limit": memory_limit})
        connection.execute("SET temp_directory = $folder", {"folder": str(project / "floor_spill")})
        connection.execute("SET preserve_insertion_order = false")
        connection.execute("SET enable_progress_bar = false")
        for name in ("exposures", "events"):
            files = [str(path) for path in sorted((project / "data" / name).glob("*.parquet"))]
            connection.execute(f"SET VARIABLE {name} = $files", {"files": files})
        connection.execute("SET VARIABLE as_of_ends_at = $instant", {"instant": as_of_ends_at})
        connection.execute("SET VARIABLE parts = $parts", {"parts": parts})
        connection.execute("SET VARIABLE shares = $shares", {"shares": shares})
        connection.execute(_read("set_up"))
        for part in range(parts):
            connection.execute("SET VARIABLE part = $part", {"part": part})
            connection.execute(_read("exposed_events"))
            for share in range(shares):
                connection.execute("SET VARIABLE share = $share", {"share": share})
                connection.execute(_read("unit_sums"))
        return connection.execute(_read("moments")).df()


def _read(name: str) -> str:
    return (_SQL / f"{name}.sql").read_text(encoding="utf-8")


def main() -> None:
    """The command line: prints the moments as CSV."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.floor.query", description=__doc__)
    parser.add_argument("--project", type=Path, required=True, help="folder of the full refresh's project")
    parser.add_argument("--parts", type=int, default=1)
    parser.add_argument("--shares", type=int, default=1)
    parser.add_argument("--memory-limit", default="700MB")
    options = parser.parse_args()
    moments = floor_moments(
        options.project, parts=options.parts, shares=options.shares, memory_limit=options.memory_limit
    )
    print(moments.to_csv(index=False), end="")


if __name__ == "__main__":
    main()
