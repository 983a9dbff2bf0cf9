"""A ramp-up from 90/10 to 50/50 and to everyone, from YAML to decision: epochs give the true effect, pooled arms don't.

Units that come often come first, so that the control, which the first day fills, clicks more than it would by chance.
"""

from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis.statistics.epochs import combined
from orchestration.simulated_project import simulate_project
from orchestration.verify import verify
from orchestration.workspace import Workspace
from tests.end_to_end.pipeline import assert_same_results, environment_kept, run, table
from tests.end_to_end.test_post_stratification import moments

pytestmark = [pytest.mark.xdist_group("ramp_up"), pytest.mark.long]

DAYS = [date(2026, 10, day) for day in range(1, 7)]
CLICKS = {"metric_id": "clicks"}


@pytest.fixture(scope="module")
def shop(tmp_path_factory) -> Workspace:
    """All days in one run. Read only."""
    root = tmp_path_factory.mktemp("ramp_up")
    workspace = Workspace(Path(__file__).parent / "ramp_up", root / "data", root / "state")
    simulate_project(workspace, units=4000, days=len(DAYS), seed=11)
    run(workspace, DAYS[0], DAYS[-1])
    return workspace


@pytest.fixture(scope="module")
def last(shop) -> pd.Series:
    (row,) = table(shop.state, "scorecard", segment_name="all", as_of_date=DAYS[-1], **CLICKS).to_dict("records")
    return pd.Series(row)


def test_the_effect_is_that_of_the_published_epochs(shop, last):
    strata = table(shop.state, "stratum_moments", as_of_date=DAYS[-1], **CLICKS)
    arms = [strata[strata["variant_id"] == arm].set_index("stratum") for arm in ("control", "fast")]
    assert [sorted(arm.index) for arm in arms] == [["epoch=0", "epoch=1"], ["epoch=0", "epoch=1", "epoch=2"]]
    wanted = combined(*(moments(arm.reindex(["epoch=0", "epoch=1"])) for arm in arms))

    assert last["method"] == "welch_by_epoch"
    figures = [last[name] for name in ("effect", "effect_se", "baseline_mean", "treatment_mean")]
    expected = [wanted.effect, wanted.difference.se, wanted.baseline.mean, wanted.treatment.mean]
    np.testing.assert_allclose(figures, expected, rtol=1e-9)
    assert last["reason"] == "epoch=2 left out, with fewer than 30 units in an arm"


def test_the_interval_holds_the_true_effect_which_pooled_arms_miss(shop, last):
    pooled = table(shop.state, "metric_moments", segment_name="all", as_of_date=DAYS[-1], **CLICKS)
    control, fast = (pooled[pooled["variant_id"] == arm]["mean"].iloc[0] for arm in ("control", "fast"))

    assert last["relative_ci_low"] < 0.3 < last["relative_ci_high"]
    assert last["ci_low"] > 0 and last["significant"]
    # The treatment clicks 30 % more, and looks the worse.
    assert fast - control < last["ci_low"] - last["effect_se"]


def test_a_ratio_is_combined_too_and_a_segment_says_why_it_is_not(shop):
    rows = table(shop.state, "scorecard", as_of_date=DAYS[-1])
    ratio = rows[(rows["metric_id"] == "spend_per_purchase") & (rows["segment_name"] == "all")].iloc[0]
    segments = rows[rows["segment_name"] == "device"]

    assert ratio["method"] == "delta_ratio_by_epoch" and ratio["ci_low"] < 0 < ratio["ci_high"]
    assert set(segments["status"]) == {"not_computed"} and segments["effect"].isna().all()
    assert segments["reason"].str.startswith("the allocation changed").all()


def test_the_sample_ratio_is_tested_within_epochs_and_the_decision_stands_on_the_combined_effect(shop):
    health = table(shop.state, "health_checks", as_of_date=DAYS[-1], segment_name="all")
    srm = health[health["check_name"].isin(["sample_ratio_mismatch", "sample_ratio_mismatch_matured"])]
    (decision,) = table(shop.state, "decisions", as_of_date=DAYS[-1]).to_dict("records")

    assert len(srm) and srm["passed"].all()
    assert (decision["recommendation"], decision["variant_id"]) == ("ship", "fast"), decision["summary"]


@pytest.mark.slow
def test_days_one_by_one_and_a_day_again_are_one_run(shop, tmp_path):
    daily = replace(shop, state=tmp_path / "state")
    for first, until in [(DAYS[0], DAYS[1]), (DAYS[2], DAYS[2]), (DAYS[1], DAYS[1]), (DAYS[3], DAYS[-1])]:
        run(daily, first, until)
    assert_same_results(daily.state, shop.state)
    with environment_kept():
        verified = verify(daily)
    assert verified.is_identical
    assert {one.table: one.n_rows for one in verified.tables}["fct_stratum_moments"] > 2 * 2 * 4
