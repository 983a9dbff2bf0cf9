"""Which comparisons are corrected together."""

from collections.abc import Callable
from datetime import date

import numpy as np
import pandas as pd
import pytest

from analysis.scorecard import scorecard


@pytest.fixture
def moments(units: Callable, moments_of: Callable) -> pd.DataFrame:
    arms = {"control": units(1, 800), "treatment_1": units(2, 800, 0.05), "treatment_2": units(3, 800, 0.1)}
    days = [moments_of(arms, date(2026, 10, day)) for day in (20, 21)]
    segments = [
        moments_of({name: arm.iloc[start::2] for name, arm in arms.items()}, segment=("country", value))
        for start, value in enumerate(["PT", "DE"])
    ]
    return pd.concat([*days, *segments], ignore_index=True)


def card(
    moments: pd.DataFrame, experiment: Callable, metrics: dict, blocked: pd.DataFrame, **analysis: str
) -> pd.DataFrame:
    return scorecard(moments, {"checkout": experiment(treatments=2, **analysis)}, metrics, blocked)


def test_sizes_of_families(
    moments: pd.DataFrame, experiment: Callable, metrics: dict, not_blocked: pd.DataFrame
) -> None:
    """Two treatments: 4 primary comparisons, 2 secondary, guardrails alone, 4 metrics × 2 × 2 countries."""
    frame = card(moments, experiment, metrics, not_blocked, correction="bonferroni")
    is_all = frame["segment_name"] == "all"
    for role, size in (("primary", 4), ("secondary", 2), ("guardrail", 1)):
        rows = frame[is_all & (frame["role"] == role)]
        np.testing.assert_allclose(rows["confidence_level_adjusted"], 1 - 0.05 / size)
        np.testing.assert_allclose(rows["p_value_adjusted"], np.minimum(1, size * rows["p_value"]))


def test_a_segment_dimension_is_a_family_of_false_discoveries(
    moments: pd.DataFrame, experiment: Callable, metrics: dict, not_blocked: pd.DataFrame
) -> None:
    """Benjamini-Hochberg over 16 rows whatever the experiment's correction; intervals at alpha·R/16."""
    frame = card(moments, experiment, metrics, not_blocked, correction="bonferroni")
    segments = frame[frame["segment_name"] != "all"].sort_values("p_value")
    stepped = np.minimum.accumulate((segments["p_value"].to_numpy() * 16 / np.arange(1, 17))[::-1])[::-1]
    np.testing.assert_allclose(segments["p_value_adjusted"], np.minimum(1, stepped))
    rejected = segments["significant"].sum()
    assert 0 < rejected < 16
    np.testing.assert_allclose(segments["confidence_level_adjusted"], 1 - 0.05 * rejected / 16)


def test_holm_steps_down_within_each_day(
    moments: pd.DataFrame, experiment: Callable, metrics: dict, not_blocked: pd.DataFrame
) -> None:
    frame = card(moments, experiment, metrics, not_blocked)
    primaries = frame[(frame["segment_name"] == "all") & (frame["role"] == "primary")]
    for _, day in primaries.groupby("as_of_date"):
        ordered = day.sort_values("p_value")
        stepped = np.maximum.accumulate(ordered["p_value"].to_numpy() * [4, 3, 2, 1])
        np.testing.assert_allclose(ordered["p_value_adjusted"], np.minimum(1, stepped))
    assert (frame["significant"] == (frame["p_value_adjusted"] <= 0.05)).all()


def test_without_correction_adjusted_is_unadjusted(
    moments: pd.DataFrame, experiment: Callable, metrics: dict, not_blocked: pd.DataFrame
) -> None:
    frame = card(moments, experiment, metrics, not_blocked, correction="none")
    frame = frame[frame["segment_name"] == "all"]
    pd.testing.assert_series_equal(frame["p_value_adjusted"], frame["p_value"], check_names=False)
    for end in ("ci_low", "ci_high"):
        pd.testing.assert_series_equal(frame[f"{end}_adjusted"], frame[end], check_names=False)


def test_adjusted_intervals_hold_the_unadjusted_ones(
    moments: pd.DataFrame, experiment: Callable, metrics: dict, not_blocked: pd.DataFrame
) -> None:
    frame = card(moments, experiment, metrics, not_blocked)
    corrected = frame[frame["confidence_level_adjusted"] > 0.95]
    assert (corrected["ci_low_adjusted"] < corrected["ci_low"]).all()
    assert (corrected["ci_high_adjusted"] > corrected["ci_high"]).all()
    excludes = (frame["ci_low_adjusted"] > 0) | (frame["ci_high_adjusted"] < 0)
    assert excludes.sum() > 0
    assert frame.loc[excludes, "significant"].all()


def test_experiments_of_different_corrections_side_by_side(
    moments: pd.DataFrame, experiment: Callable, metrics: dict, not_blocked: pd.DataFrame
) -> None:
    other = moments.assign(experiment_id="other")
    experiments = {
        "checkout": experiment(treatments=2, correction="holm"),
        "other": experiment(treatments=2, correction="none").model_copy(update={"id": "other"}),
    }
    both = scorecard(pd.concat([moments, other]), experiments, metrics, not_blocked)
    alone = card(moments, experiment, metrics, not_blocked)
    first = both[both["experiment_id"] == "checkout"].reset_index(drop=True)
    pd.testing.assert_frame_equal(first, alone)
    second = both[(both["experiment_id"] == "other") & (both["segment_name"] == "all")]
    pd.testing.assert_series_equal(second["p_value_adjusted"], second["p_value"], check_names=False)


def test_dunnett_corrects_a_score_test_as_it_does_its_interval(
    moments: pd.DataFrame, experiment: Callable, metrics: dict, not_blocked: pd.DataFrame
) -> None:
    """Rare events in small treatments, where Welch's test and Newcombe's differ: the adjusted two must not."""
    verdicts = set()
    for events in range(1, 12):
        rare = moments[moments["segment_name"] == "all"].copy()
        share = (rare["metric_id"] == "conversion").to_numpy()
        is_control = (rare["variant_id"] == "control").to_numpy()
        n, mean = np.where(is_control, 80_000, 150), np.where(is_control, 0.01, events / 150)
        rare.loc[share, "n_units"] = n[share]
        rare.loc[share, "mean"] = mean[share]
        rare.loc[share, "variance"] = (mean * (1 - mean) * n / (n - 1))[share]
        rows = card(
            rare, experiment, metrics, not_blocked, correction="dunnett", proportion_interval="newcombe",
            covariate_adjustment=False,
        )  # fmt: skip
        rows = rows[rows["metric_id"] == "conversion"]
        assert rows["method"].str.endswith("newcombe").all()
        excludes = (rows["ci_low_adjusted"] > 0) | (rows["ci_high_adjusted"] < 0)
        assert (rows["significant"] == excludes).all()
        assert (rows["p_value_adjusted"] >= rows["p_value"]).all()
        verdicts |= set(excludes)
    assert verdicts == {True, False}
