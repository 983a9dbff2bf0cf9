"""Cookie Cats through the whole pipeline gives its published figures."""

import json

import duckdb
import numpy as np
import pandas as pd
import pytest
from scipy import stats

from orchestration.published import read_results
from tests.end_to_end.conftest import published_data
from tests.end_to_end.pipeline import table
from tests.end_to_end.real_experiments.convert import COOKIE_CATS_DAYS

pytestmark = pytest.mark.xdist_group("real_experiments")

EXACT = {"rel": 1e-9, "abs": 0}
QUANTILES = {"median_rounds": 0.5, "rounds_of_keen_players": 0.95}
PUBLISHED_NAMES = {"day_1_retention": "retention_1", "day_7_retention": "retention_7"}


@pytest.fixture(scope="module")
def expected() -> dict:
    return json.loads((published_data("cookie_cats") / "expected.json").read_text())


@pytest.fixture(scope="module")
def users() -> pd.DataFrame:
    return pd.read_csv(published_data("cookie_cats") / "cookie_cats.csv.gz")


@pytest.fixture(scope="module")
def scorecard(cookie_cats) -> pd.DataFrame:
    return read_results(cookie_cats.state).scorecard.set_index("metric_id")


@pytest.mark.parametrize("metric", PUBLISHED_NAMES)
def test_retention_is_the_published_one(scorecard, expected, metric):
    ours, theirs = scorecard.loc[metric], expected[PUBLISHED_NAMES[metric]]
    assert (ours["n_baseline"], ours["n_treatment"]) == (theirs["n_c"], theirs["n_t"])
    assert ours["baseline_mean"] == pytest.approx(theirs["rate_c"], **EXACT)
    assert ours["treatment_mean"] == pytest.approx(theirs["rate_t"], **EXACT)
    assert ours["effect"] == pytest.approx(theirs["diff"], **EXACT)
    assert ours["effect_relative"] == pytest.approx(theirs["rel"], **EXACT)


@pytest.mark.parametrize("metric", PUBLISHED_NAMES)
def test_retention_is_tested_by_welch_on_the_users(scorecard, users, metric):
    retained = users[PUBLISHED_NAMES[metric]].astype(float)
    arms = [retained[users["version"] == version] for version in ("gate_40", "gate_30")]
    welch = stats.ttest_ind(*arms, equal_var=False)
    interval = welch.confidence_interval(0.95)
    ours = scorecard.loc[metric]
    assert ours["p_value"] == pytest.approx(welch.pvalue, rel=1e-9)
    assert ours[["ci_low", "ci_high"]].tolist() == pytest.approx([interval.low, interval.high], rel=1e-9)


def test_day_1_differs_from_the_pooled_z_test_in_the_sixth_decimal(scorecard, expected):
    assert expected["retention_1"]["p_two_sided"] == pytest.approx(0.0744097, abs=5e-8)
    assert scorecard.loc["day_1_retention", "p_value"] == pytest.approx(0.0744144, abs=5e-8)


def test_rounds_are_the_published_welch_test(scorecard, expected):
    ours, theirs = scorecard.loc["game_rounds"], expected["gamerounds"]
    assert (ours["n_baseline"], ours["n_treatment"]) == (theirs["n_c"], theirs["n_t"])
    assert ours["baseline_mean"] == pytest.approx(theirs["mean_c"], **EXACT)
    assert ours["treatment_mean"] == pytest.approx(theirs["mean_t"], **EXACT)
    assert ours["effect"] == pytest.approx(theirs["diff"], **EXACT)
    assert ours["effect_se"] == pytest.approx(theirs["se"], rel=1e-9)
    assert ours["p_value"] == pytest.approx(theirs["p"], rel=1e-6)
    assert ours[["ci_low", "ci_high"]].tolist() == pytest.approx(theirs["ci95"], rel=1e-6)
    assert ours["effect_relative"] == pytest.approx(theirs["diff"] / theirs["mean_c"], **EXACT)


@pytest.mark.parametrize(("metric", "level"), QUANTILES.items())
def test_quantiles_are_those_of_the_users(scorecard, users, metric, level):
    arms = [users.loc[users["version"] == version, "sum_gamerounds"] for version in ("gate_30", "gate_40")]
    (b, b_ci), (t, t_ci) = (
        (
            np.quantile(arm, level, method="inverted_cdf"),
            stats.quantile_test(arm, p=level).confidence_interval(0.95),
        )
        for arm in arms
    )
    ours = scorecard.loc[metric]
    assert (ours["method"], ours["n_baseline"], ours["n_treatment"]) == ("quantile", 44_700, 45_489)
    assert (ours["baseline_mean"], ours["treatment_mean"]) == (b, t)
    # MOVER of the arms' order-statistic intervals.
    assert ours["ci_low"] == pytest.approx(t - b - np.hypot(t - t_ci.low, b_ci.high - b), rel=1e-12)
    assert ours["ci_high"] == pytest.approx(t - b + np.hypot(t_ci.high - t, b - b_ci.low), rel=1e-12)


@pytest.mark.parametrize(("version", "kept"), [("gate_30", (16, 17, 18)), ("gate_40", (15, 16, 17))])
def test_only_values_near_the_median_are_told_apart(cookie_cats, users, version, kept):
    """Within 6 standard deviations and 36 ranks: 3 of nearly 800 values, the others at the extremes."""
    counts = value_counts(cookie_cats).set_index("variant_id").loc[version].sort_values("value")
    rounds = users.loc[users["version"] == version, "sum_gamerounds"]
    assert counts["value"].tolist() == [rounds.min(), *kept, rounds.max()]
    inner = [(rounds == value).sum() for value in kept]
    assert counts["n_units"].tolist() == [(rounds < kept[0]).sum(), *inner, (rounds > kept[-1]).sum()]


def value_counts(workspace) -> pd.DataFrame:
    """Units by their rounds, for the median, at the last date."""
    query = "from marts.fct_value_counts where metric_id = 'median_rounds' and as_of_date = $day"
    with duckdb.connect(str(workspace.warehouse), read_only=True) as connection:
        return connection.execute(query, {"day": COOKIE_CATS_DAYS[-1].date()}).df()


def test_the_third_moment_survives_the_49_854_round_outlier(cookie_cats, users):
    last = COOKIE_CATS_DAYS[-1].date()
    moments = table(cookie_cats.state, "metric_moments", metric_id="game_rounds", as_of_date=last)
    for arm in moments.to_dict("records"):
        rounds = users.loc[users["version"] == arm["variant_id"], "sum_gamerounds"].to_numpy(float)
        assert arm["variance"] == pytest.approx(rounds.var(ddof=1), rel=1e-12)
        # Distances are kept in whole thousandths of a standard deviation.
        assert arm["third_central_moment"] == pytest.approx(np.mean((rounds - rounds.mean()) ** 3), rel=1e-4)


def test_the_borderline_split_passes_with_a_note(cookie_cats, expected):
    health = read_results(cookie_cats.state).health_checks.set_index("check_name")
    split = health.loc["sample_ratio_mismatch"]
    assert (bool(split["passed"]), split["severity"]) == (True, "note")
    assert split["statistic"] == pytest.approx(expected["srm"]["chi2"], **EXACT)
    assert split["p_value"] == pytest.approx(expected["srm"]["p"], rel=1e-9)
    # Days as even as the conversion of a table of players makes them are no weeks of real logs.
    assert health.loc[~health["passed"], "severity"].to_dict() == {"log_anomalies": "warning"}


def test_fewer_players_returning_is_a_rollback_on_the_planned_day(cookie_cats):
    decisions = table(cookie_cats.state, "decisions")
    assert decisions["as_of_date"].tolist() == list(COOKIE_CATS_DAYS)
    assert decisions["recommendation"].tolist() == ["continue"] * 15 + ["rollback"]
    assert decisions["variant_id"].iloc[-1] == "gate_40"
    reasons = json.loads(decisions["reasons"].iloc[-1])
    worse = [reason["metric_id"] for reason in reasons if reason["rule"] == "deterioration"]
    assert worse == ["day_7_retention"]


def test_a_unit_counts_once_its_window_has_passed(cookie_cats):
    """Two days after its install to the microsecond; the first user installed at midnight sharp."""
    counts = table(cookie_cats.state, "metric_moments", metric_id="day_1_retention")
    by_day = counts.groupby("as_of_date")["n_units"].sum()
    assert by_day[list(COOKIE_CATS_DAYS[:4])].tolist() == [0, 1, 45_095, 90_189]
    assert (by_day[list(COOKIE_CATS_DAYS[4:])] == 90_189).all()


def test_every_row_is_accounted_for(cookie_cats, users):
    ledger = table(cookie_cats.state, "row_ledger").groupby("source_id")
    n_events = int(users["retention_1"].sum() + users["retention_7"].sum() + (users["sum_gamerounds"] > 0).sum())
    counts = ["rows_read", "rows_accepted", "rows_duplicate", "rows_quarantined"]
    assert ledger[counts].sum().loc["installs"].tolist() == [90_189, 90_189, 0, 0]
    assert ledger[counts].sum().loc["game_events"].tolist() == [n_events, n_events, 0, 0]


def test_the_outlier_makes_the_rounds_say_that_they_are_skewed(scorecard):
    assert scorecard.loc["game_rounds", "status"] == "skewed"
    assert (scorecard["status"].drop("game_rounds") == "ok").all()


def test_without_segments_only_the_whole_population_is_published(cookie_cats):
    for name in ("exposure_counts", "metric_moments", "scorecard"):
        rows = table(cookie_cats.state, name)
        assert set(zip(rows["segment_name"], rows["segment_value"], strict=True)) == {("all", "all")}
