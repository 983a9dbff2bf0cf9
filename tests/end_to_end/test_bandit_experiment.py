"""A bandit in YAML over 21 days of simulated logs with known truth: allocations, effects, values, gain, decision.

Of plain 10 % buy, of short 12 %, of bold 20 %; 5 % more everywhere at weekends. 400 units a day. A second
one, `banner`, was split otherwise than published for four days, and its exposures log how: 60 to 40.
"""

from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis.bandits.regret import regret
from configs.load import load_config
from orchestration.workspace import Workspace
from tests.end_to_end.adaptive_logs import Truth, add_logged_chances, write_adaptive_logs
from tests.end_to_end.pipeline import run, table

FIRST, END = date(2026, 10, 1), date(2026, 10, 21)
LAST = END + timedelta(days=1)
MEANS = {"plain": 0.10, "short": 0.12, "bold": 0.20}
CHANCES, BANNER = {"off": 0.6, "on": 0.4}, {"off": 0.20, "on": 0.45}
pytestmark = [pytest.mark.xdist_group("bandit_experiment"), pytest.mark.long]


@pytest.fixture(scope="module")
def bandit(tmp_path_factory) -> tuple[Workspace, Truth]:
    """Two runs, the second from the middle on."""
    root = tmp_path_factory.mktemp("bandit")
    workspace = Workspace(Path(__file__).parent / "bandit_experiment", root / "data", root / "state")
    config = load_config(workspace.configs)
    truth = write_adaptive_logs(config, "headline", MEANS, workspace.data, units=400, seed=21)
    add_logged_chances(workspace.data, config.experiments["banner"], CHANCES, BANNER, units=300, seed=22)
    run(workspace, FIRST, date(2026, 10, 10))
    run(workspace, date(2026, 10, 11), LAST)
    return workspace, truth


def test_every_day_s_allocation_is_the_one_that_its_units_were_split_by(bandit):
    workspace, truth = bandit
    found = table(workspace.state, "bandit_allocations", experiment_id="headline")
    assert (found["day"] == found["as_of_date"] + pd.Timedelta(days=1)).all()
    shares = found.set_index(["day", "variant_id"])["share"].unstack()[list(MEANS)]  # noqa: PD010
    assert list(shares.index.date) == [FIRST + timedelta(days=day) for day in range(1, 21)]
    np.testing.assert_array_equal(shares.to_numpy(), truth.shares[1:])
    assert (found.groupby("day")["buckets"].sum() == 10_000).all() and (found["share"] >= 0.05).all()
    assert set(found.loc[found["day"] == pd.Timestamp(2026, 10, 2), "status"]) == {"burn_in"}
    assert shares.iloc[-1].idxmax() == "bold" and shares.iloc[-1]["bold"] > 0.7


def test_the_bandit_gained_on_an_even_split_and_says_how_much(bandit):
    workspace, truth = bandit
    assert regret(truth.units.sum(axis=0), truth.means.mean(axis=0)).saved > 0.4  # of an even split's regret
    gain = table(workspace.state, "bandit_gains", as_of_date=LAST).iloc[0]
    true_gain = ((truth.shares - 1 / 3) * truth.means * truth.units.sum(axis=1, keepdims=True)).sum()
    assert gain["status"] == "ok" and gain["n_batches"] == 21 and gain["n_units"] == truth.units.sum()
    assert gain["ci_low"] <= true_gain <= gain["ci_high"] and gain["ci_low"] > 0


def test_final_intervals_cover_the_truth_and_the_best_arm_ships(bandit):
    workspace, _ = bandit
    rows = table(workspace.state, "scorecard", as_of_date=LAST, metric_id="conversion").set_index("variant_id")
    for variant_id in ("short", "bold"):
        row = rows.loc[variant_id]
        assert row["method"] == "batched_ols"
        assert row["ci_low"] <= MEANS[variant_id] - MEANS["plain"] <= row["ci_high"]
        assert row["status"] == "sparse"  # fewer than 100 of plain's units bought: it was soon at its floor
    ratio = table(workspace.state, "scorecard", as_of_date=LAST, metric_id="purchases_per_visit")
    assert set(ratio["status"]) == {"failed"} and ratio["reason"].str.contains("no moments by batch").all()
    decision = table(workspace.state, "decisions", as_of_date=LAST).iloc[0]
    assert (decision["recommendation"], decision["variant_id"]) == ("ship", "bold")


def test_other_policies_are_valued_from_the_log(bandit):
    workspace, truth = bandit
    values = table(workspace.state, "policy_values", as_of_date=LAST).set_index(["policy_id", "estimator"])
    of_day = truth.units.sum(axis=1) / truth.units.sum()
    for policy, shares in (("only_bold", [0, 0, 1]), ("even", [0.34, 0.33, 0.33])):
        true_value = (of_day[:, None] * truth.means * shares).sum()
        for estimator in ("self_normalised", "doubly_robust", "inverse_propensity"):
            row = values.loc[(policy, estimator)]
            assert row["status"] == "ok" and abs(row["value"] - true_value) < 2.6 * row["value_se"]


def test_sample_ratios_are_held_against_each_day_s_own_allocation(bandit):
    """Pooled over days bold has far more than the third that it started with, and nothing is wrong."""
    workspace, truth = bandit
    health = table(workspace.state, "health_checks", as_of_date=LAST)
    ratios = health[health["check_name"].str.startswith("sample_ratio_mismatch")]
    assert truth.units[:, 2].sum() / truth.units.sum() > 0.6
    assert ratios["passed"].all() and (ratios["segment_name"] == "epoch").sum() == 21
    assert not (health["severity"] == "error")[~health["passed"].astype(bool)].any()


def test_what_exposures_log_comes_before_what_was_published(bandit):
    """By hand: of the even policy a unit's reward counts 1/2 over the chance that its exposure logs."""
    state, last = bandit[0].state, date(2026, 10, 5)
    assert set(table(state, "bandit_allocations", experiment_id="banner")["share"]) == {0.5}  # as top-two has two arms
    batches = table(state, "batch_moments", experiment_id="banner", as_of_date=last)
    chance = batches["variant_id"].map(CHANCES)
    expected = (batches["n_units"] * batches["mean"] * 0.5 / chance).sum() / batches["n_units"].sum()
    values = table(state, "policy_values", experiment_id="banner", as_of_date=last).set_index("estimator")["value"]
    assert values["inverse_propensity"] == pytest.approx(expected)
    row = table(state, "scorecard", experiment_id="banner", as_of_date=last).iloc[0]
    assert row["method"] == "adaptive_weights" and row["ci_low"] <= 0.25 <= row["ci_high"]
    health = table(state, "health_checks", experiment_id="banner", as_of_date=last).set_index("check_name")
    logged = health.loc["logged_propensities"]
    assert (logged["passed"], logged["severity"], logged["statistic"]) == (False, "warning", 1199 / 1200)
    assert "of 1,200 units 1 log no chance above 0" in logged["message"]
    assert health.loc["sample_ratio_mismatch", "passed"]


def test_the_command_line_shows_tomorrow_s_shares(bandit, equipoise):
    shown = equipoise(bandit[0], "results", "--experiment", "headline", "--as-of", "2026-10-20")
    assert shown.status == 0 and "2026-10-21" in shown.out and "chance best" in shown.out


def test_a_rebuild_gives_the_same(bandit, equipoise):
    verified = equipoise(bandit[0], "verify")
    assert verified.status == 0, verified.out
