"""Health checks of experiments with clusters count clusters, each in the arm where most of its units are."""

import duckdb
import pandas as pd

from analysis.health import HealthData, health_checks
from configs.schema import Project
from orchestration.clusters import ClusterData, read_clusters, with_cluster_counts
from tests.analysis.clusters.test_scorecard import DAY, DISPATCH, METRICS, SUMS

KNOWN = {"dispatch": DISPATCH}


def test_clusters_are_counted_where_most_of_their_units_are() -> None:
    stray = SUMS.tail(1).assign(cluster="city=a", n_units=2)
    health = with_cluster_counts(HealthData(), ClusterData(KNOWN, METRICS, pd.concat([SUMS, stray])))
    counts = health.cluster_counts.set_index("variant_id")
    assert counts["n_units"].to_dict() == {"old": 3, "new": 3} and set(counts["weight"]) == {0.5}
    assert health.epoch_counts.empty


def test_the_ratio_is_one_of_clusters_and_checks_of_units_are_left_out() -> None:
    """Of 24 cities 23 are old: no chance, whatever their sizes."""
    sums = pd.DataFrame(
        {
            "as_of_date": DAY,
            "experiment_id": "dispatch",
            "variant_id": ["old"] * 23 + ["new"],
            "metric_id": "buys",
            "cluster": [f"city={number}" for number in range(24)],
            "n_units": [1] * 23 + [23],
            "total": 0.0,
            "denominator_total": float("nan"),
        }
    )
    health = with_cluster_counts(HealthData(), ClusterData(KNOWN, METRICS, sums))
    project = Project.model_validate({"name": "p", "history_start": "2026-10-01"})
    found = health_checks(health, KNOWN, METRICS, project, [DAY.date()]).set_index("check_name")
    ratio = found.loc["sample_ratio_mismatch"]
    assert not ratio["passed"] and ratio["message"].startswith("clusters: old 23 (95.83%")
    assert not {"event_loss", "sample_ratio_mismatch_matured", "pre_exposure_imbalance"} & set(found.index)


def test_a_project_without_clusters_reads_nothing() -> None:
    with duckdb.connect() as connection:  # which has no table to read
        assert read_clusters(connection, {"x": DISPATCH.model_copy(update={"cluster": None})}, METRICS) is None
    health = HealthData()
    assert with_cluster_counts(health, None) is health
