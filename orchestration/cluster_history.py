"""What a plan of clusters learns from the project's published sums by cluster, or is given."""

import math
from collections.abc import Iterable

import duckdb
import numpy as np
import pandas as pd

from analysis.clusters.intracluster import Intracluster, intracluster
from configs.problems import did_you_mean
from configs.schema import Experiment

COLUMNS = ("intracluster_correlation", "n_clusters", "unevenness")
SUMS = """
with ranked as (
    select *, row_number() over (
        partition by metric_id order by experiment_id = $experiment desc, as_of_date desc, experiment_id
    ) as recency
    from (
        select metric_id, experiment_id, max(as_of_date) as as_of_date
        from cluster_sums where starts_with(cluster, $prefix) group by metric_id, experiment_id
    )
)

select
    sums.metric_id, sums.variant_id, sums.n_units, sums.total, sums.denominator_total,
    moments.n_units as n_arm, moments.mean, moments.variance,
    moments.denominator_mean, moments.denominator_variance, moments.denominator_covariance
from cluster_sums as sums
inner join ranked using (metric_id, experiment_id, as_of_date)
inner join metric_moments as moments using (metric_id, experiment_id, as_of_date, variant_id)
where ranked.recency = 1 and moments.segment_name = 'all'
order by all
"""


def cluster_history(connection: duckdb.DuckDBPyConnection, experiment: Experiment) -> dict[str, Intracluster]:
    """Each metric's correlation in its latest experiment with such clusters, the planned one's own first."""
    assert experiment.cluster is not None
    tables = {name for (name,) in connection.execute("select table_name from information_schema.tables").fetchall()}
    if "cluster_sums" not in tables:
        return {}
    own = {"experiment": experiment.id, "prefix": f"{experiment.cluster.attribute}="}
    sums = connection.execute(SUMS, own).df()
    return {str(id_): _of_metric(rows) for id_, rows in sums.groupby("metric_id")}


def _of_metric(rows: pd.DataFrame) -> Intracluster:
    """Deviations from the arm's mean; of a ratio linearised ones, about the ratio of the arm's means."""
    codes, arms = pd.factorize(rows["variant_id"])
    of_arm = rows.drop_duplicates("variant_id").set_index("variant_id").loc[arms].astype("float64", errors="ignore")
    figures = rows[["n_units", "total", "denominator_total", "mean", "denominator_mean"]].to_numpy(dtype=float)
    n, total, denominator, mean, below = figures.T
    if np.isnan(below).all():
        return intracluster(n, total - n * mean, codes, of_arm["variance"].to_numpy(dtype=float))
    ratio = mean / below
    names = ("mean", "variance", "denominator_mean", "denominator_variance", "denominator_covariance")
    arm_mean, variance, arm_below, var_below, covariance = (of_arm[name].to_numpy(dtype=float) for name in names)
    of_ratio = arm_mean / arm_below
    of_unit = (variance - 2 * of_ratio * covariance + of_ratio**2 * var_below) / arm_below**2
    return intracluster(n, (total - ratio * denominator) / below, codes, of_unit)


def given_clusters(texts: Iterable[str], experiment: Experiment) -> dict[str, Intracluster]:
    """Correlations from "metric=icc,clusters", clusters of equal size. Raises ValueError for what is none."""
    found = {}
    for text in texts:
        metric_id, _, figures = (part.strip() for part in text.partition("="))
        if experiment.cluster is None:
            raise ValueError(f"--intracluster {text}: {experiment.id} has no `cluster`")
        if metric_id not in experiment.metrics.roles:
            hint = did_you_mean(metric_id, experiment.metrics.roles, "metrics of this experiment")
            raise ValueError(f"--intracluster {text}: {metric_id!r} isn't a metric of {experiment.id}{hint}")
        try:
            correlation, clusters = (float(figure) for figure in figures.split(","))
        except ValueError:
            correlation = clusters = math.nan
        if not (0 <= correlation < 1 and clusters >= 4):
            raise ValueError(
                f"--intracluster {text}: expected {metric_id}=ICC,CLUSTERS, a correlation from 0 to below 1 and all"
                " clusters of the experiment, 4 or more"
            )
        found[metric_id] = Intracluster(correlation, clusters)
    return found


def with_clusters(history: pd.DataFrame, found: dict[str, Intracluster]) -> pd.DataFrame:
    """The history with what is known of each metric's clusters, which covariates play no part in."""
    values = [
        (float(one.correlation), float(one.clusters), float(one.unevenness)) if one else (np.nan,) * 3
        for one in (found.get(str(id_)) for id_ in history["metric_id"])
    ]
    columns = pd.DataFrame(values, columns=list(COLUMNS), index=history.index, dtype="float64")
    return history.assign(variance_reduction=0.0).join(columns)
