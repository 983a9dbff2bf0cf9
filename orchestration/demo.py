"""The demo: a month of simulated logs through the whole pipeline, each decision beside the truth."""

from datetime import date, timedelta

import pandas as pd
from rich.console import Console
from rich.table import Table

from configs.load import load_config
from orchestration.cli_output import wide_console
from orchestration.published import read_results
from orchestration.runs import RunOutcome, run_days
from orchestration.simulated_logs import TRUTH_FILE
from orchestration.simulated_project import simulate_project
from orchestration.workspace import Workspace

DEMO_DAYS = 45


class DemoFailedError(RuntimeError):
    """The demo's run did not publish."""


def run_demo(workspace: Workspace, *, units: int, seed: int) -> None:
    """Simulate, run, print. Raises DemoFailedError, with the run's errors, when nothing could be published."""
    console = wide_console()
    project = load_config(workspace.configs).project
    first, last = project.history_start, project.history_start + timedelta(days=DEMO_DAYS - 1)
    console.print(f"Simulating {DEMO_DAYS} days of logs of {units:,} users into {workspace.data} …")
    simulate_project(workspace, units=units, days=DEMO_DAYS, seed=seed)
    console.print(f"Running the pipeline for log dates {first} … {last} …")
    outcome = run_days(workspace, first, last)
    if not outcome.published:
        raise DemoFailedError("\n".join(outcome.errors) or f"run {outcome.run_id} published nothing")
    _print_decisions(console, workspace)
    _print_next_steps(console, workspace, outcome, last)


def _print_decisions(console: Console, workspace: Workspace) -> None:
    found = read_results(workspace.state)
    truth = pd.read_csv(workspace.data / TRUTH_FILE)
    experiments = load_config(workspace.configs).experiments
    primary = found.scorecard[
        (found.scorecard["role"].isin(["primary", "guardrail"])) & (found.scorecard["segment_name"] == "all")
    ]
    rows = primary.merge(truth, on=["experiment_id", "variant_id", "metric_id"], suffixes=("", "_true"), how="left")
    for decision in found.decisions.to_dict("records"):
        experiment = experiments[decision["experiment_id"]]
        chosen = f" {decision['variant_id']}" if pd.notna(decision["variant_id"]) else ""
        console.print(
            f"\n[bold]{experiment.name}[/bold] ({experiment.id}, {experiment.start} … {experiment.end}): "
            f"[bold reverse] {decision['recommendation']}{chosen} [/bold reverse]"
        )
        console.print(decision["summary"])
        table = Table(header_style="bold", pad_edge=False, show_edge=False)
        for heading in ("metric", "role", "variant", "estimated change", "95 % interval", "true change", ""):
            table.add_column(heading, justify="right" if "change" in heading or "interval" in heading else "left")
        for row in rows[rows["experiment_id"] == experiment.id].to_dict("records"):
            table.add_row(row["metric_id"], row["role"], row["variant_id"], *_compared(row))
        console.print(table)


def _compared(row: dict[str, float]) -> tuple[str, str, str, str]:
    """Estimate, interval, truth, and whether the interval holds the truth."""
    true = row["effect_relative_true"]
    truth = f"{true:+.1%}" if pd.notna(true) else "–"
    if pd.isna(row["effect_relative"]):
        return "–", str(row["status"]), truth, ""
    low, high = row["relative_ci_low"], row["relative_ci_high"]
    covered = "" if pd.isna(true) or pd.isna(low) else ("covered" if low <= true <= high else "missed")
    return f"{row['effect_relative']:+.1%}", f"{low:+.1%} … {high:+.1%}", truth, covered


def _print_next_steps(console: Console, workspace: Workspace, outcome: RunOutcome, last: date) -> None:
    console.print(
        f"\nPublished in {outcome.seconds:.0f} s. Where to look next:\n"
        f"  equipoise results --experiment checkout_redesign    the whole scorecard, with every reason\n"
        f"  {workspace.state / 'results.duckdb'}    every published table, for DuckDB or pandas\n"
        f"  {workspace.data / TRUTH_FILE}    the true effect of every metric\n"
        f"  equipoise run --date {last}    run the last day again: the same numbers\n"
        "  make dev    Dagster's UI: the asset graph, the checks, the daily schedule"
    )
