"""Cities as clusters in YAML, simulated logs with known truth, the pipeline: CR2, few clusters, ratios of clusters.

Cities differ (standard deviation .06 about 20 % who buy). `dispatch`: 40 cities, and .12 more buy where it is new.
`pilot`: 8 cities, no effect.
"""

import json
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis.clusters.cr2 import cr2
from analysis.clusters.sums import ClusterSums
from orchestration.history import BaselineError, plan_inputs
from orchestration.workspace import Workspace
from tests.end_to_end.pipeline import run, table

DAYS = [date(2026, 10, day) for day in range(1, 6)]
CITIES = {"dispatch": 40, "pilot": 8}
EFFECTS = {"dispatch": 0.12, "pilot": 0.0}
pytestmark = [pytest.mark.xdist_group("cluster_experiments"), pytest.mark.long]


def write_logs(folder: Path, seed: int) -> None:
    """A quarter of each city's 60 to 180 units on each of four days; every unit visits, some buy an hour later."""
    rng = np.random.default_rng(seed)
    parts = []
    for experiment_id, n_cities in CITIES.items():
        treated = rng.permutation(n_cities) < n_cities // 2
        for city in range(n_cities):
            n = int(rng.integers(60, 180))
            chance = np.clip(0.2 + rng.normal(0, 0.06) + EFFECTS[experiment_id] * treated[city], 0.01, 0.99)
            at = pd.Timestamp(2026, 10, 1) + pd.to_timedelta(
                rng.integers(0, 4, n) * 86_400 + rng.integers(8 * 3600, 20 * 3600, n), unit="s"
            )
            part = pd.DataFrame({"ts": at.tz_localize("UTC"), "bought": rng.random(n) < chance})
            names = [f"{experiment_id}_{city}_{unit}" for unit in range(n)]
            arm = "new" if treated[city] else "old"
            parts.append(part.assign(user_id=names, experiment=experiment_id, variant=arm, city=f"city {city}"))
    units = pd.concat(parts, ignore_index=True)
    orders = units[units["bought"]].assign(name="purchase", ts=units["ts"] + pd.Timedelta(hours=1))
    events = pd.concat([units.assign(name="visit", ts=units["ts"] + pd.Timedelta(seconds=1)), orders])
    events = events.assign(order_id=[str(row) for row in range(len(events))])
    for day in DAYS:
        for name, frame in (
            ("exposures", units[["user_id", "experiment", "variant", "city", "ts"]]),
            ("orders", events[["order_id", "user_id", "name", "ts"]]),
        ):
            path = folder / name / f"{day}.parquet"
            path.parent.mkdir(parents=True, exist_ok=True)
            frame[frame["ts"].dt.date == day].to_parquet(path, index=False)


@pytest.fixture(scope="module")
def clustered(tmp_path_factory) -> Workspace:
    """Two runs, the second from the middle on."""
    root = tmp_path_factory.mktemp("clusters")
    workspace = Workspace(Path(__file__).parent / "cluster_experiments", root / "data", root / "state")
    write_logs(workspace.data, seed=3)
    run(workspace, DAYS[0], DAYS[2])
    run(workspace, DAYS[3], DAYS[4])
    return workspace


def test_effects_are_of_clusters_and_cover_the_truth(clustered):
    rows = table(clustered.state, "scorecard", as_of_date=DAYS[-1], metric_id="conversion").set_index("experiment_id")
    for experiment_id, effect in EFFECTS.items():
        row = rows.loc[experiment_id]
        assert row["method"] == "cr2" and row["ci_low"] <= effect <= row["ci_high"]
        n, p = row[["n_baseline", "n_treatment"]].astype(float), row[["baseline_mean", "treatment_mean"]].astype(float)
        of_units = np.sqrt((p.to_numpy() * (1 - p.to_numpy()) / n.to_numpy()).sum())
        assert row["effect_se"] > 1.2 * of_units
    assert rows.loc["dispatch", "status"] == "ok"
    assert rows.loc["pilot", "status"] == "few_clusters" and "by a wild bootstrap p is" in rows.loc["pilot", "reason"]


def test_effects_follow_from_the_published_sums(clustered):
    sums = table(clustered.state, "cluster_sums", as_of_date=DAYS[-1], experiment_id="dispatch")
    assert sums["cluster"].nunique() == CITIES["dispatch"]
    for metric_id, size in (("conversion", "n_units"), ("purchases_per_visit", "denominator_total")):
        own = sums[sums["metric_id"] == metric_id]
        figures = (own[name].to_numpy(dtype=float) for name in (size, "total"))
        expected = cr2(ClusterSums.of(*figures, (own["variant_id"] == "new").to_numpy()))
        row = table(clustered.state, "scorecard", as_of_date=DAYS[-1], experiment_id="dispatch", metric_id=metric_id)
        assert row["effect"].iloc[0] == pytest.approx(float(expected.value))
        assert row["effect_se"].iloc[0] == pytest.approx(float(expected.se))


def test_decisions_stand_on_clusters(clustered):
    found = table(clustered.state, "decisions", as_of_date=DAYS[-1]).set_index("experiment_id")
    assert found["recommendation"].to_dict() == {"dispatch": "ship", "pilot": "stop"}
    assert table(clustered.state, "rollback_monitor").empty and table(clustered.state, "stratum_moments").empty


def test_ratios_are_of_clusters_and_tests_of_units_are_left_out(clustered):
    health = table(clustered.state, "health_checks", as_of_date=DAYS[-1])
    ratios = health[health["check_name"] == "sample_ratio_mismatch"]
    assert ratios["passed"].all() and ratios["message"].str.startswith("clusters: ").all()
    assert ratios["message"].str.contains("20 (50.00%", regex=False).any()
    assert not health["check_name"].isin(["event_loss", "sample_ratio_mismatch_matured"]).any()
    every_day = table(clustered.state, "health_checks")
    assert not (every_day["severity"] == "error")[~every_day["passed"].astype(bool)].any()


def correlation_in_logs(folder: Path, experiment_id: str) -> float:
    """Within and between cities, of whether a unit bought."""
    logs = {
        name: pd.concat(map(pd.read_parquet, sorted((folder / name).iterdir()))) for name in ("exposures", "orders")
    }
    units = logs["exposures"].query("experiment == @experiment_id")
    bought = logs["orders"].query("name == 'purchase'")["user_id"]
    units = units.assign(y=units["user_id"].isin(bought).astype(float))
    of_city = units.groupby("city")["y"].transform("mean")
    of_arm = units.groupby("variant")["y"].transform("mean")
    cities, arms = units["city"].nunique(), units["variant"].nunique()
    between = ((of_city - of_arm) ** 2).sum() / (cities - arms)
    within = ((units["y"] - of_city) ** 2).sum() / (len(units) - cities)
    sizes = units.groupby("variant")["city"].apply(lambda names: (names.value_counts() ** 2).sum() / len(names))
    usual = (len(units) - sizes.sum()) / (cities - arms)
    return (between - within) / (between + (usual - 1) * within)


def test_a_plan_knows_how_alike_units_of_a_city_are(clustered, equipoise):
    """The correlation is that of an analysis of variance of the logged units; in expectation .0036/.19, near .02."""
    printed = equipoise(clustered, "plan", "--experiment", "dispatch", "--format", "json")
    assert printed.status == 0, printed.err
    row = next(row for row in json.loads(printed.out) if row["metric_id"] == "conversion")
    assert row["status"] == "no_planning_effect"
    known = plan_inputs(clustered, "dispatch").history.set_index("metric_id")
    expected = correlation_in_logs(clustered.data, "dispatch")
    assert known.loc["conversion", "intracluster_correlation"] == pytest.approx(expected, rel=1e-9)
    assert 0 < expected < 0.04
    assert known.loc["purchases_per_visit", "intracluster_correlation"] > 0
    assert (known["n_clusters"] == CITIES["dispatch"]).all() and known["unevenness"].between(1.05, 1.2).all()
    given = plan_inputs(clustered, "dispatch", clusters=["conversion=0.5,12"]).history.set_index("metric_id")
    assert given.loc["conversion", ["intracluster_correlation", "n_clusters"]].tolist() == [0.5, 12]
    with pytest.raises(BaselineError, match="expected conversion=ICC,CLUSTERS"):
        plan_inputs(clustered, "dispatch", clusters=["conversion=2,12"])


def test_a_rebuild_gives_the_same(clustered, equipoise):
    verified = equipoise(clustered, "verify")
    assert verified.status == 0, verified.out
