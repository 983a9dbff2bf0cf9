"""Interactions of experiments that share units, of the latest date alone: the table is replaced whole."""

import duckdb
import pandas as pd

from analysis.heterogeneity.columns import OVERLAP_COLUMNS, failed_rows
from analysis.heterogeneity.overlaps import PAIR_KEYS, overlaps
from analysis.scorecard import FAILED
from orchestration.inputs import RunInputs
from orchestration.isolation import failure
from orchestration.planning import PlannedBuild
from orchestration.warehouse import has_table

TABLE = "experiment_overlaps"
PAIR = ["experiment_id", "other_experiment_id"]
UNUSABLE = ("incomplete", "overflow", "not_computed", FAILED)
"""Statuses of a scorecard's row whose metric has no interaction either."""


def overlap_rows(connection: duckdb.DuckDBPyConnection, inputs: RunInputs, plans: list[PlannedBuild]) -> pd.DataFrame:
    """A row for each pair of experiments and metric in fct_overlap_moments; what fails gets rows with status `failed`.

    Nothing of an earlier date stays: a pair's adjusted p-value goes with all other pairs of its date.
    """
    if has_table(connection, "results", TABLE):
        connection.execute(f"delete from results.{TABLE}")
    cells = connection.execute("select * from marts.fct_overlap_moments").df()
    blocked = connection.execute(
        "select as_of_date, experiment_id, metric_id, min(status) as status, min(reason) as reason "
        "from results.scorecard where segment_name = 'all' and list_contains($unusable, status) "
        "and as_of_date in (select as_of_date from marts.fct_overlap_moments) group by all order by all",
        {"unusable": list(UNUSABLE)},
    ).df()
    experiments = inputs.config.experiments
    try:
        return overlaps(cells, experiments, blocked)
    except Exception:  # noqa: BLE001 - whatever one pair provokes must not reach the others
        culprits = {}
    for pair, own in cells.groupby(PAIR):
        try:
            overlaps(own, experiments, blocked)
        except Exception as error:  # noqa: BLE001
            culprits[pair] = failure(error)
    is_culprit = pd.MultiIndex.from_frame(cells[PAIR]).isin(list(culprits))
    heads = cells.loc[is_culprit, PAIR_KEYS].drop_duplicates()
    failed = [failed_rows(rows, culprits[pair], OVERLAP_COLUMNS) for pair, rows in heads.groupby(PAIR)]
    return pd.concat([overlaps(cells[~is_culprit], experiments, blocked), *failed], ignore_index=True)
