"""Cluster-randomised experiments: sums by cluster, and health checks that count clusters where others count units."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import duckdb
import pandas as pd

from analysis.clusters.scorecard import cluster_scorecard, whole_clusters
from analysis.health import HealthData
from configs.schema import Experiment, Metric
from orchestration.isolation import Experiments


@dataclass(frozen=True)
class ClusterData:
    """What is read of the planned experiments with clusters: their sums at every as-of date so far."""

    experiments: Mapping[str, Experiment]
    metrics: Mapping[str, Metric]
    sums: pd.DataFrame

    def scorecard(
        self, experiments: Experiments, moments: pd.DataFrame, blocked: pd.DataFrame, as_of_dates: pd.DataFrame
    ) -> pd.DataFrame:
        """Rows of those of `experiments` that have clusters, at the dates asked for."""
        own = {id_: experiment for id_, experiment in experiments.items() if id_ in self.experiments}
        return cluster_scorecard(self.sums, moments, own, self.metrics, blocked, as_of_dates)


def read_clusters(
    connection: duckdb.DuckDBPyConnection, experiments: Experiments, metrics: Mapping[str, Metric]
) -> ClusterData | None:
    """What the planned experiments with clusters need; None, and nothing read, where none is planned."""
    clustered = {id_: experiment for id_, experiment in experiments.items() if experiment.cluster is not None}
    if not clustered:
        return None
    sums = connection.execute(
        "select mart.* from marts.fct_cluster_sums as mart where experiment_id in (select unnest($ids)) order by all",
        {"ids": sorted(clustered)},
    ).df()
    return ClusterData(clustered, metrics, sums)


def with_cluster_counts(health: HealthData, clusters: ClusterData | None) -> HealthData:
    """With the clusters, by arm, that have a matured unit: these were randomised, not units."""
    if clusters is None:
        return health
    keys = ["as_of_date", "experiment_id"]
    units = clusters.sums.groupby([*keys, "cluster", "variant_id"], as_index=False)["n_units"].max()
    rows = [
        {
            "as_of_date": day,
            "experiment_id": id_,
            "segment_name": "all",
            "segment_value": "all",
            "epoch": 0,
            "variant_id": variant.id,
            "n_units": int((kept["variant_id"] == variant.id).sum()),
            "n_mixed_excluded": 0,
            "weight": variant.weight,
        }
        for (day, id_), of_look in units.groupby(keys)
        for kept in [whole_clusters(of_look)[0]]
        for variant in clusters.experiments[str(id_)].variants
    ]
    return replace(health, cluster_counts=pd.DataFrame(rows, columns=list(health.cluster_counts.columns)))
