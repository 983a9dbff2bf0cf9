"""Every method on the edge of doubles: right, or NaN with a reason; and the symmetries that must hold."""

from datetime import date

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from analysis.scorecard import ESTIMATED_STATUSES, scorecard
from analysis.statistics.alternative import Alternative
from analysis.statistics.dunnett import dunnett
from configs.schema import Experiment, Metric

WINDOW = {"end_days": 1}
METRICS = {
    definition["id"]: Metric.model_validate({"source": "shop", "event": "order", "window": WINDOW, **definition})
    for definition in (
        {"id": "conversion", "type": "proportion"},
        {"id": "revenue", "type": "mean", "aggregate": "count"},
    )
}
METHODS = [
    {"method": "fixed", "proportion_interval": "newcombe", "relative_interval": "fieller"},
    {"method": "fixed", "equivalence": [{"metric": "revenue", "relative_margin": 0.1}]},
    {"method": "always_valid", "always_valid": {"burn_in": 2, "burn_in_units": 2}},
    {"method": "group_sequential", "correction": "bonferroni", "group_sequential": {"planned_units": 20_000}},
    {"method": "bayesian", "bayesian": {"prior": "weak", "rope": 0.01}},
]
INTERVAL_ENDS = ["ci_low", "ci_high", "ci_low_adjusted", "ci_high_adjusted"]
BLOCKED = pd.DataFrame(
    {name: pd.Series(dtype="object") for name in ("as_of_date", "experiment_id", "metric_id", "status", "reason")}
)


def experiment(analysis: dict, treatments: int = 1) -> Experiment:
    arms = ["control", *(f"t{i}" for i in range(treatments))]
    return Experiment.model_validate(
        {
            "id": "checkout",
            "start": date(2026, 10, 1),
            "end": date(2026, 10, 14),
            "variants": [{"id": arm, "weight": 1 / len(arms), "baseline": arm == "control"} for arm in arms],
            "metrics": {
                "primary": ["conversion"],
                "guardrail": [{"metric": "revenue", "non_inferiority_margin": 0.05}],
            },
            "analysis": analysis,
        }
    )


def moments(*arms: tuple[float, float, float], metric: str = "revenue") -> pd.DataFrame:
    """The rows of arms, each n, mean and variance, at the date by which everything is mature."""
    blank = [
        "denominator_mean", "denominator_variance", "denominator_covariance", "covariate_mean",
        "covariate_variance", "covariate_covariance", "no_history_share", "no_history_covariance",
        "covariate_no_history_covariance",
    ]  # fmt: skip
    return pd.DataFrame(
        [
            {
                "as_of_date": date(2026, 10, 15), "experiment_id": "checkout", "metric_id": metric,
                "variant_id": "control" if i == 0 else f"t{i - 1}", "segment_name": "all", "segment_value": "all",
                "n_units": n, "mean": mean, "variance": variance, "third_central_moment": 0.0,
                **dict.fromkeys(blank, np.nan), "n_overflow": 0, "n_not_computed": 0,
                "last_cohort_date": date(2026, 10, 14), "metric_hash": "0a",
            }
            for i, (n, mean, variance) in enumerate(arms)
        ]
    )  # fmt: skip


def row_of(analysis: dict, *arms: tuple[float, float, float], metric: str = "revenue") -> pd.Series:
    card = scorecard(moments(*arms, metric=metric), {"checkout": experiment(analysis)}, METRICS, BLOCKED)
    return card.set_index("metric_id").loc[metric]


def share(n: float, events: float) -> tuple[float, float, float]:
    mean = events / n
    return n, mean, mean * (1 - mean) * n / (n - 1)


@pytest.mark.parametrize("analysis", METHODS, ids=lambda analysis: analysis["method"])
@pytest.mark.parametrize(
    ("arms", "status"),
    [
        (((1e12, 1e9, 1.0), (1e12, 1e9, 1.0)), "ok"),
        (((5000, 1e9, 1.0), (5000, 1e9 + 0.5, 1.0)), "ok"),
        (((5000, -1e9, 1.0), (5000, -1e9, 1.0)), "ok"),
        (((5000, 1e15, 1.0), (5000, 1e15, 1.0)), "imprecise"),
        (((5000, -1e15, 1.0), (5000, -1e15, 1.0)), "imprecise"),
        (((5000, 1.0, 0.0), (5000, 1.0, 0.0)), "zero_variance"),
        (((5000, 0.0, 1.0), (5000, 0.5, 1.0)), "zero_baseline"),
        (((5000, 1e300, 1e300), (5000, -1e308, 1e308)), None),
    ],
)
def test_right_or_nan_with_a_reason(analysis: dict, arms: tuple, status: str | None) -> None:
    row = row_of(analysis, *arms)
    assert status is None or row["status"] == status
    is_estimated = row["status"] in ESTIMATED_STATUSES
    assert (row["reason"] != "") or row["status"] == "ok"
    assert row[["p_value", *INTERVAL_ENDS]].notna().all() == is_estimated
    assert row[["p_value", *INTERVAL_ENDS]].isna().all() != is_estimated


@pytest.mark.parametrize("analysis", METHODS, ids=lambda analysis: analysis["method"])
def test_p_values_below_1e_300(analysis: dict) -> None:
    row = row_of(analysis, (8000, 10.0, 1.0), (8000, 11.0, 1.0))
    assert 0 <= row["p_value"] < 1e-300
    assert row["ci_low"] > 0.8


@pytest.mark.parametrize("analysis", METHODS, ids=lambda analysis: analysis["method"])
def test_probabilities_of_1e_9(analysis: dict) -> None:
    row = row_of(analysis, share(1e12, 1000), share(1e12, 1300), metric="conversion")
    assert row["status"] in ESTIMATED_STATUSES
    z = 300 / np.sqrt(2300)
    assert row["effect_se"] == pytest.approx(np.sqrt(2300) / 1e12, rel=1e-6)
    if analysis["method"] in ("fixed", "bayesian"):
        assert row["p_value"] == pytest.approx(2 * stats.norm.sf(z), rel=1.0)


@pytest.mark.parametrize("analysis", METHODS, ids=lambda analysis: analysis["method"])
def test_two_units_an_arm(analysis: dict) -> None:
    row = row_of(analysis, (2, 1.0, 0.5), (2, 2.0, 0.5))
    assert 0 < row["p_value"] <= 1


arms = st.tuples(
    st.one_of(st.integers(0, 50), st.integers(2, 10**12)).map(float),
    st.floats(-1e9, 1e9) | st.floats(allow_nan=True, allow_infinity=True),
    st.floats(0, 1e6) | st.floats(allow_nan=True, allow_infinity=True),
)


@pytest.mark.parametrize("analysis", METHODS, ids=lambda analysis: analysis["method"])
@given(baseline=arms, treatment=arms)
@settings(max_examples=4, deadline=None)
def test_nothing_crashes_and_p_values_are_probabilities(analysis: dict, baseline: tuple, treatment: tuple) -> None:
    check_probabilities(analysis, baseline, treatment)


@pytest.mark.slow
@pytest.mark.parametrize("analysis", METHODS, ids=lambda analysis: analysis["method"])
@given(baseline=arms, treatment=arms)
@settings(max_examples=200, deadline=None)
def test_nothing_crashes_at_length(analysis: dict, baseline: tuple, treatment: tuple) -> None:
    check_probabilities(analysis, baseline, treatment)


def check_probabilities(analysis: dict, baseline: tuple, treatment: tuple) -> None:
    row = row_of(analysis, baseline, treatment)
    for name in ("p_value", "p_value_adjusted", "p_value_deterioration", "p_value_non_inferiority"):
        assert np.isnan(row[name]) or 0 <= row[name] <= 1
    assert np.isnan(row["p_value"]) or row["ci_low"] <= row["ci_high"]
    assert row["status"] == "ok" or row["reason"] != ""


@pytest.mark.parametrize("analysis", METHODS, ids=lambda analysis: analysis["method"])
@given(mean=st.floats(1, 20), lift=st.floats(-1, 1), spread=st.floats(0.5, 5), scale=st.sampled_from([1e-6, 0.25, 1e5]))
@settings(max_examples=2, deadline=None)
def test_swapping_and_scaling(analysis: dict, mean: float, lift: float, spread: float, scale: float) -> None:
    check_symmetries(analysis, mean, lift, spread, scale)


@pytest.mark.slow
@pytest.mark.parametrize("analysis", METHODS, ids=lambda analysis: analysis["method"])
@given(mean=st.floats(1, 20), lift=st.floats(-1, 1), spread=st.floats(0.5, 5), scale=st.sampled_from([1e-6, 0.25, 1e5]))
@settings(max_examples=50, deadline=None)
def test_swapping_and_scaling_at_length(analysis: dict, mean: float, lift: float, spread: float, scale: float) -> None:
    check_symmetries(analysis, mean, lift, spread, scale)


def check_symmetries(analysis: dict, mean: float, lift: float, spread: float, scale: float) -> None:
    one, other = (4000.0, mean, spread), (5000.0, mean + lift, 2 * spread)
    row = row_of(analysis, one, other)
    scaled = row_of(analysis, *((n, m * scale, v * scale**2) for n, m, v in (one, other)))
    np.testing.assert_allclose(scaled["p_value"], row["p_value"], rtol=1e-6)
    np.testing.assert_allclose(scaled["ci_low"], row["ci_low"] * scale, rtol=1e-6, atol=1e-9 * scale)
    if analysis["method"] != "bayesian":  # a prior relative to the baseline has neither symmetry
        shifted = row_of(analysis, *((n, m + 100, v) for n, m, v in (one, other)))
        columns = ["p_value", "p_value_improvement", "p_value_deterioration", *INTERVAL_ENDS]
        np.testing.assert_allclose(shifted[columns].astype(float), row[columns].astype(float), rtol=1e-6, atol=1e-9)
        swapped = row_of(analysis, other, one)
        np.testing.assert_allclose(swapped["p_value"], row["p_value"], rtol=1e-9)
        np.testing.assert_allclose(swapped["ci_low"], -row["ci_high"], rtol=1e-9, atol=1e-12)


def test_dunnett_in_a_family_of_one_metric() -> None:
    arms = [(4000.0, 0.20), (4000.0, 0.22), (3000.0, 0.215), (5000.0, 0.20)]
    frame = moments(*((n, mean, mean * (1 - mean) * n / (n - 1)) for n, mean in arms), metric="conversion")
    card = scorecard(frame, {"checkout": experiment({"correction": "dunnett"}, 3)}, METRICS, BLOCKED)
    rows = card[card["metric_id"] == "conversion"]
    t = (rows["effect"] / rows["effect_se"]).to_numpy()
    variances = np.array([mean * (1 - mean) / (n - 1) for n, mean in arms])
    loading = np.sqrt(variances[0] / (variances[0] + variances[1:]))
    group = np.zeros(3, dtype=np.int64)
    expected = dunnett(t, np.full(3, 7000.0), loading, group, group, Alternative.TWO_SIDED)
    np.testing.assert_allclose(rows["p_value_adjusted"], expected, rtol=5e-3)
    assert (rows["p_value"] <= rows["p_value_adjusted"]).all()
    assert (rows["p_value_adjusted"] <= np.minimum(1, 3 * rows["p_value"])).all()
    excludes = (rows["ci_low_adjusted"] > 0) | (rows["ci_high_adjusted"] < 0)
    assert (excludes == rows["significant"]).all()
