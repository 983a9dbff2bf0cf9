"""The command `equipoise rehearse`."""

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from orchestration.cli import FormatOption, InputError, OutputFormat, app

if TYPE_CHECKING:
    import pandas as pd

SHARES = ("ship_rate", "ship_rate_low", "ship_rate_high", "rollback_rate", "review_rate", "stop_rate", "continue_rate")


@app.command()
def rehearse(
    context: typer.Context,
    experiment: Annotated[str, typer.Option("--experiment", help="The experiment to rehearse.")],
    effect: Annotated[
        float | None,
        typer.Option("--effect", min=0.0, help="Relative improvement; default: minimum_detectable_effect."),
    ] = None,
    replicates: Annotated[int, typer.Option("--replicates", min=10, help="Experiments in each scenario.")] = 1_000,
    seed: Annotated[int, typer.Option("--seed", min=0)] = 1,
    wait: Annotated[
        float, typer.Option("--wait", min=0, metavar="SECONDS", help="How long to wait while a run is writing.")
    ] = 0.0,
    output: FormatOption = OutputFormat.TABLE,
) -> None:
    """Run an experiment's whole decision rule on re-randomised units of the past: false ships and power."""
    from orchestration.calibration import rehearse_experiment
    from orchestration.faults import faults_explained
    from orchestration.history import NoHistoryError
    from orchestration.progress import shown_on_terminal

    try:
        with faults_explained(context.obj), shown_on_terminal():
            frame = rehearse_experiment(
                context.obj, experiment, effect=effect, replicates=replicates, seed=seed, wait_seconds=wait
            )
    except NoHistoryError as error:
        raise InputError(str(error)) from error
    _print(frame, output)


def _print(frame: "pd.DataFrame", output: OutputFormat) -> None:
    from orchestration.cli_output import print_json, records, wide_console

    if output is OutputFormat.JSON:
        print_json(records(frame))
        return
    if output is OutputFormat.CSV:
        frame.to_csv(sys.stdout, index=False)
        return
    console = wide_console()
    first = frame.iloc[0]
    console.print(
        f"{first['n_units']:,} units of {first['units_of']} as of {first['units_as_of']:%Y-%m-%d}, "
        f"{first['replicates']:,} experiments a scenario"
    )
    for row in frame.to_dict("records"):
        rates = {name: f"{row[name]:.1%}" for name in SHARES}
        promise = "at least" if row["ship_means"] == "power" else "at most"
        console.print(f"\n[bold]{row['scenario']}[/bold]: {row['description']}")
        console.print(
            f"  {row['ship_means']} {rates['ship_rate']} ({rates['ship_rate_low']} to {rates['ship_rate_high']}; "
            f"promised {promise} {row['promised']:.1%}), decided after {row['mean_days']:.1f} days on average"
        )
        others = ", ".join(f"{name[:-5]} {rates[name]}" for name in SHARES[3:])
        console.print(f"  otherwise: {others}")
