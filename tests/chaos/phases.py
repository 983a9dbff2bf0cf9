"""How far a run had come when it was killed, from what Dagster and the state folder say."""

import sqlite3
from contextlib import closing
from pathlib import Path

PHASES = (
    "loading",
    "ingest",
    "warehouse inputs",
    "dbt models",
    "statistics",
    "preparing to publish",
    "writing the publication",
    "published",
    "between steps",
    "ended",
)

_STEPS = {"warehouse_inputs": "warehouse inputs", "models": "dbt models", "published_results": "preparing to publish"}


def run_ids(state: Path) -> set[str]:
    """The runs that Dagster knows."""
    return {run_id for run_id, _ in _runs(state)}


def run_statuses(state: Path) -> dict[str, str]:
    """The status of each run that Dagster knows."""
    return dict(_runs(state))


def phase_of(state: Path, runs_before: set[str], published_before: Path | None) -> str:
    """The phase in which the newest run stopped."""
    new = run_ids(state) - runs_before
    if not new:
        return "loading"
    events = _events(state, new.pop())
    kinds = [kind for kind, _ in events]
    if "PIPELINE_SUCCESS" in kinds:
        return "ended"
    begun = [step for kind, step in events if kind == "STEP_START"]
    over = {step for kind, step in events if kind in ("STEP_SUCCESS", "STEP_FAILURE")}
    if not begun:
        return "loading"
    step = begun[-1]
    if step in over:
        return "published" if step == "published_results" else "between steps"
    if step == "published_results":
        results = state / "results"
        if results.exists() and results.resolve() != published_before:
            return "published"
        return "writing the publication" if list(state.glob("runs/.unfinished-*")) else "preparing to publish"
    if step.startswith("ingest__"):
        return "ingest"
    return _STEPS.get(step, "statistics")


def _runs(state: Path) -> list[tuple[str, str]]:
    return _query(state / "dagster" / "history" / "runs.db", "select run_id, status from runs")


def _events(state: Path, run_id: str) -> list[tuple[str, str]]:
    path = state / "dagster" / "history" / "runs" / f"{run_id}.db"
    return _query(path, "select dagster_event_type, step_key from event_logs order by id")


def _query(path: Path, query: str) -> list[tuple[str, str]]:
    """The rows; none when the run died before there was such a table."""
    if not path.exists():
        return []
    with closing(sqlite3.connect(path)) as connection:
        try:
            return connection.execute(query).fetchall()
        except sqlite3.OperationalError as error:
            if "no such table" in str(error):
                return []
            raise
