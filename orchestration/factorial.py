"""Effects of factorial experiments, from the scorecard and the moments of the planned as-of dates.

An experiment whose effects cannot be computed has rows with status `failed` and the reason, and stops no other.
"""

from collections.abc import Callable, Mapping

import duckdb
import pandas as pd

from analysis.factorial.columns import EFFECT_COLUMNS, TERM_COLUMNS
from analysis.factorial.tables import factorial_effects, factorial_terms
from analysis.scorecard import FAILED
from configs.schema import Experiment, Metric
from orchestration.inputs import RunInputs
from orchestration.isolation import Experiments, isolated
from orchestration.planning import PlannedBuild

Table = Callable[[pd.DataFrame, pd.DataFrame, Experiments, Mapping[str, Metric]], pd.DataFrame]


def factorial_effect_rows(
    connection: duckdb.DuckDBPyConnection, inputs: RunInputs, plans: list[PlannedBuild]
) -> pd.DataFrame:
    """Main effects and interactions of the planned as-of dates."""
    return _rows(connection, inputs, plans, factorial_effects, EFFECT_COLUMNS)


def factorial_term_rows(
    connection: duckdb.DuckDBPyConnection, inputs: RunInputs, plans: list[PlannedBuild]
) -> pd.DataFrame:
    """The analysis of variance of the planned as-of dates."""
    return _rows(connection, inputs, plans, factorial_terms, TERM_COLUMNS)


def read_factorial_effects(
    connection: duckdb.DuckDBPyConnection, experiments: Mapping[str, Experiment]
) -> pd.DataFrame | None:
    """All effects so far of the planned experiments; None where none of these has factors."""
    if not any(experiment.factors for experiment in experiments.values()):
        return None
    return connection.execute(
        "select results.* from results.factorial_effects as results inner join runs.plan using (experiment_id)"
    ).df()


def _rows(
    connection: duckdb.DuckDBPyConnection,
    inputs: RunInputs,
    plans: list[PlannedBuild],
    compute: Table,
    columns: Mapping[str, str],
) -> pd.DataFrame:
    configured = inputs.config.experiments
    planned = {plan.experiment_id: configured[plan.experiment_id] for plan in plans}
    crossed = {id_: experiment for id_, experiment in planned.items() if experiment.factors}
    if not crossed:
        return pd.DataFrame(columns=list(columns)).astype(dict(columns))
    scorecard, moments = (
        _of_plan(connection, name, crossed) for name in ("results.scorecard", "marts.fct_metric_moments")
    )
    metrics = inputs.config.metrics
    frame, failures = isolated(crossed, lambda some: compute(scorecard, moments, some, metrics))
    failed = scorecard[scorecard["experiment_id"].isin(list(failures))].drop_duplicates(["as_of_date", "metric_id"])
    if failed.empty:
        return frame
    keys = failed[["as_of_date", "experiment_id", "metric_id", "role"]]
    rows = keys.assign(term="", levels="", n_factors=1, status=FAILED, reason=keys["experiment_id"].map(failures))
    return pd.concat([frame, rows.reindex(columns=list(columns)).astype(dict(columns))], ignore_index=True)


def _of_plan(connection: duckdb.DuckDBPyConnection, table: str, experiments: Experiments) -> pd.DataFrame:
    """Rows of whole populations at the planned as-of dates."""
    return connection.execute(
        f"select rows.* from {table} as rows inner join runs.plan as plan using (experiment_id) "
        "where experiment_id in (select unnest($ids)) and segment_name = 'all' "
        "and rows.as_of_date between plan.from_date and plan.to_date",
        {"ids": sorted(experiments)},
    ).df()
