"""How the command line prints what `replay` and `verify` compared."""

import csv
import sys
from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from orchestration.cli import OutputFormat
from orchestration.cli_output import print_json, wide_console
from orchestration.provenance import code_version
from orchestration.replay import Replay
from orchestration.row_differences import Difference, TableComparison
from orchestration.verify import Verification

SHOWN_DIFFERENCES = 20
NO_CAUSE = (
    "nothing that the rows record has changed. The same code, configuration and input must give the same rows, "
    "so this is a fault of the pipeline or of the files: please report it"
)


def print_replays(replays: Sequence[Replay], output: OutputFormat) -> None:
    """Print for each decision whether it came out again, and if not, what differs and why."""
    if output is OutputFormat.JSON:
        print_json(
            {
                "identical": all(one.is_identical for one in replays),
                "decisions": [_replay_record(one) for one in replays],
            }
        )
    elif output is OutputFormat.CSV:
        _print_csv([difference for one in replays for difference in one.differences])
    else:
        console = wide_console()
        for one in replays:
            _print_replay(console, one)


def print_verification(verification: Verification, output: OutputFormat) -> None:
    """Print whether the runs built what a rebuild gives, and if not, what differs."""
    if output is OutputFormat.JSON:
        print_json(
            {
                "identical": verification.is_identical,
                "experiments": list(verification.experiment_ids),
                "as_of_dates": verification.n_as_of_dates,
                "rows": _row_counts(verification.tables),
                "differences": [_difference_record(one) for one in verification.differences],
                "lost_columns": _lost_columns(verification.tables),
                "skipped": dict(verification.skipped),
                "notes": list(verification.notes),
            }
        )
    elif output is OutputFormat.CSV:
        _print_csv(verification.differences)
    else:
        _print_verification(wide_console(), verification)


def _print_replay(console: Console, one: Replay) -> None:
    decision = one.decision
    verdict = "identical" if one.is_identical else "DIFFERS"
    replaced = " (since replaced)" if decision.is_superseded else ""
    console.print(f"\n[bold]{decision.experiment_id}[/bold] as of {decision.as_of}: [bold]{verdict}[/bold]")
    console.print(
        f"  {decision.recommendation}, by configuration {decision.config_hash}{replaced}; compared: "
        f"{_counted(one.tables)}",
        highlight=False,
    )
    _print_differences(console, one.differences)
    if not one.is_identical:
        for reason in one.changes or (NO_CAUSE,):
            console.print(f"  why: {reason}", highlight=False)
    for note in (*(one.changes if one.is_identical else ()), *one.notes):
        console.print(f"  without effect: {note}", highlight=False)


def _print_verification(console: Console, verification: Verification) -> None:
    n_experiments = len(verification.experiment_ids)
    verdict = "identical to" if verification.is_identical else "NOT what comes from"
    console.print(
        f"{n_experiments} experiment{'s' if n_experiments != 1 else ''}, {verification.n_as_of_dates} decisions: "
        f"[bold]{verdict}[/bold] one rebuild of everything from the lake, bit by bit"
    )
    console.print(f"  compared: {_counted(verification.tables)}", highlight=False)
    _print_differences(console, verification.differences)
    for table, columns in _lost_columns(verification.tables).items():
        console.print(f"  {table} has no longer the columns {', '.join(columns)}", highlight=False)
    for note in verification.notes:
        console.print(f"  note: {note}", highlight=False)
    for experiment_id, reason in verification.skipped.items():
        console.print(f"  not verified: {experiment_id}: {reason}", highlight=False)


def _print_differences(console: Console, differences: Sequence[Difference]) -> None:
    if not differences:
        return
    table = Table(header_style="bold", pad_edge=False, show_edge=False)
    for heading in ("table", "row", "column", "then", "now"):
        table.add_column(heading, overflow="fold")
    for one in differences[:SHOWN_DIFFERENCES]:
        key = ", ".join(str(value) for value in one.key.values())
        table.add_row(one.table, key, one.column or "(row)", _shown(one.then), _shown(one.now))
    console.print(table)
    if len(differences) > SHOWN_DIFFERENCES:
        console.print(f"  … {len(differences)} differences in all; --format csv or json lists them", highlight=False)


def _shown(value: str | None) -> str:
    return "–" if value is None else value


def _counted(tables: Sequence[TableComparison]) -> str:
    return ", ".join(f"{count:,} {table}" for table, count in _row_counts(tables).items())


def _row_counts(tables: Sequence[TableComparison]) -> dict[str, int]:
    return {table.table: table.n_rows for table in tables}


def _lost_columns(tables: Sequence[TableComparison]) -> dict[str, list[str]]:
    return {table.table: list(table.lost_columns) for table in tables if table.lost_columns}


def _replay_record(one: Replay) -> dict[str, Any]:
    decision = one.decision
    return {
        "experiment_id": decision.experiment_id,
        "as_of_date": decision.as_of.isoformat(),
        "identical": one.is_identical,
        "recommendation": decision.recommendation,
        "superseded": decision.is_superseded,
        **decision.provenance,
        "code_version_now": code_version(),
        "rows": _row_counts(one.tables),
        "differences": [_difference_record(difference) for difference in one.differences],
        "changes": list(one.changes),
        "notes": list(one.notes),
    }


def _difference_record(one: Difference) -> dict[str, Any]:
    return {"table": one.table, "row": dict(one.key), "column": one.column, "then": one.then, "now": one.now}


def _print_csv(differences: Sequence[Difference]) -> None:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(["table", "row", "column", "then", "now"])
    for one in differences:
        key = ", ".join(f"{name}={value}" for name, value in one.key.items())
        writer.writerow([one.table, key, one.column or "", one.then, one.now])
