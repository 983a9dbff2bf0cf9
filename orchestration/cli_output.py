"""How the command line prints: tables for people, CSV and JSON for programs."""

import json
import sys
from typing import Any

import pandas as pd
from rich.console import Console
from rich.table import Table

from orchestration.cli import OutputFormat
from orchestration.published import PublishedResults
from orchestration.runs import RunOutcome

SCORECARD_SHOWN = {
    "metric_id": "metric",
    "role": "role",
    "variant_id": "variant",
    "n_treatment": "n",
    "baseline_mean": "baseline",
    "treatment_mean": "treatment",
    "effect_relative": "change",
    "relative_ci_low": "from",
    "relative_ci_high": "to",
    "p_value_adjusted": "p (adjusted)",
    "p_value_non_inferiority": "p (non-inf.)",
    "status": "status",
}
PERCENTAGES = ("effect_relative", "relative_ci_low", "relative_ci_high")


def print_json(value: Any) -> None:
    """Print indented JSON; dates as ISO text."""
    json.dump(value, sys.stdout, indent=1, default=str)
    sys.stdout.write("\n")


def records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows as JSON values: dates as ISO text, missing as null."""
    shown = frame.copy()
    for column in shown.select_dtypes("datetime").columns:
        shown[column] = shown[column].dt.strftime("%Y-%m-%d")
    rows: list[dict[str, Any]] = json.loads(shown.to_json(orient="records", double_precision=15))
    return rows


def print_frame(frame: pd.DataFrame, output: OutputFormat, title: str | None = None) -> None:
    """Print one frame."""
    if output is OutputFormat.JSON:
        print_json(records(frame))
    elif output is OutputFormat.CSV:
        frame.to_csv(sys.stdout, index=False)
    else:
        Console().print(_table(frame, title))


def print_results(found: PublishedResults, output: OutputFormat) -> None:
    """Print scorecard, health checks and decisions; CSV holds the scorecard alone."""
    if output is OutputFormat.CSV:
        found.scorecard.to_csv(sys.stdout, index=False)
        return
    if output is OutputFormat.JSON:
        decisions = records(found.decisions)
        for decision in decisions:
            decision["reasons"] = json.loads(decision["reasons"])
        print_json(
            {
                "scorecard": records(found.scorecard),
                "health_checks": records(found.health_checks),
                "decisions": decisions,
            }
        )
        return
    console = Console()
    for decision in found.decisions.to_dict("records"):
        _print_experiment(console, decision, found)


def _print_experiment(console: Console, decision: dict[str, Any], found: PublishedResults) -> None:
    experiment_id, as_of = decision["experiment_id"], decision["as_of_date"]
    console.print(f"\n[bold]{experiment_id}[/bold] as of {as_of:%Y-%m-%d}: [bold]{decision['recommendation']}[/bold]")
    console.print(decision["summary"])
    rows = found.scorecard[
        (found.scorecard["experiment_id"] == experiment_id) & (found.scorecard["segment_name"] == "all")
    ]
    console.print(_table(rows[list(SCORECARD_SHOWN)].rename(columns=SCORECARD_SHOWN)))
    health = found.health_checks[found.health_checks["experiment_id"] == experiment_id]
    for check in health[~health["passed"].astype(bool) | (health["severity"] == "note")].to_dict("records"):
        mark = "passed" if check["passed"] else "FAILED"
        console.print(f"  {check['check_name']} ({check['severity']}, {mark}): {check['message']}")


def _table(frame: pd.DataFrame, title: str | None = None) -> Table:
    table = Table(title=title, header_style="bold", pad_edge=False)
    percentages = {SCORECARD_SHOWN[name] for name in PERCENTAGES}
    for name in frame.columns:
        numeric = pd.api.types.is_numeric_dtype(frame[name])
        table.add_column(str(name), justify="right" if numeric else "left", no_wrap=numeric)
    for row in frame.itertuples(index=False):
        table.add_row(*(_cell(value, name in percentages) for name, value in zip(frame.columns, row, strict=True)))
    return table


def _cell(value: Any, is_percentage: bool) -> str:
    if value is None or value is pd.NaT or value is pd.NA or (isinstance(value, float) and pd.isna(value)):
        return "–"
    if is_percentage:
        return f"{value:+.2%}"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, pd.Timestamp):
        return f"{value:%Y-%m-%d}"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def print_outcome(outcome: RunOutcome, output: OutputFormat) -> None:
    """Print how a run ended: errors and failed checks first, then whether its results are published."""
    if output is OutputFormat.JSON:
        print_json(
            {
                "run_id": outcome.run_id,
                "published": outcome.published,
                "seconds": outcome.seconds,
                "step_seconds": outcome.step_seconds,
                "errors": outcome.errors,
                "failed_checks": [vars(check) for check in outcome.failed_checks],
            }
        )
        return
    for error in outcome.errors:
        sys.stderr.write(f"{error}\n")
    for check in outcome.failed_checks:
        kind = "failed" if check.is_error else "warning"
        sys.stderr.write(f"{kind}: {check.asset} {check.check}: {check.description}\n")
    if outcome.published:
        sys.stdout.write(f"published run {outcome.run_id} in {outcome.seconds:.1f} s\n")
    else:
        sys.stderr.write(f"run {outcome.run_id} failed; the results published before are still there\n")
