"""Models for what no experiment or metric of the configuration asks for: a run leaves their empty tables as they are.

dbt takes its time for a node that does nothing too, and most configurations use few of the features.
"""

import hashlib

import duckdb

from configs.covariates import further_terms
from configs.metric_schema import Metric
from configs.schema import Config
from orchestration.dbt_models import project_digest
from orchestration.warehouse import has_rows, has_table
from orchestration.workspace import Workspace

OF_INPUTS = {
    "experiment_trends": ("intermediate.int_day_sums", "marts.fct_day_moments"),
    "experiment_triggers": ("intermediate.int_triggered_exposures",),
    "experiment_held_out": ("intermediate.int_held_out_units",),
    "experiment_exclusions": ("marts.fct_excluded_units",),
    "experiment_batches": ("intermediate.int_batch_sums", "marts.fct_batch_moments"),
    "experiment_panels": ("marts.fct_group_days",),
    "experiment_switchbacks": ("marts.fct_switchback_sums",),
    "experiment_propensities": ("marts.fct_logged_propensities",),
    "experiment_predecessors": ("marts.fct_earlier_arms",),
    "experiment_buckets": ("marts.fct_assignments",),
    "experiment_clusters": ("marts.fct_cluster_sums",),
    "experiment_probes": ("marts.fct_metric_probes",),
    "experiment_coverages": ("marts.fct_event_coverage",),
}
"""By the table of `inputs` without whose rows they have none."""

OVERLAPS = ("intermediate.int_overlap_sums", "marts.fct_overlap_moments")
STRATA = ("intermediate.int_strata", "intermediate.int_stratum_sums", "marts.fct_stratum_moments")
SINGLE_EVENTS = (
    *("intermediate.int_event_counts", "intermediate.int_event_histograms", "intermediate.int_event_clusters"),
    *("marts.fct_event_clusters", "marts.fct_event_value_counts"),
)


def unused_models(connection: duckdb.DuckDBPyConnection, workspace: Workspace, config: Config) -> list[str]:
    """Names of the models that today's configuration would give no rows, and whose tables are there without any.

    Only where all models were once built with this catalog of metrics: an empty table has columns too.
    """
    if not has_table(connection, "runs", "whole_build"):
        return []
    if connection.execute("select models_hash from runs.whole_build").fetchall() != [(_models_hash(workspace),)]:
        return []
    return [name.split(".")[1] for name in _not_asked_for(connection, config) if not has_rows(connection, name)]


def record_whole_build(connection: duckdb.DuckDBPyConnection, workspace: Workspace) -> None:
    """Remember that no model was left out."""
    connection.execute("create or replace table runs.whole_build as select ? as models_hash", [_models_hash(workspace)])


def _not_asked_for(connection: duckdb.DuckDBPyConnection, config: Config) -> list[str]:
    metrics, experiments = config.metrics.values(), config.experiments.values()
    asked = {
        OVERLAPS: config.project.overlaps is not None,
        STRATA: any(one.grouping or one.changes_weights for one in experiments),
        SINGLE_EVENTS: any(one.of == "events" for one in metrics),
        ("marts.fct_value_counts",): any(one.quantile is not None for one in metrics),
        ("marts.fct_category_counts",): any(one.type == "categorical" for one in metrics),
        ("marts.fct_bucket_sums",): any(one.bootstrap is not None for one in metrics),
        ("marts.fct_cap_tails",): any(_has_quantile_cap(one) and one.bootstrap is not None for one in metrics),
        ("marts.fct_covariate_moments",): any(further_terms(one) for one in metrics),
        ("intermediate.int_capped_states",): any(
            _has_quantile_cap(one) or one.quantile is not None or one.type == "categorical" or one.bootstrap is not None
            for one in metrics
        ),
    } | {models: has_rows(connection, f"inputs.{table}") for table, models in OF_INPUTS.items()}
    return [name for models, is_asked in asked.items() if not is_asked for name in models]


def _has_quantile_cap(metric: Metric) -> bool:
    return metric.cap is not None and metric.cap.upper_quantile is not None


def _models_hash(workspace: Workspace) -> str:
    catalog = (workspace.generated / "macros" / "metric_catalog.sql").read_bytes()
    return hashlib.sha256(project_digest().encode() + catalog).hexdigest()
