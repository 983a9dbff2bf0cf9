"""Other definitions under which an experiment's results were published before, from what lies in the state folder."""

from collections.abc import Iterator
from contextlib import suppress
from datetime import date

import duckdb
import pandas as pd

from configs.definition_changes import definition_changes, listed_changes
from configs.pinned_files import PinnedConfigError, read_pinned
from configs.pinning import config_hash, pinned_config
from configs.schema import Config
from orchestration.faults import StateError
from orchestration.publish import current_run
from orchestration.published import open_results
from orchestration.workspace import Workspace

TABLE = "runs.former_definitions"


def load_former_definitions(connection: duckdb.DuckDBPyConnection, workspace: Workspace, config: Config) -> None:
    """Replace `runs.former_definitions`: other configurations, the last as-of date published under each, what differs.

    One that differs in thresholds of health checks alone is not among them.
    """
    last_dates: dict[tuple[str, str], date] = {}
    for experiment_id, hash_, last_date in _published(workspace):  # a killed run may have laid aside what is published
        last_dates[experiment_id, hash_] = max(last_date, last_dates.get((experiment_id, hash_), last_date))
    rows = []
    for (experiment_id, hash_), last_date in last_dates.items():
        experiment = config.experiments.get(experiment_id)
        if experiment is None or hash_ == config_hash(config, experiment):
            continue
        try:
            before = read_pinned(workspace.pinned_configs, hash_).content
        except PinnedConfigError:
            changes = ["what it was is not known any more"]
        else:
            changes = definition_changes(before, pinned_config(config, experiment))
        if changes:
            rows.append([experiment_id, hash_, last_date, listed_changes(changes)])
    connection.execute(
        f"create or replace table {TABLE} (experiment_id varchar, config_hash varchar, last_date date, changes varchar)"
    )
    if rows:
        connection.executemany(f"insert into {TABLE} values (?, ?, ?, ?)", rows)


def former_definitions(connection: duckdb.DuckDBPyConnection) -> pd.DataFrame:
    """What `load_former_definitions` found when the run was prepared."""
    return connection.execute(f"from {TABLE}").df()


def _published(workspace: Workspace) -> Iterator[tuple[str, str, date]]:
    """Every experiment and configuration with published rows, replaced ones too, and their last as-of date."""
    select = "select experiment_id, config_hash, max(as_of_date) from"
    where = "where config_hash <> '' group by all order by all"
    if (run := current_run(workspace.state)) is not None:
        with suppress(StateError), open_results(run) as published:  # the run that mends a damaged one must go on
            yield from published.execute(f"{select} decisions {where}").fetchall()
    if files := [str(path) for path in workspace.superseded.glob("*/*/decisions.parquet")]:
        rows = "read_parquet($files, hive_partitioning = false, union_by_name = true)"
        with duckdb.connect() as reader:
            yield from reader.execute(f"{select} {rows} {where}", {"files": files}).fetchall()
