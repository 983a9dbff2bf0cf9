"""The command line `equipoise`: global options, and a thin command for each thing a user does."""

import atexit
import gc
import os
import signal
import sys
from dataclasses import replace
from datetime import date, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from configs.problems import ConfigError
from orchestration.faults import StateError
from orchestration.lock import LockHeldError
from orchestration.workspace import Workspace

app = typer.Typer(
    help="Trustworthy experiment decisions from exposure and event logs, every day.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)


class OutputFormat(StrEnum):
    """How a command prints its results."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"


FormatOption = Annotated[OutputFormat, typer.Option("--format", help="How to print.")]
ExperimentOption = Annotated[str | None, typer.Option("--experiment", help="Only this experiment.")]


class Target(StrEnum):
    """An engine of the models, as dbt's profile names it."""

    DUCKDB = "duckdb"
    SPARK = "spark"


class InputError(Exception):
    """The input or a check failed: the message is for the user, the exit status is 1."""


@app.callback()
def locate(
    context: typer.Context,
    configs: Annotated[
        Path,
        typer.Option(envvar="EQUIPOISE_CONFIGS", help="Folder of project, sources, metrics, experiments."),
    ] = Path("configs"),
    data: Annotated[Path, typer.Option(envvar="EQUIPOISE_DATA", help="Folder of the logs.")] = Path("data"),
    state: Annotated[
        Path,
        typer.Option(envvar="EQUIPOISE_STATE", help="Folder of the lake, the warehouse and the results."),
    ] = Path("var"),
) -> None:
    """Point the command at a project."""
    target = os.environ.get("EQUIPOISE_TARGET", "duckdb")
    context.obj = Workspace(configs.resolve(), data.resolve(), state.resolve(), target)


@app.command()
def validate(
    context: typer.Context,
    output: FormatOption = OutputFormat.TABLE,
    json_schema: Annotated[
        bool, typer.Option("--json-schema", help="Print the JSON Schema of every kind of file, for editors.")
    ] = False,
) -> None:
    """Check every configuration file and list all errors as file:line: message."""
    from configs.load import load_config
    from orchestration.cli_output import print_json

    if json_schema:
        from configs.json_schema import json_schema as schemas

        print_json(schemas())
        return
    try:
        config = load_config(context.obj.configs)
    except ConfigError as error:
        if output is OutputFormat.JSON:
            print_json([{"file": p.file, "line": p.line, "message": p.message} for p in error.problems])
            raise typer.Exit(1) from None
        raise
    if output is OutputFormat.JSON:
        print_json([])
    else:
        typer.echo(
            f"{context.obj.configs}: {len(config.experiments)} experiments, {len(config.metrics)} metrics, no error"
        )


@app.command()
def simulate(
    context: typer.Context,
    units: Annotated[int, typer.Option(min=1, help="Users to simulate.")] = 20_000,
    days: Annotated[int, typer.Option(min=1, help="Log dates, from the project's history_start.")] = 45,
    seed: Annotated[int, typer.Option(min=0)] = 1,
    experiments: Annotated[
        str | None, typer.Option(help="Comma-separated ids; default: every experiment that runs.")
    ] = None,
) -> None:
    """Write realistic logs with known true effects to the data folder, and the truth beside them."""
    from analysis.simulation.simulator import ScenarioError
    from orchestration.simulated_project import simulate_project

    workspace: Workspace = context.obj
    chosen = [name.strip() for name in experiments.split(",")] if experiments else None
    try:
        simulate_project(workspace, units=units, days=days, seed=seed, experiments=chosen)
    except ScenarioError as error:
        raise InputError(str(error)) from error
    typer.echo(f"{workspace.data}: {days} days of logs of {units:,} users; true effects in truth.csv")


@app.command()
def run(
    context: typer.Context,
    day: Annotated[datetime | None, typer.Option("--date", formats=["%Y-%m-%d"], help="One log date.")] = None,
    first: Annotated[datetime | None, typer.Option("--from", formats=["%Y-%m-%d"], help="First log date.")] = None,
    last: Annotated[datetime | None, typer.Option("--to", formats=["%Y-%m-%d"], help="Last log date.")] = None,
    wait: Annotated[
        float, typer.Option("--wait", min=0, metavar="SECONDS", help="How long to wait while another run is writing.")
    ] = 0.0,
    target: Annotated[
        Target | None, typer.Option("--target", help="What the models run on; default: $EQUIPOISE_TARGET, or duckdb.")
    ] = None,
    output: FormatOption = OutputFormat.TABLE,
) -> None:
    """Run the whole pipeline for a log date, or for a range of them in one run."""
    from orchestration.alerts.after_run import tell_of_run, tell_of_unstarted_run
    from orchestration.cli_output import print_outcome
    from orchestration.run_status import RunStatus
    from orchestration.runs import UnknownDayError, run_days

    if (day is None) == (first is None and last is None) or (first is None) != (last is None):
        raise typer.BadParameter("give --date, or both --from and --to")
    start, end = (day, day) if day is not None else (first, last)
    if start is None or end is None or start > end:
        raise typer.BadParameter("--from lies after --to")
    if target is not None:
        context.obj = replace(context.obj, target=target.value)
    try:
        outcome = run_days(context.obj, start.date(), end.date(), wait_seconds=wait)
    except UnknownDayError as error:
        raise InputError(str(error)) from error
    except (ConfigError, StateError) as error:
        tell_of_unstarted_run(context.obj, error)
        raise
    print_outcome(outcome, output)
    tell_of_run(context.obj, outcome.run_id)
    if outcome.status is not RunStatus.SUCCEEDED:
        raise typer.Exit(1)


@app.command()
def results(
    context: typer.Context,
    experiment: ExperimentOption = None,
    as_of: Annotated[
        datetime | None,
        typer.Option("--as-of", formats=["%Y-%m-%d"], help="Default: each experiment's latest."),
    ] = None,
    metric: Annotated[str | None, typer.Option("--metric", help="Only this metric.")] = None,
    output: FormatOption = OutputFormat.TABLE,
) -> None:
    """Print the published scorecard, health checks and decision."""
    from orchestration.cli_output import print_results
    from orchestration.published import NoResultsError, read_results

    try:
        found = read_results(context.obj.state, experiment, _date(as_of), metric)
    except NoResultsError as error:
        raise InputError(str(error)) from error
    print_results(found, output)


@app.command(name="replay")
def replay_decisions(
    context: typer.Context,
    as_of: Annotated[datetime, typer.Option("--as-of", formats=["%Y-%m-%d"], help="Whose decisions to recompute.")],
    experiment: ExperimentOption = None,
    config_hash: Annotated[
        str | None, typer.Option("--config-hash", help="Rows that this configuration made, replaced ones too.")
    ] = None,
    output: FormatOption = OutputFormat.TABLE,
) -> None:
    """Recompute old decisions from the lake with the configuration they pinned, and compare bit by bit."""
    from configs.pinned_files import PinnedConfigError
    from orchestration.cli_comparisons import print_replays
    from orchestration.faults import faults_explained
    from orchestration.lake import LakeError
    from orchestration.progress import shown_on_terminal
    from orchestration.published import NoResultsError
    from orchestration.replay import replay

    try:
        with faults_explained(context.obj), shown_on_terminal():
            replays = replay(context.obj, as_of.date(), experiment, config_hash)
    except (NoResultsError, PinnedConfigError, LakeError) as error:
        raise InputError(str(error)) from error
    print_replays(replays, output)
    if not all(one.is_identical for one in replays):
        raise typer.Exit(1)


@app.command(name="verify")
def verify_state(
    context: typer.Context,
    experiment: ExperimentOption = None,
    wait: Annotated[
        float, typer.Option("--wait", min=0, metavar="SECONDS", help="How long to wait while a run is writing.")
    ] = 0.0,
    output: FormatOption = OutputFormat.TABLE,
) -> None:
    """Rebuild everything from the lake in a folder of its own, and compare with what the runs built, bit by bit."""
    from configs.pinned_files import PinnedConfigError
    from orchestration.cli_comparisons import print_verification
    from orchestration.faults import faults_explained
    from orchestration.lake import LakeError
    from orchestration.progress import shown_on_terminal
    from orchestration.published import NoResultsError
    from orchestration.verify import verify

    try:
        with faults_explained(context.obj), shown_on_terminal():
            verification = verify(context.obj, experiment, wait)
    except (NoResultsError, PinnedConfigError, LakeError) as error:
        raise InputError(str(error)) from error
    print_verification(verification, output)
    if not verification.is_identical:
        raise typer.Exit(1)


@app.command()
def plan(
    context: typer.Context,
    experiment: Annotated[str, typer.Option("--experiment", help="The experiment to plan.")],
    units_per_day: Annotated[
        float | None, typer.Option(min=0.001, help="New units a day; default: as in the project's own history.")
    ] = None,
    baseline: Annotated[
        list[str] | None,
        typer.Option(
            metavar="METRIC=MEAN,VARIANCE",
            help="Instead of history; may be repeated. A third figure is the share of the variance that covariates"
            " take away; a share needs its mean alone.",
        ),
    ] = None,
    intracluster: Annotated[
        list[str] | None,
        typer.Option(
            metavar="METRIC=ICC,CLUSTERS",
            help="Of an experiment with `cluster`, instead of history: the correlation within clusters, and how many.",
        ),
    ] = None,
    picture: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Draw power against days there, as .png or .svg.")
    ] = None,
    output: FormatOption = OutputFormat.TABLE,
) -> None:
    """Sample size, duration and minimum detectable effect, from the project's own history or given baselines."""
    from orchestration.cli_output import print_plan
    from orchestration.history import BaselineError, NoHistoryError, plan_inputs
    from orchestration.power_picture import FORMATS, draw_power

    if picture is not None and picture.suffix not in FORMATS:
        raise typer.BadParameter(f"--picture {picture}: give a file that ends in {' or '.join(FORMATS)}")
    try:
        inputs = plan_inputs(context.obj, experiment, units_per_day, baseline or (), intracluster or ())
    except (BaselineError, NoHistoryError) as error:
        raise InputError(str(error)) from error
    print_plan(inputs.plan(), output)
    if picture is not None:
        draw_power(inputs, picture)
        typer.echo(f"power curves in {picture}", err=True)


@app.command(name="calendar")
def show_calendar(
    context: typer.Context,
    first: Annotated[datetime | None, typer.Option("--from", formats=["%Y-%m-%d"], help="First day shown.")] = None,
    last: Annotated[datetime | None, typer.Option("--to", formats=["%Y-%m-%d"], help="Last day shown.")] = None,
    output: FormatOption = OutputFormat.TABLE,
) -> None:
    """Which experiments run or are planned side by side, and the traffic that they leave."""
    from analysis.planning import experiment_calendar, traffic_left
    from configs.load import load_config
    from orchestration.cli_output import print_calendar

    if first is not None and last is not None and first > last:
        raise typer.BadParameter("--from lies after --to")
    experiments = [one for one in load_config(context.obj.configs).experiments.values() if not one.is_quasi]
    span = _date(first), _date(last)
    print_calendar(experiment_calendar(experiments, *span), traffic_left(experiments, *span), output)


@app.command()
def demo(
    context: typer.Context,
    units: Annotated[int, typer.Option(min=1000, help="Users to simulate.")] = 20_000,
    seed: Annotated[int, typer.Option(min=0)] = 1,
) -> None:
    """Simulate a month of logs, run the pipeline, and print each decision beside the truth."""
    from orchestration.demo import DemoFailedError, run_demo

    try:
        run_demo(context.obj, units=units, seed=seed)
    except DemoFailedError as error:
        raise InputError(str(error)) from error


@app.command()
def dev(
    context: typer.Context,
    port: Annotated[int, typer.Option(help="Of the web server on this machine.")] = 3000,
) -> None:
    """Start Dagster's web UI and daemon, with the daily schedule on."""
    workspace: Workspace = context.obj
    workspace.activate()
    # A script's background process inherits these as ignored, and Dagster would never stop.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    dagster = str(Path(sys.executable).with_name("dagster"))
    os.execv(dagster, [dagster, "dev", "--module-name", "orchestration.definitions", "--port", str(port)])


def _date(moment: datetime | None) -> date | None:
    return moment.date() if moment is not None else None


def main() -> None:
    """Run the command line; errors of the input, and folders that cannot be used, become a message and status 1."""
    os.environ.setdefault("DO_NOT_TRACK", "1")
    _collect_less_garbage()
    try:
        app()
    except (ConfigError, InputError, LockHeldError, StateError) as error:
        typer.echo(str(error), err=True)
        sys.exit(1)
    except OSError as error:
        if error.filename is None:
            raise
        typer.echo(f"{error.filename}: {error.strerror}; check --configs, --data and --state", err=True)
        sys.exit(1)


def _collect_less_garbage() -> None:
    """Look for cycles seldom, and not at the end: most objects of a command live as long as it.

    Python's defaults took a tenth of a small run.
    """
    gc.set_threshold(100_000, 20, 50)
    atexit.register(gc.freeze)


# Commands with a module of their own register themselves; they need what stands above.
from orchestration import cli_alerts, cli_operations, cli_rehearse, cli_suites  # noqa: E402, F401
