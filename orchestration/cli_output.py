"""How the command line prints: tables for people, CSV and JSON for programs."""

import json
import sys
from typing import Any

import pandas as pd
from rich.console import Console
from rich.table import Table

from orchestration.cli import OutputFormat
from orchestration.published import PublishedResults
from orchestration.run_status import RunStatus
from orchestration.runs import RunOutcome

NARROWEST_TABLE = 150
"""Columns that a table may take when standard output is no terminal."""

PLAN_SHOWN = {
    "metric_id": "metric",
    "role": "role",
    "variant_id": "variant",
    "mean": "baseline",
    "planned_effect_relative": "planned effect",
    "n_baseline": "n baseline",
    "n_treatment": "n treatment",
    "days": "days",
    "planned_days": "planned days",
    "planned_power": "power then",
    "detectable_effect_relative": "found then",
}


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


def print_rows(frame: pd.DataFrame, output: OutputFormat, nothing: str) -> None:
    """Print rows as they are; `nothing` instead of a table without any."""
    if output is OutputFormat.JSON:
        print_json(records(frame))
    elif output is OutputFormat.CSV:
        frame.to_csv(sys.stdout, index=False)
    elif frame.empty:
        sys.stdout.write(f"{nothing}\n")
    else:
        wide_console().print(_table(frame.rename(columns=lambda name: name.replace("_", " "))))


def print_plan(frame: pd.DataFrame, output: OutputFormat) -> None:
    """Print a plan: what is needed, and what the planned duration gives."""
    if output is OutputFormat.JSON:
        print_json(records(frame))
    elif output is OutputFormat.CSV:
        frame.to_csv(sys.stdout, index=False)
    else:
        shown = frame[list(PLAN_SHOWN)].rename(columns=PLAN_SHOWN)
        for name in ("planned effect", "found then", "power then"):
            shown[name] = [f"{value:.1%}" if pd.notna(value) else None for value in shown[name]]
        console = wide_console()
        console.print(f"{frame['units_per_day'].iloc[0]:,.0f} new units a day")
        console.print(_table(shown))
        for reason in frame.loc[frame["reason"] != "", "reason"].drop_duplicates():
            console.print(f"– {reason}")


def print_calendar(calendar: pd.DataFrame, traffic: pd.DataFrame, output: OutputFormat) -> None:
    """Print which experiments overlap, and the traffic left; CSV holds the first alone."""
    if output is OutputFormat.JSON:
        print_json({"experiments": records(calendar), "traffic": records(traffic)})
    elif output is OutputFormat.CSV:
        calendar.to_csv(sys.stdout, index=False)
    elif calendar.empty:
        sys.stdout.write("no experiment runs or is planned then\n")
    else:
        console = wide_console()
        listed = calendar[["experiment_id", "status", "start_date", "end_date", "exposure_source"]]
        for frame in (listed, traffic.drop(columns="n_experiments")):
            console.print(_table(frame.rename(columns=lambda name: name.replace("_", " "))))
            console.print()
        for row in calendar[calendar["overlaps"] != ""].itertuples():
            both = f"; measured by both: {row.shared_metrics}" if row.shared_metrics else ""
            console.print(f"{row.experiment_id} overlaps {row.overlaps}{both}.")
        console.print("Every experiment is taken to be open to all units of its exposure source.")


def print_results(found: PublishedResults, output: OutputFormat) -> None:
    """Print scorecard, health checks and decisions; CSV holds the scorecard alone, or estimates where there is none."""
    if output is OutputFormat.CSV:
        (found.quasi_estimates if found.scorecard.empty else found.scorecard).to_csv(sys.stdout, index=False)
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
            | _quasi_records(found)
            | {name: records(rows) for name, rows in found.details.items()}
        )
        return
    console = wide_console()
    for decision in found.decisions.to_dict("records"):
        _print_experiment(console, decision, found)


def _print_experiment(console: Console, decision: dict[str, Any], found: PublishedResults) -> None:
    experiment_id, as_of = decision["experiment_id"], decision["as_of_date"]
    console.print(f"\n[bold]{experiment_id}[/bold] as of {as_of:%Y-%m-%d}: [bold]{decision['recommendation']}[/bold]")
    console.print(decision["summary"])
    rows = found.scorecard[
        (found.scorecard["experiment_id"] == experiment_id) & (found.scorecard["segment_name"] == "all")
    ]
    if not rows.empty:
        console.print(_table(_shown_scorecard(rows)))
    for name, details in found.details.items():
        own = details[details["experiment_id"] == experiment_id]
        if len(own):
            console.print(_table(_shown_effects(own) if name == "factorial_effects" else _shown_shares(own)))
    _print_quasi(console, experiment_id, found)
    health = found.health_checks[found.health_checks["experiment_id"] == experiment_id]
    for check in health[~health["passed"].astype(bool) | (health["severity"] == "note")].to_dict("records"):
        mark = "passed" if check["passed"] else "FAILED"
        console.print(f"  {check['check_name']} ({check['severity']}, {mark}): {check['message']}")


def _quasi_records(found: PublishedResults) -> dict[str, list[dict[str, Any]]]:
    """Estimates and checks as JSON values; nothing without a quasi-experiment."""
    if found.quasi_estimates.empty:
        return {}
    return {name: records(getattr(found, name)) for name in ("quasi_estimates", "quasi_checks")}


def _print_quasi(console: Console, experiment_id: str, found: PublishedResults) -> None:
    """A quasi-experiment's effects, and the checks of what they assume."""
    rows = found.quasi_estimates[found.quasi_estimates["experiment_id"] == experiment_id]
    if rows.empty:
        return
    effects = rows[rows["estimate"] == "effect"]
    shown = {
        "metric_id": "metric",
        "role": "role",
        "method": "method",
        "n_treatment": "treated",
        "n_baseline": "others",
    }
    shown |= {"baseline_mean": "without", "effect": "effect", "ci_low_adjusted": "from"}
    shown |= {"ci_high_adjusted": "to", "p_value_adjusted": "p adjusted", "status": "status"}
    console.print(_table(effects[list(shown)].rename(columns=shown)))
    checks = found.quasi_checks[found.quasi_checks["experiment_id"] == experiment_id]
    for check in checks.to_dict("records"):
        mark = "passed" if check["passed"] else "FAILED"
        console.print(f"  {check['metric_id']} {check['check_name']} ({mark}): {check['message']}")


def _shown_scorecard(rows: pd.DataFrame) -> pd.DataFrame:
    """The columns of a scorecard that a person reads first."""
    changes = zip(rows["effect_relative"], rows["relative_ci_low"], rows["relative_ci_high"], strict=True)
    return pd.DataFrame(
        {
            "metric": rows["metric_id"].array,
            "role": rows["role"].array,
            "variant": rows["variant_id"].array,
            "n": rows["n_treatment"].array,
            "baseline": rows["baseline_mean"].array,
            "treatment": rows["treatment_mean"].array,
            "change": [_change(*change) for change in changes],
            "p adjusted": rows["p_value_adjusted"].array,
            "p non-inferior": rows["p_value_non_inferiority"].array,
            "status": rows["status"].array,
        }
    )


def _shown_effects(rows: pd.DataFrame) -> pd.DataFrame:
    """The columns of effects by factor that a person reads first; cells' comparisons with the baseline stand above."""
    return pd.DataFrame(
        {
            "metric": rows["metric_id"].array,
            "factor": rows["term"].array,
            "level": rows["levels"].array,
            "with": rows["aliases"].array,
            "effect": rows["effect"].array,
            "from": rows["ci_low_adjusted"].array,
            "to": rows["ci_high_adjusted"].array,
            "p adjusted": rows["p_value_adjusted"].array,
            "status": rows["status"].array,
        }
    )


def _shown_shares(rows: pd.DataFrame) -> pd.DataFrame:
    """How the units of the day after are to be split."""
    shown = ["day", "variant_id", "mean", "chance_best", "share", "first_bucket", "end_bucket", "status"]
    return rows[shown].rename(columns=lambda name: name.removesuffix("_id").replace("_", " "))


def _change(effect: float, low: float, high: float) -> str | None:
    if pd.isna(effect):
        return None
    return f"{effect:+.1%}" if pd.isna(low) else f"{effect:+.1%} ({low:+.1%} … {high:+.1%})"


def wide_console() -> Console:
    """Standard output; wide enough for a table when it is no terminal."""
    console = Console()
    return console if console.is_terminal else Console(width=max(console.width, NARROWEST_TABLE))


def _table(frame: pd.DataFrame) -> Table:
    table = Table(header_style="bold", pad_edge=False, show_edge=False)
    for name in frame.columns:
        numeric = pd.api.types.is_numeric_dtype(frame[name])
        table.add_column(str(name), justify="right" if numeric else "left", no_wrap=bool(name))
    for row in frame.itertuples(index=False):
        table.add_row(*(_cell(value) for value in row))
    return table


def _cell(value: Any) -> str:
    if pd.isna(value):
        return "–"
    if isinstance(value, pd.Timestamp):
        return f"{value:%Y-%m-%d}"
    if isinstance(value, float):
        return f"{value:,.0f}" if value.is_integer() and abs(value) >= 10 else f"{value:.4g}"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def print_outcome(outcome: RunOutcome, output: OutputFormat) -> None:
    """Print how a run ended: errors and failed checks first, then its status in one line."""
    if output is OutputFormat.JSON:
        print_json(
            {
                "run_id": outcome.run_id,
                "status": outcome.status,
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
    said = f"published run {outcome.run_id} in {outcome.seconds:.1f} s"
    if outcome.status is RunStatus.FAILED:
        sys.stderr.write(f"failed: run {outcome.run_id} published nothing; what was published before is as it was\n")
    elif outcome.status is RunStatus.FINISHED_WITH_FAILURES:
        failures = [str(check) for check in outcome.failed_checks if check.is_error]
        sys.stdout.write(f"finished with failures: {said}; failed: {'; '.join(failures)}\n")
    else:
        sys.stdout.write(f"succeeded: {said}\n")
