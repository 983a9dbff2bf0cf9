"""Interactions, shrunken effects and mixes of segments, at the as-of date whose segments the scorecard has."""

import duckdb
import pandas as pd

from analysis.heterogeneity.build import Heterogeneity, heterogeneity
from analysis.heterogeneity.columns import (
    DIMENSION,
    INTERACTION_COLUMNS,
    MIX_COLUMNS,
    SEGMENT_EFFECT_COLUMNS,
    failed_rows,
)
from analysis.heterogeneity.interactions import SEGMENTS
from analysis.scorecard.covariates import with_covariates
from orchestration.inputs import RunInputs
from orchestration.isolation import Experiments, isolated_parts
from orchestration.planning import PlannedBuild
from orchestration.warehouse import replace_planned

EFFECTS, MIXES = "segment_effects", "segment_mixes"


def segment_interaction_rows(
    connection: duckdb.DuckDBPyConnection, inputs: RunInputs, plans: list[PlannedBuild]
) -> pd.DataFrame:
    """Tests by dimension at each planned experiment's latest date; what fails gets rows with status `failed`.

    The effects by segment and the mixes go to `results.segment_effects` and `results.segment_mixes` beside.
    """
    experiments = {plan.experiment_id: inputs.config.experiments[plan.experiment_id] for plan in plans}
    segmented = {id_: experiment for id_, experiment in experiments.items() if experiment.segments}
    relations = ("results.scorecard", "marts.fct_metric_moments", "marts.fct_covariate_moments")
    scorecard, moments, covariates = (_latest(connection, name) for name in relations)
    moments = with_covariates(moments, covariates, inputs.config.metrics)

    def compute(some: Experiments) -> Heterogeneity:
        own = moments[moments["experiment_id"].isin(list(some))]
        return heterogeneity(scorecard, own, some, inputs.config.metrics)

    parts, failures = isolated_parts(segmented, compute)
    parts += [_failed(scorecard[scorecard["experiment_id"] == id_], reason) for id_, reason in failures.items()]
    replace_planned(connection, EFFECTS, pd.concat([part.segment_effects for part in parts], ignore_index=True))
    replace_planned(connection, MIXES, pd.concat([part.mixes for part in parts], ignore_index=True))
    return pd.concat([part.interactions for part in parts], ignore_index=True)


def _latest(connection: duckdb.DuckDBPyConnection, relation: str) -> pd.DataFrame:
    """A table's rows at the dates that have segments."""
    return connection.execute(
        f"select rows.* from {relation} as rows inner join runs.plan as plan using (experiment_id) "
        "where rows.as_of_date = plan.latest_date"
    ).df()


def _failed(scorecard: pd.DataFrame, reason: str) -> Heterogeneity:
    rows = scorecard[scorecard["segment_name"] != "all"]
    heads = rows[list(DIMENSION)].drop_duplicates()
    return Heterogeneity(
        failed_rows(heads, reason, INTERACTION_COLUMNS, term=SEGMENTS),
        failed_rows(rows[[*DIMENSION, "segment_value"]], reason, SEGMENT_EFFECT_COLUMNS),
        failed_rows(heads, reason, MIX_COLUMNS),
    )
