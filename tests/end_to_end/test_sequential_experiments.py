"""Results that run on from date to date are the same however the dates are run, and decide as early as they may."""

from dataclasses import replace
from datetime import date
from pathlib import Path

import pandas as pd
import pytest

from orchestration.simulated_project import simulate_project
from orchestration.workspace import Workspace
from tests.end_to_end.pipeline import assert_same_results, copy_of, run, table

pytestmark = [pytest.mark.xdist_group("sequential_experiments"), pytest.mark.long]

DAYS = [date(2026, 10, day) for day in range(1, 6)]
DAY_2, DAY_3 = DAYS[1:3]
EXPERIMENTS = ("whenever", "in_stages")
"""Both may be decided on the third day."""


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Workspace:
    """All days in one run. Read only."""
    root = tmp_path_factory.mktemp("sequential_experiments")
    workspace = Workspace(Path(__file__).parent / "sequential_experiments", root / "data", root / "state")
    simulate_project(workspace, units=1500, days=len(DAYS), seed=5)
    run(workspace, DAYS[0], DAYS[-1])
    return workspace


@pytest.fixture(scope="module")
def daily(whole, tmp_path_factory) -> Workspace:
    """The same days run one by one, the first two together. Read only."""
    workspace = replace(whole, state=tmp_path_factory.mktemp("daily") / "state")
    for first, last in zip([DAYS[0], *DAYS[2:]], DAYS[1:], strict=True):
        run(workspace, first, last)
    return workspace


def test_day_by_day_is_the_same_as_all_days_at_once(whole, daily):
    assert_same_results(daily.state, whole.state)


def test_rerunning_a_day_in_the_middle_changes_nothing(whole, daily, tmp_path):
    again = copy_of(daily, tmp_path, "state")
    run(again, DAY_3, DAY_3)
    assert_same_results(again.state, whole.state)


def test_a_correction_runs_on_to_every_later_date(whole, tmp_path):
    corrected = copy_of(whole, tmp_path, "data", "state")
    log = corrected.data / "shop" / f"{DAY_2}.csv"
    rows = pd.read_csv(log, dtype=str)
    rows.iloc[: len(rows) // 2].to_csv(log, index=False)
    run(corrected, DAY_2, DAY_2)

    fresh = replace(corrected, state=tmp_path / "fresh")
    run(fresh, DAYS[0], DAYS[-1])
    assert_same_results(corrected.state, fresh.state)
    for experiment_id in EXPERIMENTS:
        before, after = (
            table(one.state, "scorecard", experiment_id=experiment_id, metric_id="conversion")["p_value"].dropna()
            for one in (whole, corrected)
        )
        assert len(before) == len(after) >= 3 and (before.to_numpy() != after.to_numpy()).all()


@pytest.mark.parametrize("experiment_id", EXPERIMENTS)
def test_results_run_on(whole, experiment_id):
    """p-values only fall and intervals only narrow, also where the effect has gone back in standard errors."""
    rows = table(whole.state, "scorecard", experiment_id=experiment_id)
    has_gone_back = False
    for _, metric in rows[rows["metric_id"] != "purchases_so_far"].groupby("metric_id"):
        shown = metric[metric["p_value"].notna()]
        assert len(shown) >= 3
        assert (shown["p_value"].diff().dropna() <= 0).all()
        assert (shown["ci_low"].diff().dropna() >= 0).all() and (shown["ci_high"].diff().dropna() <= 0).all()
        has_gone_back |= ((shown["effect"] / shown["effect_se"]).abs().diff() < 0).any()
    assert has_gone_back, "nothing to hold back: another seed"


def test_a_metric_without_a_window_stands_alone(whole):
    rows = table(whole.state, "scorecard", metric_id="purchases_so_far").dropna(subset=["p_value"])
    assert len(rows) and rows["status"].isin(["open_ended", "skewed"]).all()
    assert rows["reason"].str.contains("open-ended: ").all()


@pytest.mark.parametrize("experiment_id", EXPERIMENTS)
def test_it_ships_on_the_first_date_that_allows_it_and_stays(whole, experiment_id):
    conversion = table(whole.state, "scorecard", experiment_id=experiment_id, metric_id="conversion")
    is_clear = conversion.set_index("as_of_date")["p_value_adjusted"] <= 0.05
    assert is_clear[pd.Timestamp(DAY_2)], "significant before the least number of days has passed"
    decisions = table(whole.state, "decisions", experiment_id=experiment_id).set_index("as_of_date")
    assert decisions.index.tolist() == [pd.Timestamp(day) for day in DAYS]
    assert "ship" not in set(decisions.loc[: pd.Timestamp(DAY_2), "recommendation"])
    assert "minimum_days" in decisions.loc[pd.Timestamp(DAY_2), "reasons"]
    later = decisions.loc[pd.Timestamp(DAY_3) :]
    assert (later["recommendation"] == "ship").all()
    assert later[["reasons", "summary"]].drop_duplicates().shape[0] == 1
