"""From the moments of days to rows of trends."""

from datetime import date
from typing import Any

import numpy as np
import pandas as pd
import pytest

from analysis.heterogeneity.columns import TREND_COLUMNS
from analysis.heterogeneity.effect_trends import NO_COHORT, effect_trends
from configs.schema import Experiment
from tests.analysis.heterogeneity.examples import METRICS, NOT_BLOCKED, make_experiment
from tests.analysis.heterogeneity.test_trend import days_of, visits

DAYS = 14
LEVEL = np.linspace(4, 2, DAYS)
FADING, GROWING = np.linspace(1.3, 1.0, DAYS), np.linspace(0.9, 1.2, DAYS)


def day_rows(arms: dict[str, np.ndarray], metric_id: str = "revenue", experiment_id: str = "checkout") -> pd.DataFrame:
    """fct_day_moments of units' values (units, days)."""
    parts = []
    for variant, values in arms.items():
        moments = days_of(values)
        day, other = np.triu_indices(values.shape[1])
        parts.append(
            pd.DataFrame(
                {
                    "as_of_date": date(2026, 11, 1),
                    "experiment_id": experiment_id,
                    "variant_id": variant,
                    "metric_id": metric_id,
                    "day": day,
                    "other_day": other,
                    "n_units": len(values),
                    "mean": moments.mean[day],
                    "covariance": moments.covariance[day, other],
                }
            )
        )
    return pd.concat(parts, ignore_index=True)


def arms(lift: np.ndarray | float, seed: int = 1, days: int = DAYS, n: int = 20_000) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    level = LEVEL[:days]
    return {
        "control": visits(rng, (n, days), level),
        "treatment": visits(rng, (n, days), level * np.broadcast_to(lift, DAYS)[:days]),
    }


def rows_of(days: pd.DataFrame, experiment: Experiment | None = None, **changes: Any) -> pd.DataFrame:
    roles = {"primary": [str(days["metric_id"].iloc[0])]}
    experiment = experiment or make_experiment(**({"metrics": roles} | changes))
    return effect_trends(days, {experiment.id: experiment}, METRICS, NOT_BLOCKED).set_index("term")


def test_an_effect_that_wears_off_is_novelty_and_one_that_grows_is_primacy() -> None:
    fading = rows_of(day_rows(arms(FADING)))
    assert (fading["finding"] == "novelty").all() and (fading["status"] == "ok").all()
    week = fading.loc["last_week_less_first"]
    assert (week["scale"], week["n_days"], week["n_treatment"]) == ("relative", DAYS, 20_000)
    # Lifts fall from .3 to 0: their means over the first and the last seven of 14 days.
    truth = FADING[7:].mean() - FADING[:7].mean()
    assert week["change"] == pytest.approx(truth, abs=4 * week["change_se"])
    assert week["first_week_effect"] == pytest.approx(FADING[:7].mean() - 1, abs=0.03)
    assert fading.loc["slope", "change"] == pytest.approx(-0.3 / 13, abs=4 * fading.loc["slope", "change_se"])
    assert (rows_of(day_rows(arms(GROWING)))["finding"] == "primacy").all()


def test_a_metric_that_should_fall_turns_the_words_around() -> None:
    found = rows_of(day_rows(arms(FADING), "complaints"))
    assert (found["finding"] == "primacy").all()


def test_a_constant_share_is_nothing() -> None:
    found = rows_of(day_rows(arms(1.1)))
    assert (found["finding"] == "none").all() and not found["significant"].any()


def test_incomplete_cohorts_are_refused() -> None:
    """As if the last day counted only the units that have lived to see it."""
    days = day_rows(arms(1.0, n=500))
    days.loc[days["other_day"] == DAYS - 1, "n_units"] = 450
    found = rows_of(days)
    assert (found["status"] == "incomplete").all() and found["p_value"].isna().all()
    assert found["change"].isna().all() and (found["finding"] == "").all()
    reason = found.loc["slope", "reason"]
    assert reason.startswith("cohorts are not complete: 500 units on day 0, 450 on day 13")


@pytest.mark.parametrize(
    ("gone", "words"),
    [("day == 5 and other_day == 5", "lacks day 5 since exposure"), ("day == 2 and other_day == 9", "a covariance")],
)
def test_what_is_missing_is_named(gone: str, words: str) -> None:
    days = day_rows(arms(1.0, n=200))
    control = days.query(f"variant_id == 'control' and {gone}").index
    found = rows_of(days.drop(index=control))
    assert (found["status"] == "incomplete").all()
    assert found["reason"].str.contains(words).all()


def test_an_arm_without_days_is_incomplete() -> None:
    days = day_rows(arms(1.0, n=200)).query("variant_id == 'control'")
    assert (rows_of(days)["status"] == "incomplete").all()


def test_short_histories_have_a_slope_but_no_two_weeks() -> None:
    found = rows_of(day_rows(arms(1.0, days=9, n=500)))
    assert found.loc["slope", "status"] == "ok"
    assert found.loc["last_week_less_first", "status"] == "incomplete"
    assert found.loc["last_week_less_first", "reason"] == "14 complete days since exposure are needed, 9 are there"


def test_a_weak_baseline_is_compared_in_the_metrics_own_unit() -> None:
    rng = np.random.default_rng(3)
    values = {name: rng.standard_normal((400, DAYS)) for name in ("control", "treatment")}
    found = rows_of(day_rows(values))
    assert (found["scale"] == "absolute").all() and (found["status"] == "weak_baseline").all()
    assert found["p_value"].notna().all()


def test_ratios_have_no_trend_and_say_so() -> None:
    found = rows_of(day_rows(arms(1.0, n=200), "basket"))
    assert (found["status"] == "not_computed").all() and found["p_value"].isna().all()


def test_experiments_of_other_lengths_stand_alone() -> None:
    days = [day_rows(arms(1.0, n=300)), day_rows(arms(1.0, days=9, n=300), experiment_id="search")]
    experiments = {id_: make_experiment(id_) for id_ in ("checkout", "search")}
    both = effect_trends(pd.concat(days), experiments, METRICS, NOT_BLOCKED)
    for mine, id_ in zip(days, experiments, strict=True):
        alone = effect_trends(mine, experiments, METRICS, NOT_BLOCKED)
        pd.testing.assert_frame_equal(both[both["experiment_id"] == id_].reset_index(drop=True), alone)


def test_every_listed_metric_has_rows_at_each_date_asked_for() -> None:
    dates = pd.DataFrame({"as_of_date": [date(2026, 11, 1), date(2026, 11, 2)], "experiment_id": "checkout"})
    experiments = {"checkout": make_experiment()}
    found = effect_trends(day_rows(arms(1.0, n=300)), experiments, METRICS, NOT_BLOCKED, dates)
    assert found.groupby(["as_of_date", "metric_id"]).size().tolist() == [2] * 8
    revenue = found.query("metric_id == 'revenue'")["status"].tolist()
    assert revenue == ["ok", "ok", "incomplete", "incomplete"]
    assert found.query("metric_id == 'conversion'")["reason"].unique().tolist() == [NO_COHORT]


def test_blocked_metrics_keep_their_reason() -> None:
    blocked = pd.DataFrame(
        [{"as_of_date": date(2026, 11, 1), "experiment_id": "checkout", "metric_id": "revenue"}]
    ).assign(status="incomplete", reason="logs of a day are missing")
    experiments = {"checkout": make_experiment()}
    found = effect_trends(day_rows(arms(1.0, n=300)), experiments, METRICS, blocked).query("metric_id == 'revenue'")
    assert (found["reason"] == "logs of a day are missing").all() and found["p_value"].isna().all()


def test_nothing_in_gives_typed_nothing_and_faults_are_named() -> None:
    days = day_rows(arms(1.0, n=50))
    found = effect_trends(days, {}, METRICS, NOT_BLOCKED)
    assert found.empty and list(found) == list(TREND_COLUMNS)
    experiments = {"checkout": make_experiment()}
    with pytest.raises(ValueError, match="day moments lack the columns covariance"):
        effect_trends(days.drop(columns="covariance"), experiments, METRICS, NOT_BLOCKED)
    with pytest.raises(ValueError, match="hold a row twice"):
        effect_trends(pd.concat([days, days]), experiments, METRICS, NOT_BLOCKED)
    with pytest.raises(ValueError, match="need 0 <= day <= other_day"):
        effect_trends(days.rename(columns={"day": "other_day", "other_day": "day"}), experiments, METRICS, NOT_BLOCKED)
