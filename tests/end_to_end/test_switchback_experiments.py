"""Switchbacks in YAML, simulated logs with known truth, the pipeline: by blocks of cities, and Horvitz-Thompson.

`pricing`: three cities, 8-hour blocks, prices that act for two hours more; rides go up by 30 %. `matching`: everyone
is one market, blocks as short as is best, no effect. The clock goes back an hour on 25 October.
"""

from datetime import date
from pathlib import Path

import pandas as pd
import pytest

from analysis.clusters.cr2 import cr2
from analysis.clusters.sums import ClusterSums
from orchestration.simulated_project import simulate_project
from orchestration.workspace import Workspace
from tests.end_to_end.pipeline import run, table

DAYS = [date(2026, 10, day) for day in range(20, 28)]
END = date(2026, 10, 26)
METRICS = ["fare_per_ride", "rides_per_rider", "share_riding"]
pytestmark = [pytest.mark.xdist_group("switchback_experiments"), pytest.mark.long]


@pytest.fixture(scope="module")
def switched(tmp_path_factory) -> Workspace:
    """Two runs, the second from the middle of a block on."""
    root = tmp_path_factory.mktemp("switchback")
    workspace = Workspace(Path(__file__).parent / "switchback_experiments", root / "data", root / "state")
    simulate_project(workspace, units=1500, days=len(DAYS), seed=4)
    run(workspace, DAYS[0], DAYS[3])
    run(workspace, DAYS[4], DAYS[7])
    return workspace


def test_effects_cover_the_truth_once_the_carryover_is_washed_out(switched):
    truth = pd.read_csv(switched.data / "truth.csv").set_index(["experiment_id", "metric_id"])["effect"]
    found = table(switched.state, "scorecard", as_of_date=END).set_index(["experiment_id", "metric_id"])
    assert truth["pricing", "rides_per_rider"] > 0.1 and truth["matching", "share_riding"] == 0
    for key, row in found.iterrows():
        assert row["status"] == "ok" and row["ci_low"] <= truth[key] <= row["ci_high"], (key, row["reason"])
    assert set(found.loc["pricing", "method"]) == {"switchback_cr2"}
    assert found.loc[("matching", "share_riding"), "method"] == "switchback_horvitz_thompson"
    estimates = table(switched.state, "switchback_estimates", as_of_date=END, metric_id="rides_per_rider")
    assert list(estimates["washed_out_periods"]) == [2, 4, 2] and (estimates["status"] == "ok").all()
    assert estimates["p_value_randomised"].iloc[-1] <= 0.01


def test_effects_follow_from_the_published_blocks(switched):
    blocks = table(switched.state, "switchback_blocks", as_of_date=END, experiment_id="pricing")
    assert len(blocks) == 3 * 3 * 22 and (blocks.groupby("market")["block"].nunique() == 22).all()
    assert set(blocks["n_periods_kept"]) == {6, 0}  # the last block is the hour that the clock gained
    for metric_id in METRICS:
        own = blocks[blocks["metric_id"] == metric_id]
        size = own["denominator_total" if metric_id == "fare_per_ride" else "n_units"].to_numpy(dtype=float)
        expected = cr2(ClusterSums.of(size, own["total"].to_numpy(), (own["variant_id"] == "surge").to_numpy()))
        row = table(switched.state, "scorecard", as_of_date=END, experiment_id="pricing", metric_id=metric_id).iloc[0]
        assert row["effect"] == pytest.approx(float(expected.value))
        assert row["effect_se"] == pytest.approx(float(expected.se))
        assert row["treatment_mean"] - row["baseline_mean"] == pytest.approx(row["effect"])


def test_units_and_rides_are_those_of_the_logs(switched):
    """Counted anew from the log files up to the end: riders by city and hour, their rides in that hour."""
    days = [f"{day}.parquet" for day in DAYS[:-1]]
    asked, rides = (
        pd.concat(pd.read_parquet(switched.data / name / day) for day in days) for name in ("requests", "rides")
    )
    midnight = pd.Timestamp("2026-10-19 22:00")  # in Rome
    for frame in (asked, rides):
        frame["hour"] = (frame["ts"] - midnight) // pd.Timedelta(hours=1)
    asked = asked[(asked["experiment"] == "pricing") & asked["hour"].between(0, 168)]
    asked = asked[["rider", "city", "hour"]].drop_duplicates()
    taken = rides.drop_duplicates("ride_id").merge(asked, on=["rider", "hour"])
    blocks = table(switched.state, "switchback_blocks", as_of_date=END, metric_id="rides_per_rider")
    assert blocks["n_units"].sum() == (asked["hour"] % 8 >= 2).sum() > 10_000
    assert blocks["total"].sum() == (taken["hour"] % 8 >= 2).sum() > 4_000
    assert blocks["n_strays"].sum() == 0


def test_decisions_are_taken_at_the_end(switched):
    found = table(switched.state, "decisions").set_index(["experiment_id", "as_of_date"]).sort_index()
    assert found.loc[("pricing", pd.Timestamp(END)), "recommendation"] == "ship"
    assert found.loc[("matching", pd.Timestamp(END)), "recommendation"] == "stop"
    earlier = found[found.index.get_level_values(1) < pd.Timestamp(END)]
    assert set(earlier["recommendation"]) == {"continue"}
    assert table(switched.state, "rollback_monitor").empty and table(switched.state, "exposure_counts").empty


def test_blocks_are_what_health_checks_count(switched):
    health = table(switched.state, "health_checks", as_of_date=END).set_index(["experiment_id", "check_name"])
    ratio = health.loc[("pricing", "sample_ratio_mismatch")]
    assert ratio["passed"] and ratio["message"].startswith("blocks: ")
    assert "see both variants" in health.loc[("pricing", "mixed_exposures"), "message"]
    assert health.loc[("pricing", "block_arms"), "passed"]
    every_day = table(switched.state, "health_checks")
    assert not (every_day["severity"] == "error")[~every_day["passed"].astype(bool)].any()


def test_a_rebuild_gives_the_same(switched, equipoise):
    verified = equipoise(switched, "verify")
    assert verified.status == 0, verified.out


@pytest.mark.slow
def test_a_date_in_its_course_is_replayed(switched, equipoise):
    replayed = equipoise(switched, "replay", "--experiment", "pricing", "--as-of", "2026-10-24")
    assert replayed.status == 0, replayed.out
