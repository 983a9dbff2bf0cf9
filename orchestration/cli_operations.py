"""The commands of whoever runs an installation: `equipoise prune`, `equipoise doctor`."""

from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from orchestration.cli import FormatOption, InputError, OutputFormat, app


@app.command()
def prune(
    context: typer.Context,
    older_than: Annotated[
        int | None,
        typer.Option("--older-than", min=1, metavar="DAYS", help="Default: `retention.run_days` of project.yaml."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say which runs would go.")] = False,
    output: FormatOption = OutputFormat.TABLE,
) -> None:
    """Remove Dagster's records of runs that ended long ago; results, lake and warehouse stay as they are."""
    from dataclasses import asdict

    import dagster as dg
    import pandas as pd

    from configs.load import load_static
    from orchestration.cli_output import print_rows
    from orchestration.faults import faults_explained
    from orchestration.retention import UnprunableError, old_runs
    from orchestration.retention import prune as prune_records

    retention = load_static(context.obj.configs)[0].retention
    days = older_than if older_than is not None else retention.run_days if retention is not None else None
    if days is None:
        raise InputError(
            "how many days are kept? Give --older-than DAYS, or `retention: {run_days: DAYS}` in project.yaml"
        )
    before = datetime.now(UTC) - timedelta(days=days)
    context.obj.activate()
    with faults_explained(context.obj), dg.DagsterInstance.get() as instance:
        if dry_run:
            rows = pd.DataFrame({"run_id": old_runs(instance, before)}, dtype="str")
            print_rows(rows, output, f"no run ended before {before:%Y-%m-%d %H:%M} UTC")
            return
        try:
            pruned = prune_records(instance, before)
        except UnprunableError as error:
            raise InputError(str(error)) from error
    if output is OutputFormat.TABLE:
        typer.echo(f"pruned what ended before {before:%Y-%m-%d %H:%M} UTC: {pruned}")
    else:
        print_rows(pd.DataFrame([asdict(pruned)]), output, "")


@app.command()
def doctor(context: typer.Context, output: FormatOption = OutputFormat.TABLE) -> None:
    """Check this installation, a line for each thing: ok, warn or fail, and what to do."""
    import pandas as pd

    from orchestration.cli_output import print_rows
    from orchestration.doctor.examine import examine
    from orchestration.doctor.finding import Status

    found = examine(context.obj)
    if output is OutputFormat.TABLE:
        for check, one in found.items():
            typer.echo(f"{one.status:5} {check}: {one.message}" + (f"\n      → {one.advice}" if one.advice else ""))
    else:
        rows = [(check, str(one.status), one.message, one.advice) for check, one in found.items()]
        print_rows(pd.DataFrame(rows, columns=["check", "status", "message", "advice"], dtype="str"), output, "")
    if any(one.status is Status.FAIL for one in found.values()):
        raise typer.Exit(1)
