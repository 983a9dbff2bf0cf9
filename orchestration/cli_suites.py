"""The commands `equipoise suites …`."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from orchestration.cli import FormatOption, InputError, OutputFormat, app
from orchestration.workspace import Workspace

if TYPE_CHECKING:
    from configs.schema import Sources
    from configs.suite_schema import Entry
    from orchestration.ingest.fields import LogSource
    from orchestration.suites.refresh import Refresh

suites = typer.Typer(
    help="Expectations of each source's days: refresh them from history, show them.", no_args_is_help=True
)
app.add_typer(suites, name="suites")

_NOT_SHOWN = ("figure", "expect", "column", "of", "event", "observed", "note")

SourceArguments = Annotated[list[str] | None, typer.Argument(metavar="[SOURCE]…", help="Default: every log source.")]


@suites.command()
def refresh(
    context: typer.Context,
    source: SourceArguments = None,
    weeks: Annotated[int, typer.Option(min=2, max=52, help="How far back to look, from the newest day with rows.")] = 4,
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; exit status 1 if a refresh would change a file.")
    ] = False,
    output: FormatOption = OutputFormat.TABLE,
) -> None:
    """Write configs/expectations/<source>.yaml from sources.yaml and the lake; what people wrote there stays."""
    import duckdb

    from configs.suite_load import load_valid_suites
    from orchestration.lake import Lake, LakeError
    from orchestration.progress import shown_on_terminal, with_progress
    from orchestration.suites.history import read_history
    from orchestration.suites.refresh import refresh_suite
    from orchestration.suites.suite_file import write_refresh

    workspace: Workspace = context.obj
    chosen, sources = _chosen(workspace, source)
    current = load_valid_suites(workspace.configs, sources)
    refreshes = []
    try:
        with shown_on_terminal():
            for one in with_progress(chosen, "read history"):
                history = read_history(Lake(workspace.lake), one, weeks)
                if not history.is_enough:
                    typer.echo(f"{one.id}: {_too_little(len(history.days))}", err=True)
                refreshes.append(refresh_suite(current.get(one.id), history))
    except LakeError as error:
        raise InputError(str(error)) from error
    except duckdb.Error as error:
        raise InputError(f"{workspace.lake}: {error}; if a run is writing, refresh again when it is over") from error
    needed = [change for change in refreshes if change.is_needed]
    for change in needed if not check else ():
        typer.echo(f"wrote {write_refresh(workspace.configs, change)}", err=True)
    _print(refreshes, output)
    if check and needed:
        raise InputError(
            f"{', '.join(change.source_id for change in needed)}: a refresh would change it: run `equipoise suites"
            " refresh`, look at the difference, commit it"
        )


@suites.command(name="docs")
def build_docs(
    context: typer.Context,
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="Default: suites/ in the state folder.")] = None,
    days: Annotated[int, typer.Option(min=1, max=400, help="Log dates shown, up to the newest.")] = 28,
) -> None:
    """Write local pages of each source's expectations and what recent days met of them; nothing is downloaded."""
    from configs.suite_load import load_valid_suites
    from orchestration.lake import Lake, LakeError
    from orchestration.suites.pages import write_pages

    workspace: Workspace = context.obj
    chosen, sources = _chosen(workspace, None)
    current = load_valid_suites(workspace.configs, sources)
    try:
        index = write_pages(out or workspace.state / "suites", Lake(workspace.lake), chosen, current, days)
    except LakeError as error:
        raise InputError(str(error)) from error
    typer.echo(index)


def _chosen(workspace: Workspace, ids: Sequence[str] | None) -> "tuple[list[LogSource], Sources]":
    from configs.load import load_static
    from configs.problems import did_you_mean
    from configs.suite_load import log_sources

    _, sources = load_static(workspace.configs)
    logs = {source.id: source for source in log_sources(sources)}
    for id_ in ids or ():
        if id_ not in logs:
            raise InputError(f"unknown source {id_!r}{did_you_mean(id_, logs, 'sources')}")
    return [logs[id_] for id_ in (ids or logs)], sources


def _too_little(n_days: int) -> str:
    from orchestration.suites.history import MINIMUM_DAYS

    return (
        f"{n_days} days with rows in the lake; ranges are learnt from {MINIMUM_DAYS} on, what was learnt before stays"
    )


def _print(refreshes: "Iterable[Refresh]", output: OutputFormat) -> None:
    import pandas as pd

    from orchestration.cli_output import print_rows

    columns = ["source", "expectation", "change", "now", "suggested"]
    rows = [
        (change.source_id, change.label, change.kind, _in_words(change.now), _in_words(change.suggested))
        for one in refreshes
        for change in one.changes
    ]
    print_rows(pd.DataFrame(rows, columns=columns, dtype="str"), output, "every suite is up to date")


def _in_words(entries: "Sequence[Entry]") -> str:
    from orchestration.suites.suite_file import entry_map

    shown = []
    for entry in entries:
        given = {key: value for key, value in entry_map(entry).items() if key not in _NOT_SHOWN}
        shown.append(", ".join(f"{key} {_text(value)}" for key, value in given.items()))
    return "; ".join(shown)


def _text(value: object) -> str:
    return " ".join(map(str, value)) if isinstance(value, tuple) else str(value)
