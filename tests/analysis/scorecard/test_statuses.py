"""Every comparison has a row; what cannot be computed says why and shows no inference."""

from collections.abc import Callable
from datetime import date

import numpy as np
import pandas as pd
import pytest

from analysis.scorecard import ESTIMATED_STATUSES, scorecard
from analysis.statistics.inference import INFERENCES
from analysis.statistics.multiplicity import CORRECTIONS

INFERENCE = [
    "effect_se", "effect_se_pooled", "ci_low", "ci_high", "ci_low_adjusted", "ci_high_adjusted",
    "relative_ci_low", "relative_ci_high",
    "p_value", "p_value_adjusted", "p_value_non_inferiority", "p_value_deterioration", "significant",
    "variance_reduction",
]  # fmt: skip
NUMBERS = [*INFERENCE, "baseline_mean", "treatment_mean", "effect", "effect_relative"]


@pytest.fixture
def moments(units: Callable, moments_of: Callable) -> pd.DataFrame:
    return moments_of({"control": units(1, 500), "treatment_1": units(2, 500)})


@pytest.fixture
def build(experiment: Callable, metrics: dict, not_blocked: pd.DataFrame) -> Callable[..., pd.DataFrame]:
    def run(moments: pd.DataFrame, blocked: pd.DataFrame = not_blocked, **given: object) -> pd.DataFrame:
        card = scorecard(moments, {"checkout": experiment()}, metrics, blocked, **given)
        return card.set_index("metric_id")

    return run


def changed(moments: pd.DataFrame, metric: str, variant: str | None = None, **values: object) -> pd.DataFrame:
    """The moments with other values for a metric, in one arm or in both."""
    chosen = (moments["metric_id"] == metric) & ((moments["variant_id"] == variant) | (variant is None))
    return moments.assign(**{name: moments[name].mask(chosen, value) for name, value in values.items()})


def blocked(metric: str, status: str, reason: str) -> pd.DataFrame:
    row = (date(2026, 10, 21), "checkout", metric, status, reason)
    return pd.DataFrame([row], columns=["as_of_date", "experiment_id", "metric_id", "status", "reason"])


@pytest.mark.parametrize(
    ("arm", "values", "status", "reason"),
    [
        ("control", {"n_units": 0, "mean": np.nan, "variance": np.nan}, "no_units", "an arm has no units"),
        ("treatment_1", {"n_units": 1, "variance": np.nan}, "too_few_units", "fewer than 2 units"),
        (None, {"variance": 0.0}, "zero_variance", "no variance in either arm"),
        (None, {"mean": 1e15, "variance": 1.0}, "imprecise", "doubles cannot resolve"),
        ("control", {"variance": np.nan}, "not_computed", "a moment is missing"),
        ("control", {"variance": -1.0}, "failed", "a variance is negative"),
        ("treatment_1", {"n_overflow": 3}, "overflow", "3 units have a total beyond"),
        ("control", {"n_not_computed": 7}, "not_computed", "7 units lack this metric's value"),
    ],
)
def test_failures_have_a_status_a_reason_and_no_inference(
    moments: pd.DataFrame, build: Callable, arm: str | None, values: dict, status: str, reason: str
) -> None:
    card = build(changed(moments, "conversion", arm, **values))
    row = card.loc["conversion"]
    assert row["status"] == status
    assert status not in ESTIMATED_STATUSES
    assert reason in row["reason"]
    assert row[INFERENCE].isna().all()
    assert (card.drop(index="conversion")["status"] == "ok").all()


def test_a_ratio_without_denominator(moments: pd.DataFrame, build: Callable) -> None:
    row = build(changed(moments, "basket", "control", denominator_mean=0.0)).loc["basket"]
    assert (row["status"], row["reason"][:27]) == ("zero_denominator", "the denominator's mean is 0")
    assert row[[*INFERENCE, "baseline_mean", "effect", "effect_relative"]].isna().all()
    assert row["treatment_mean"] > 0


def test_unusable_moments_show_no_means_either(moments: pd.DataFrame, build: Callable) -> None:
    row = build(changed(moments, "conversion", "control", n_overflow=1)).loc["conversion"]
    assert row[NUMBERS].isna().all()
    assert (row["n_baseline"], row["n_treatment"]) == (500, 500)


def test_a_metric_without_moments_still_has_its_row(moments: pd.DataFrame, build: Callable) -> None:
    card = build(moments[moments["metric_id"] != "revenue"])
    row = card.loc["revenue"]
    assert (row["status"], row["n_baseline"], row["n_treatment"]) == ("no_units", 0, 0)
    assert pd.isna(row["last_cohort_date"])
    assert pd.isna(row["metric_hash"])


def test_an_arm_without_moments_shows_the_other(moments: pd.DataFrame, build: Callable) -> None:
    row = build(moments[moments["variant_id"] != "treatment_1"]).loc["conversion"]
    assert (row["status"], row["n_baseline"], row["n_treatment"]) == ("no_units", 500, 0)
    assert row["baseline_mean"] > 0
    assert np.isnan(row["treatment_mean"])


def test_a_requested_date_without_any_moments_has_rows(moments: pd.DataFrame, build: Callable) -> None:
    wanted = pd.DataFrame({"experiment_id": ["checkout"], "as_of_date": [date(2026, 10, 1)]})
    card = build(moments.iloc[:0], as_of_dates=wanted)
    assert card["as_of_date"].unique().tolist() == [pd.Timestamp("2026-10-01")]
    assert card["status"].tolist() == ["no_units"] * 4


def test_blocked_comparisons_have_no_numbers_at_all(moments: pd.DataFrame, build: Callable) -> None:
    card = build(moments, blocked("revenue", "incomplete", "shop has no data for 2026-10-05"))
    row = card.loc["revenue"]
    assert (row["status"], row["reason"]) == ("incomplete", "shop has no data for 2026-10-05")
    assert row[[*NUMBERS, "n_baseline", "n_treatment"]].isna().all()
    assert (card.drop(index="revenue")["status"] == "ok").all()


def test_blocked_comparisons_count_in_their_family(moments: pd.DataFrame, build: Callable) -> None:
    """Two primaries: the one that is left is still tested at half of alpha."""
    row = build(moments, blocked("revenue", "incomplete", "no data")).loc["conversion"]
    assert row["p_value_adjusted"] == pytest.approx(min(1, 2 * row["p_value"]))
    assert row["confidence_level_adjusted"] == pytest.approx(0.975)


def test_a_blocked_date_without_moments_has_rows(moments: pd.DataFrame, build: Callable) -> None:
    card = build(moments.iloc[:0], blocked("revenue", "incomplete", "no data"))
    assert card["status"].to_dict() == {
        "basket": "no_units", "conversion": "no_units", "load_time": "no_units", "revenue": "incomplete",
    }  # fmt: skip


def test_without_its_covariate_a_metric_is_unadjusted_and_says_so(moments: pd.DataFrame, build: Callable) -> None:
    reason = "unadjusted: the lake starts after the lookback"
    blocked_row = build(moments, blocked("revenue", "no_covariate", reason)).loc["revenue"]
    assert (blocked_row["status"], blocked_row["method"], blocked_row["reason"]) == ("no_covariate", "welch", reason)
    missing_row = build(changed(moments, "revenue", "control", covariate_mean=np.nan)).loc["revenue"]
    assert (missing_row["status"], missing_row["method"]) == ("no_covariate", "welch")
    assert missing_row["reason"] == "unadjusted: the covariate's moments are missing"
    assert blocked_row["p_value"] == missing_row["p_value"] > 0


def test_a_metric_that_wants_no_covariate_does_not_mention_it(moments: pd.DataFrame, build: Callable) -> None:
    row = build(moments, blocked("conversion", "no_covariate", "unadjusted")).loc["conversion"]
    assert (row["status"], row["reason"]) == ("ok", "")


def test_a_skewed_metric_warns(moments: pd.DataFrame, build: Callable) -> None:
    row = build(changed(moments, "conversion", "treatment_1", third_central_moment=50.0)).loc["conversion"]
    assert row["status"] == "skewed"
    assert "a tail's probability may be off by over 0.005" in row["reason"]
    assert row["status"] in ESTIMATED_STATUSES
    assert row[["effect_se", "p_value", "ci_low_adjusted"]].notna().all()


def test_a_skewed_margin_test_warns_in_the_direction_in_which_it_passes_too_often(
    moments: pd.DataFrame, build: Callable
) -> None:
    """Skewness 20 in both arms cancels two-sided; at a guardrail's margin the baseline weighs more."""
    third = 20 * moments.loc[moments["metric_id"] == "load_time", "variance"].iloc[0] ** 1.5
    found = []
    for sign in (1.0, -1.0):
        row = build(changed(moments, "load_time", third_central_moment=sign * third)).loc["load_time"]
        found.append((row["status"], row["reason"]))
    warning = "skewed margin test: it may pass too often, by over 0.005"
    assert sorted(found) == [("ok", ""), ("skewed", warning)]


def test_a_skewed_ratio_warns_in_the_ratios_own_unit(moments: pd.DataFrame, build: Callable) -> None:
    """The table's third moment is that of y - R·x. Counting orders in thousandths changes no warning."""

    def with_orders_in(unit: float) -> pd.DataFrame:
        powers = {"denominator_mean": 1, "denominator_variance": 2, "denominator_covariance": 1}
        is_basket = moments["metric_id"] == "basket"
        scaled = {n: moments[n].mask(is_basket, moments[n] * unit**power) for n, power in powers.items()}
        return changed(moments.assign(**scaled), "basket", "treatment_1", third_central_moment=3e4)

    assert build(with_orders_in(1.0)).loc["basket", "status"] == "skewed"
    assert build(with_orders_in(1e3)).loc["basket", "status"] == "skewed"
    assert build(with_orders_in(1e-3)).loc["basket", "status"] == "skewed"
    assert build(moments).loc["basket", "status"] == "ok"


def test_a_weak_baseline_warns_and_takes_precedence(moments: pd.DataFrame, build: Callable) -> None:
    values = {"mean": 0.05, "variance": 1.0, "third_central_moment": 0.0}
    weak = changed(moments, "conversion", "control", **values)
    row = build(changed(weak, "conversion", "treatment_1", third_central_moment=50.0)).loc["conversion"]
    assert row["status"] == "weak_baseline"
    assert row["reason"].startswith("skewed: ")
    assert "; weak baseline: " in row["reason"]


def test_a_zero_baseline_keeps_the_absolute_effect(moments: pd.DataFrame, build: Callable) -> None:
    row = build(changed(moments, "load_time", "control", mean=0.0)).loc["load_time"]
    assert row["status"] == "zero_baseline"
    assert "no relative interval" in row["reason"]
    assert "no non-inferiority test" in row["reason"]
    assert row[["effect", "effect_se", "p_value", "p_value_deterioration"]].notna().all()
    assert row[["effect_relative", "relative_ci_low", "p_value_non_inferiority"]].isna().all()


def test_a_treatment_that_is_all_zero_has_no_relative_interval(moments: pd.DataFrame, build: Callable) -> None:
    row = build(changed(moments, "conversion", "treatment_1", mean=0.0, variance=0.0)).loc["conversion"]
    assert row["effect_relative"] == -1
    assert row[["relative_ci_low", "relative_ci_high"]].isna().all()
    assert "no relative interval" in row["reason"]
    assert row["p_value"] < 1e-9


@pytest.mark.parametrize(("arm", "status"), [("treatment_1", "ok"), (None, "zero_variance")])
def test_no_failure_at_all_proves_a_level(
    moments: pd.DataFrame, experiment: Callable, metrics: dict, not_blocked: pd.DataFrame, arm: str | None, status: str
) -> None:
    """No one of 500 converts: (1 - .01)^500 = .0066, whether or not the baseline has any variance."""
    metrics["conversion"] = metrics["conversion"].model_copy(update={"direction": "decrease"})
    roles = {"primary": ["revenue"], "guardrail": [{"metric": "conversion", "level": 0.01}]}
    never = changed(moments, "conversion", arm, mean=0.0, variance=0.0, third_central_moment=0.0)
    row = scorecard(never, {"checkout": experiment(roles=roles)}, metrics, not_blocked).set_index("metric_id")
    row = row.loc["conversion"]
    assert row["p_value_non_inferiority"] == pytest.approx(0.99**500)
    assert row["status"] == status
    assert "non-inferiority" not in row["reason"]


def test_segments_are_marked_exploratory(units: Callable, moments_of: Callable, build: Callable) -> None:
    arms = {"control": units(1, 500), "treatment_1": units(2, 500)}
    card = build(pd.concat([moments_of(arms), moments_of(arms, segment=("country", "PT"))]))
    segment = card[card["segment_name"] == "country"]
    assert segment["reason"].unique().tolist() == ["exploratory: a segment"]
    assert segment["status"].unique().tolist() == ["ok"]


@pytest.mark.parametrize(
    ("analysis", "reason"),
    [
        ({"method": "bayesian"}, "analysis method bayesian is unknown; known are fixed"),
        ({"correction": "hochberg"}, "correction hochberg is unknown"),
    ],
)
def test_an_unknown_method_fails_its_rows_with_a_reason(
    moments: pd.DataFrame,
    experiment: Callable,
    metrics: dict,
    not_blocked: pd.DataFrame,
    monkeypatch: pytest.MonkeyPatch,
    analysis: dict,
    reason: str,
) -> None:
    monkeypatch.delitem(INFERENCES, "bayesian", raising=False)
    monkeypatch.delitem(CORRECTIONS, "hochberg")
    card = scorecard(moments, {"checkout": experiment(**analysis)}, metrics, not_blocked)
    assert card["status"].tolist() == ["failed"] * 4
    assert card["reason"].str.contains(reason).all()
    assert card[NUMBERS].isna().all(axis=None)


def test_an_undefined_metric_fails_alone(
    moments: pd.DataFrame, experiment: Callable, metrics: dict, not_blocked: pd.DataFrame
) -> None:
    del metrics["basket"]
    card = scorecard(moments, {"checkout": experiment()}, metrics, not_blocked).set_index("metric_id")
    assert card.loc["basket", "status"] == "failed"
    assert card.loc["basket", "reason"] == "metric basket is not defined; add it to configs/metrics"
    assert (card.drop(index="basket")["status"] == "ok").all()


def test_missing_columns_are_named(moments: pd.DataFrame, build: Callable) -> None:
    with pytest.raises(ValueError, match="moments lack the columns variance, metric_hash"):
        build(moments.drop(columns=["variance", "metric_hash"]))


def test_a_repeated_moment_row_is_refused(moments: pd.DataFrame, build: Callable) -> None:
    with pytest.raises(ValueError, match=r"moments hold a row twice: .*'metric_id': 'conversion'"):
        build(pd.concat([moments, moments.iloc[[0]]]))
