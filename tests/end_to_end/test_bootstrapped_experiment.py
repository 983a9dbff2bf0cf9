"""A bootstrap from YAML to decision: as the logs say, the same however the days were run, and rebuilt alike."""

import hashlib
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from orchestration.simulated_project import simulate_project
from orchestration.verify import verify
from orchestration.workspace import Workspace
from tests.end_to_end.pipeline import assert_same_results, environment_kept, run, table

pytestmark = pytest.mark.xdist_group("bootstrapped_experiment")

DAYS = [date(2026, 10, day) for day in range(1, 5)]


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Workspace:
    """All days in one run. Read only."""
    root = tmp_path_factory.mktemp("bootstrapped_experiment")
    workspace = Workspace(Path(__file__).parent / "bootstrapped_experiment", root / "data", root / "state")
    simulate_project(workspace, units=1500, days=len(DAYS), seed=7)
    run(workspace, DAYS[0], DAYS[-1])
    return workspace


@pytest.fixture(scope="module")
def scorecard(whole) -> pd.DataFrame:
    return table(whole.state, "scorecard")


def at(scorecard: pd.DataFrame, metric_id: str, day: date = DAYS[-1], segment: str = "all") -> pd.Series:
    rows = scorecard[(scorecard["metric_id"] == metric_id) & (scorecard["as_of_date"] == pd.Timestamp(day))]
    return rows[rows["segment_name"] == segment].iloc[0]


def spent_in_a_day(workspace: Workspace) -> pd.DataFrame:
    """Variant and cents of each unit that saw one variant, in the 24 hours after it first did, from the log files."""
    exposures = pd.concat([pd.read_parquet(path) for path in sorted((workspace.data / "exposures").glob("*.parquet"))])
    exposures = exposures[exposures["experiment"] == "checkout"].assign(ts=lambda rows: naive(rows["ts"]))
    exposures = exposures[exposures["ts"] < pd.Timestamp("2026-10-04")]
    by_unit = exposures.sort_values("ts").groupby("user_id")
    first = by_unit.first()[by_unit["variant"].min() == by_unit["variant"].max()]
    events = pd.concat([pd.read_csv(path) for path in sorted((workspace.data / "shop").glob("*.csv"))])
    events = events[events["name"] == "purchase"].assign(ts=lambda rows: naive(rows["ts"]))
    joined = events.merge(first[["ts"]], left_on="user_id", right_index=True, suffixes=("", "_exposed"))
    age = joined["ts"] - joined["ts_exposed"]
    counted = joined[(age >= pd.Timedelta(0)) & (age < pd.Timedelta(days=1))]
    cents = (counted["amount"] * 100).round().groupby(counted["user_id"]).sum()
    return first[["variant"]].assign(cents=cents.reindex(first.index).fillna(0.0))


def naive(instants: pd.Series) -> pd.Series:
    return pd.to_datetime(instants, utc=True).dt.tz_localize(None)


def digest(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8])


def replicated_means(units: pd.DataFrame, variant: str) -> np.ndarray:
    """Of 1,999 replicates, by the documentation: a weight for each unit's bucket, MD5 over its id."""
    own = units[units["variant"] == variant]
    bucket = [int(hashlib.md5(f"bucket {unit}".encode()).hexdigest()[:8], 16) % 1000 for unit in own.index]
    rng = np.random.default_rng([digest("checkout spend"), digest(variant)])
    up_to = stats.poisson.cdf(np.arange(18), 1)
    weights = np.searchsorted(up_to, rng.random((1999, 1000)), side="right")[:, bucket]
    return weights @ own["cents"].to_numpy() / weights.sum(axis=1) / 100


def test_a_row_holds_the_percentiles_of_replicates_made_from_the_logs(whole, scorecard):
    row, units = at(scorecard, "spend"), spent_in_a_day(whole)
    base, fast = (replicated_means(units, variant) for variant in ("control", "fast"))
    difference, relative = np.sort(fast - base), np.sort((fast - base) / base)

    assert (row["n_baseline"], row["n_treatment"]) == tuple(units["variant"].value_counts()[["control", "fast"]])
    # Of 1,999 replicates at .05 the 50th from either end.
    assert (row["ci_low"], row["ci_high"]) == pytest.approx((difference[49], difference[-50]), rel=1e-9)
    assert (row["relative_ci_low"], row["relative_ci_high"]) == pytest.approx((relative[49], relative[-50]), rel=1e-9)
    assert row["p_value"] == pytest.approx(
        min(1, 2 * (1 + min((difference <= 0).sum(), (difference >= 0).sum())) / 2000)
    )
    plain = at(scorecard, "plain_spend")
    assert row["effect_se"] == pytest.approx(plain["effect_se"], rel=0.15)  # four errors of buckets and replicates
    assert row["effect"] == plain["effect"]


def test_every_date_has_its_bootstrap_and_segments_say_that_they_have_none(scorecard):
    rows = scorecard[scorecard["metric_id"].isin(["spend", "revenue_per_order", "bought"])]
    whole = rows[(rows["segment_name"] == "all") & (rows["status"] != "no_units")]
    segments = rows[rows["segment_name"] == "device"]

    assert set(whole["method"]) == {"bootstrap"}
    assert set(whole["status"]) <= {"ok", "skewed", "too_few_units"}
    assert (whole[whole["as_of_date"] >= pd.Timestamp(DAYS[2])]["status"] != "too_few_units").all()
    assert len(segments) and segments["reason"].str.contains("closed form").all()
    assert set(segments["method"]) == {"welch", "delta_ratio"}


def test_a_guardrail_is_proven_by_replicates_and_the_decision_stands_on_it(whole, scorecard):
    row = at(scorecard, "revenue_per_order")
    (decision,) = table(whole.state, "decisions", as_of_date=DAYS[-1]).to_dict("records")

    assert 0 < row["p_value_non_inferiority"] < 0.05
    assert row["margin_type"] == "relative"
    assert decision["recommendation"] == "ship", decision["summary"]


@pytest.mark.slow
def test_days_one_by_one_and_a_day_again_are_one_run(whole, tmp_path):
    daily = replace(whole, state=tmp_path / "state")
    for first, last in [(DAYS[0], DAYS[1]), (DAYS[2], DAYS[2]), (DAYS[1], DAYS[1]), (DAYS[3], DAYS[3])]:
        run(daily, first, last)
    assert_same_results(daily.state, whole.state)
    with environment_kept():
        verified = verify(daily)
    assert verified.is_identical
    assert {one.table: one.n_rows for one in verified.tables}["fct_bucket_sums"] > 3 * 2 * 400


def test_planning_and_rehearsal_take_the_closed_form(whole, equipoise):
    plan = equipoise(whole, "plan", "--experiment", "checkout")
    rehearsed = equipoise(whole, "rehearse", "--experiment=checkout", "--replicates=10", "--format=json")

    assert (plan.status, rehearsed.status) == (0, 0), (plan.err, rehearsed.err)
    assert "revenue_per_order" in plan.out
