"""Methods that look more than once, from a team's YAML to rows of the scorecard."""

from collections.abc import Callable
from datetime import date

import numpy as np
import pandas as pd
import pytest

from analysis.scorecard import scorecard
from analysis.statistics import confidence_sequence
from analysis.statistics.estimate import Contrast
from analysis.statistics.group_sequential.boundaries import boundaries
from analysis.statistics.group_sequential.design import drift_for_power
from analysis.statistics.group_sequential.futility import futility_bounds
from analysis.statistics.group_sequential.stagewise import stagewise
from analysis.statistics.spending import obrien_fleming, pocock
from configs.schema import Config, Decision
from tests.analysis.scorecard.from_yaml import DAILY, days, effect_of, of

SEQUENTIAL = [
    "method: always_valid\nalways_valid: {planned_units: 8000}",
    "method: group_sequential\ncorrection: bonferroni\ngroup_sequential: {planned_units: 11200, spending: pocock,"
    " futility_spending: obrien_fleming}",
    "method: group_sequential\ncorrection: bonferroni\n"
    "group_sequential: {planned_units: 12000, looks: [2026-10-04, 2026-10-08]}",
]


def assert_day_by_day_is_all_at_once(config: Config, moments: pd.DataFrame, not_blocked: pd.DataFrame) -> None:
    at_once = scorecard(moments, config.experiments, config.metrics, not_blocked)
    history = at_once.iloc[:0]
    for _, day in moments.groupby("as_of_date"):
        new = scorecard(day, config.experiments, config.metrics, not_blocked, history=history)
        history = pd.concat([history, new], ignore_index=True)
    pd.testing.assert_frame_equal(history, at_once, check_exact=True)


@pytest.mark.parametrize("analysis", SEQUENTIAL)
@pytest.mark.parametrize("lift", [0.03, pytest.param(0.0, marks=pytest.mark.slow)])
def test_day_by_day_is_all_at_once_to_the_last_bit(
    configured: Callable, not_blocked: pd.DataFrame, analysis: str, lift: float
) -> None:
    config, moments = configured(analysis), days(lift, n_days=9)
    assert_day_by_day_is_all_at_once(config, moments, not_blocked)


def with_a_skewed_look() -> pd.DataFrame:
    """Revenue is 6 standard errors up on 5 October alone, in a treatment of heavy tails."""
    moments = days(lift=0.0, n_days=9)
    on_that_day = moments["as_of_date"] == date(2026, 10, 5)
    chosen = on_that_day & (moments["metric_id"] == "revenue") & (moments["variant_id"] == "fast")
    moments.loc[chosen, "mean"] += 1.5
    moments.loc[chosen, "third_central_moment"] = 1e6
    return moments


@pytest.mark.parametrize("analysis", SEQUENTIAL)
def test_a_skewed_look_counts_for_its_own_date_alone(
    configured: Callable, not_blocked: pd.DataFrame, analysis: str
) -> None:
    config = configured(f"{analysis}\ncovariate_adjustment: false".replace("2026-10-04", "2026-10-05"))
    moments = with_a_skewed_look()
    rows = of(scorecard(moments, config.experiments, config.metrics, not_blocked), "revenue")
    look = rows.loc["2026-10-05"]
    assert ("skewed: " in look["reason"], look["p_value"] < 0.05, look["ci_low"] > 0) == (True, True, True)
    is_repeated = "no look at this date" in rows.loc["2026-10-06", "reason"]
    for day in rows.index[rows.index > "2026-10-05"]:
        row = rows.loc[day]
        if "no look at this date" in row["reason"] and day < pd.Timestamp("2026-10-08"):
            figures = ["p_value", "ci_low", "ci_high_adjusted", "p_value_deterioration", "relative_ci_low"]
            assert row[figures].tolist() == look[figures].tolist()
            assert "skewed: " in row["reason"]
        else:
            assert row["p_value"] > 0.05
            assert row["ci_low"] < 0 < row["ci_high"]
            assert row["status"] == "ok"
    assert is_repeated == ("looks" in analysis)


@pytest.mark.parametrize("analysis", SEQUENTIAL)
def test_day_by_day_is_all_at_once_where_looks_are_skewed(
    configured: Callable, not_blocked: pd.DataFrame, analysis: str
) -> None:
    config = configured(analysis.replace("2026-10-04", "2026-10-05"))
    moments = with_a_skewed_look()
    assert_day_by_day_is_all_at_once(config, moments, not_blocked)


def test_always_valid_is_the_running_minimum_of_the_sequence(scored: Callable) -> None:
    rows = of(scored("method: always_valid\nalways_valid: {planned_units: 8000}"), "conversion")
    tuned = confidence_sequence.best_rho2(8000, 0.05)
    n = (rows["n_baseline"] + rows["n_treatment"]).to_numpy(dtype=float)
    z = (rows["effect"] / rows["effect_se"]).to_numpy()
    k = n * tuned
    p = np.minimum.accumulate(np.minimum(1, np.sqrt(1 + k) * np.exp(-(z**2) * k / (k + 1) / 2))[1:])
    # 400 units an arm on the first day hold fewer than 100 events in one of them.
    assert (rows["status"].iloc[0], rows["p_value"].isna().iloc[0]) == ("burn_in", True)
    np.testing.assert_allclose(rows["p_value"].iloc[1:], p, rtol=1e-9)
    assert set(rows["status"].iloc[1:]) <= {"ok", "skewed"}
    excludes = (rows["ci_low"] > 0) | (rows["ci_high"] < 0)
    assert (excludes == (rows["p_value"] <= 0.05)).iloc[1:].all()
    assert rows["method"].iloc[-1] == "welch always_valid"
    assert (rows["ci_low"].dropna().diff().dropna() >= 0).all()
    assert (rows["ci_high"].dropna().diff().dropna() <= 0).all()


def test_always_valid_marks_open_ended_metrics_and_runs_nothing_on(scored: Callable) -> None:
    moments = days(metrics=("conversion", "lifetime", "visits"))
    rows = of(scored("method: always_valid", moments, secondary="lifetime"), "lifetime")
    last = rows.iloc[-1]
    rho2 = confidence_sequence.best_rho2(2000, 0.05)
    expected = confidence_sequence.two_sided_p(effect_of(last), last["n_baseline"] + last["n_treatment"], rho2)
    assert last["status"] == "open_ended"
    assert last["p_value"] == pytest.approx(expected[0], rel=1e-9)


def test_the_projected_date_is_where_the_sequence_excludes_no_effect(scored: Callable) -> None:
    rows = of(scored("method: always_valid\nalways_valid: {planned_units: 8000}", days(lift=0.02)), "conversion")
    row = rows[rows["projected_date"].notna() & (rows["p_value"] > 0.05)].iloc[0]
    days_ahead = (row["projected_date"] - row.name).days
    rho2 = confidence_sequence.best_rho2(8000, 0.05)
    n = float(row["n_baseline"] + row["n_treatment"])
    for ahead, significant in ((days_ahead - 1, False), (days_ahead, True)):
        later = n + 2 * DAILY * ahead
        contrast = Contrast(*(np.array([x]) for x in (row["effect"], row["effect_se"] * np.sqrt(n / later), 1e9, 0)))
        assert (confidence_sequence.two_sided_p(contrast, later, rho2)[0] <= 0.05) == significant


def test_group_sequential_rejects_where_the_boundary_is_crossed(scored: Callable) -> None:
    options = "group_sequential: {planned_units: 11200, looks: [2026-10-05, 2026-10-09], futility_spending: pocock}"
    rows = of(scored(f"method: group_sequential\ncorrection: bonferroni\n{options}"), "conversion")
    looks = [pd.Timestamp("2026-10-05"), pd.Timestamp("2026-10-09"), pd.Timestamp("2026-10-15")]
    fractions = [4 / 14, 8 / 14, 1.0]
    assert rows["information_fraction"].dropna().unique().tolist() == pytest.approx(fractions)
    assert rows["look"].dropna().unique().tolist() == [1, 2, 3]
    bound = boundaries([fractions], 0.05, obrien_fleming, ends=True).upper[0]
    np.testing.assert_allclose(rows.loc[looks, "critical_value"], bound, atol=1.1e-4)
    z = rows["effect"] / rows["effect_se"]
    crossed = (z.loc[looks].abs() >= bound).cummax()
    assert (rows.loc[looks, "p_value"] <= 0.05).tolist() == crossed.tolist()
    assert rows["status"].iloc[0] == "no_look"
    between = rows.loc["2026-10-06"]
    assert (between["status"], between["p_value"]) == ("ok", rows.loc["2026-10-05", "p_value"])
    assert "no look at this date" in between["reason"]
    assert rows.loc[looks, "is_futile"].notna().all()
    assert rows["is_futile"].isna().sum() == len(rows) - 3


def test_a_goal_held_to_a_margin_is_futile_where_its_margin_is(configured: Callable, not_blocked: pd.DataFrame) -> None:
    """No effect is futile for a goal that should grow, and what do_no_harm hopes for."""
    config = configured(
        "method: group_sequential\ncorrection: bonferroni\n"
        "group_sequential: {planned_units: 11200, looks: [2026-10-05, 2026-10-09], futility_spending: pocock}"
    )
    subject = config.experiments["checkout"]
    found = {}
    for margin in (None, 0.05, 0.001):
        held = [] if margin is None else [{"metric": "conversion", "absolute_margin": margin}]
        rule = Decision(rule="do_no_harm" if held else "risk_aware", margins=held)
        one = {"checkout": subject.model_copy(update={"decision": rule})}
        rows = of(scorecard(days(lift=0.0), one, config.metrics, not_blocked), "conversion")
        found[margin] = rows.loc["2026-10-09"]
    assert {margin: row["is_futile"] for margin, row in found.items()} == {None: True, 0.05: False, 0.001: True}
    plan = boundaries([np.arange(1, 11) / 10], 0.1, obrien_fleming)
    drift = drift_for_power(plan, 0.8, spending=pocock)
    seen = boundaries([[4 / 14, 8 / 14]], 0.1, obrien_fleming)
    bound = futility_bounds(seen, drift, 0.2, pocock)[0, 1]
    for margin in (0.05, 0.001):
        row = found[margin]
        assert ((row["effect"] + margin) / row["effect_se"] < bound) == row["is_futile"]


def test_group_sequential_ends_with_stagewise_inference(scored: Callable) -> None:
    options = "group_sequential: {planned_units: 11200, looks: [2026-10-05, 2026-10-09]}"
    rows = of(scored(f"method: group_sequential\ncorrection: bonferroni\n{options}", days(lift=0.0)), "conversion")
    last = rows.iloc[-1]
    bounds = boundaries([[4 / 14, 8 / 14, 1.0]], 0.05, obrien_fleming, ends=True)
    found = stagewise(effect_of(last), bounds, np.array([0]), np.array([2]))
    assert rows["p_value_stagewise"].notna().sum() == 1
    assert last["p_value_stagewise"] == pytest.approx(found.p_value[0], rel=1e-5)
    assert last["effect_median_unbiased"] == pytest.approx(found.median_unbiased[0], rel=1e-5)
    assert last["stagewise_ci_low"] < last["effect_median_unbiased"] < last["stagewise_ci_high"]


def test_after_all_alpha_was_spent_the_stagewise_interval_ends_at_zero(scored: Callable) -> None:
    """Planned far too small: the third day spends all that is left, and only the final look crosses anything."""
    moments = days(lift=0.0)
    last = moments["as_of_date"] == moments["as_of_date"].max()
    moments.loc[last & (moments["metric_id"] == "conversion") & (moments["variant_id"] == "fast"), "mean"] += 0.2
    options = "group_sequential: {planned_units: 2000}"
    row = of(scored(f"method: group_sequential\ncorrection: bonferroni\n{options}", moments), "conversion").iloc[-1]
    assert row["p_value_stagewise"] == 0.05
    assert row["stagewise_ci_low"] == 0.0
    assert row["p_value"] > 0.05
