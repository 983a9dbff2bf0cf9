"""Scorecard rows of clusters, from sums that can be followed by hand."""

from datetime import date
from typing import Any

import numpy as np
import pandas as pd
import pytest

from analysis.clusters.cr2 import cr2
from analysis.clusters.scorecard import cluster_scorecard
from analysis.clusters.sums import ClusterSums
from analysis.scorecard.columns import SCORECARD_COLUMNS
from configs.schema import Experiment, Metric

DAY = pd.Timestamp(2026, 10, 3)
METRICS = {
    "buys": Metric(id="buys", label="Buys", type="proportion", source="s", event="e", window={"end_days": 1}),
    "median": Metric.model_validate(
        {"id": "median", "type": "quantile", "quantile": 0.5, "source": "s", "event": "e", "aggregate": "count"}
    ),
}
NOTHING_BLOCKED = pd.DataFrame(columns=["as_of_date", "experiment_id", "metric_id", "status", "reason"])
DISPATCH = Experiment.model_validate(
    {
        "id": "dispatch",
        "start": date(2026, 10, 1),
        "end": date(2026, 10, 3),
        "exposure_source": "web",
        "cluster": {"attribute": "city"},
        "variants": [{"id": "old", "weight": 0.5, "baseline": True}, {"id": "new", "weight": 0.5}],
        "metrics": {"primary": ["buys"], "secondary": ["median"]},
    }
)
# Three cities of ten units each: 2, 3 and 4 bought where it is old, 5, 6 and 7 where it is new.
SUMS = pd.DataFrame(
    {
        "as_of_date": DAY,
        "experiment_id": "dispatch",
        "variant_id": ["old"] * 3 + ["new"] * 3,
        "metric_id": "buys",
        "cluster": [f"city={name}" for name in "abcdef"],
        "n_units": 10,
        "total": [2.0, 3, 4, 5, 6, 7],
        "denominator_total": np.nan,
    }
)
MOMENTS = pd.DataFrame(
    {
        "as_of_date": DAY,
        "experiment_id": "dispatch",
        "variant_id": ["old", "new"],
        "metric_id": "buys",
        "segment_name": "all",
        "n_units": 30,
        "mean": [0.3, 0.6],
        "n_overflow": 0,
        "n_not_computed": 0,
    }
)
ASKED = pd.DataFrame({"as_of_date": [DAY], "experiment_id": ["dispatch"]})


def rows(sums: pd.DataFrame = SUMS, blocked: pd.DataFrame = NOTHING_BLOCKED) -> pd.DataFrame:
    found = cluster_scorecard(sums, MOMENTS, {"dispatch": DISPATCH}, METRICS, blocked, ASKED)
    assert list(found.columns) == list(SCORECARD_COLUMNS)
    return found.set_index("metric_id")


def test_an_effect_is_that_of_cr2() -> None:
    row = rows().loc["buys"]
    expected = cr2(ClusterSums.of(np.full(6, 10), SUMS["total"], np.arange(6) >= 3))
    assert row["effect"] == pytest.approx(0.3) and row["effect_relative"] == pytest.approx(1.0)
    # Of either arm: residual sums -1, 0 and 1, so V = 2/(1 - 1/3)/900; both together 1/150.
    assert row["effect_se"] == pytest.approx(np.sqrt(1 / 150)) == pytest.approx(float(expected.se))
    assert (row["n_baseline"], row["n_treatment"], row["method"]) == (30, 30, "cr2")
    assert row["p_value"] == row["p_value_adjusted"] < 0.05
    assert row["status"] == "few_clusters" and "wild bootstrap p is" in row["reason"]
    assert rows().loc["buys", "reason"] == row["reason"]  # the same weights each time


def test_what_has_no_sums_or_is_blocked_says_so() -> None:
    assert rows().loc["median", "status"] == "failed" and "no sums by cluster" in rows().loc["median", "reason"]
    blocked = pd.DataFrame(
        [(DAY, "dispatch", "buys", "incomplete", "logs of s are missing")], columns=NOTHING_BLOCKED.columns
    )
    row: Any = rows(blocked=blocked).loc["buys"]
    assert row["status"] == "incomplete" and row[["effect", "p_value", "n_baseline"]].isna().all()


def test_clusters_that_were_not_randomised_as_a_whole_are_no_clusters() -> None:
    split = SUMS.assign(cluster=["city=a", "city=b", "city=c"] * 2)
    row = rows(split).loc["buys"]
    assert row["status"] == "failed" and "another arm than their cluster" in row["reason"]
    few = pd.concat([SUMS.assign(n_units=1000, total=SUMS["total"] * 100), SUMS.tail(1).assign(cluster="city=a")])
    assert rows(few).loc["buys", "status"] == "few_clusters"  # 10 of 6,010 units moved: they are left out
