"""Each method from a team's YAML to rows of the scorecard, checked against the library's functions."""

from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from analysis.scorecard import scorecard
from analysis.statistics import confidence_sequence
from analysis.statistics.estimate import Contrast
from analysis.statistics.group_sequential.boundaries import boundaries
from analysis.statistics.group_sequential.design import drift_for_power
from analysis.statistics.group_sequential.futility import futility_bounds
from analysis.statistics.group_sequential.stagewise import stagewise
from analysis.statistics.proportions import newcombe
from analysis.statistics.spending import obrien_fleming, pocock
from configs.load import load_config
from configs.schema import Config, Decision

START = date(2026, 10, 1)
DAILY = 400

FILES = {
    "project.yaml": "name: shop\nhistory_start: 2026-09-01\n",
    "sources.yaml": """\
exposures:
  - id: web
    path: web/{date}.csv
    format: csv
    columns: {unit_id: unit, experiment_id: experiment, variant_id: variant, exposed_at: at}
events:
  - id: orders
    path: orders/{date}.csv
    format: csv
    columns: {unit_id: unit, event_name: name, occurred_at: at}
    measures: {amount: {column: amount}}
""",
    "metrics/orders.yaml": """\
- {id: conversion, type: proportion, source: orders, event: order, window: {end_days: 1}}
- id: revenue
  type: mean
  source: orders
  event: order
  aggregate: sum
  measure: amount
  window: {end_days: 1}
  covariate: {lookback_days: 7}
- {id: visits, type: mean, source: orders, event: visit, aggregate: count, window: {end_days: 1}}
- {id: lifetime, type: mean, source: orders, event: visit, aggregate: count}
""",
}
EXPERIMENT = """\
id: checkout
start: 2026-10-01
end: 2026-10-14
variants:
  - {{id: control, weight: 0.5, baseline: true}}
  - {{id: fast, weight: 0.5}}
metrics:
  primary: [conversion]
  secondary: [{secondary}]
  guardrail: [{{metric: visits, non_inferiority_margin: 0.05}}]
analysis:
{analysis}
"""


@pytest.fixture
def configured(tmp_path: Path) -> Callable[..., Config]:
    """The configuration with some lines of `analysis`."""

    def write(analysis: str, secondary: str = "revenue") -> Config:
        lines = "".join(f"  {line.strip()}\n" for line in analysis.strip().splitlines())
        files = FILES | {"experiments/checkout.yaml": EXPERIMENT.format(analysis=lines, secondary=secondary)}
        for name, text in files.items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(text, encoding="utf-8")
        return load_config(tmp_path)

    return write


def days(
    lift: float = 0.03, n_days: int = 15, metrics: tuple[str, ...] = ("conversion", "revenue", "visits")
) -> pd.DataFrame:
    """Moments of every as-of date, DAILY units an arm a day maturing a day later, to the tenth of a unit."""
    rng = np.random.default_rng(5)
    arms = {"control": 0.0, "fast": lift}
    size = DAILY * 14
    values = {
        arm: {
            "conversion": (rng.random(size) < 0.2 + effect).astype(float),
            "revenue": rng.gamma(2, 5, size) * (1 + effect),
            "visits": rng.poisson(3, size).astype(float),
            "lifetime": rng.poisson(3, size).astype(float),
        }
        for arm, effect in arms.items()
    }
    rows = []
    for day in range(1, n_days):
        for arm in arms:
            for metric in metrics:
                seen = values[arm][metric][: DAILY * day]
                before = values[arm]["revenue"][: DAILY * day] + 3.0
                centred, x = seen - seen.mean(), before - before.mean()
                rows.append(
                    {
                        "as_of_date": START + timedelta(days=day),
                        "experiment_id": "checkout",
                        "variant_id": arm,
                        "metric_id": metric,
                        "segment_name": "all",
                        "segment_value": "all",
                        "n_units": len(seen),
                        "mean": seen.mean(),
                        "variance": seen.var(ddof=1),
                        "third_central_moment": (centred**3).mean(),
                        "denominator_mean": np.nan,
                        "denominator_variance": np.nan,
                        "denominator_covariance": np.nan,
                        "covariate_mean": before.mean(),
                        "covariate_variance": before.var(ddof=1) + 40.0,
                        "covariate_covariance": (centred * x).sum() / (len(seen) - 1),
                        "no_history_share": 0.0,
                        "no_history_covariance": 0.0,
                        "covariate_no_history_covariance": 0.0,
                        "n_overflow": 0,
                        "n_not_computed": 0,
                        "last_cohort_date": START + timedelta(days=day - 1),
                        "metric_hash": "0a1b2c3d",
                    }
                )
    return pd.DataFrame(rows)


@pytest.fixture
def not_blocked() -> pd.DataFrame:
    columns = ["as_of_date", "experiment_id", "metric_id", "status", "reason"]
    return pd.DataFrame({name: pd.Series(dtype="object") for name in columns})


def of(card: pd.DataFrame, metric: str) -> pd.DataFrame:
    return card[card["metric_id"] == metric].set_index("as_of_date")


SEQUENTIAL = [
    "method: always_valid\nalways_valid: {planned_units: 8000}",
    "method: group_sequential\ncorrection: bonferroni\ngroup_sequential: {planned_units: 11200, spending: pocock,"
    " futility_spending: obrien_fleming}",
    "method: group_sequential\ncorrection: bonferroni\n"
    "group_sequential: {planned_units: 12000, looks: [2026-10-04, 2026-10-08]}",
]


@pytest.mark.parametrize("analysis", SEQUENTIAL)
@pytest.mark.parametrize("lift", [0.03, pytest.param(0.0, marks=pytest.mark.slow)])
def test_day_by_day_is_all_at_once_to_the_last_bit(
    configured: Callable, not_blocked: pd.DataFrame, analysis: str, lift: float
) -> None:
    config, moments = configured(analysis), days(lift, n_days=9)
    at_once = scorecard(moments, config.experiments, config.metrics, not_blocked)
    history = at_once.iloc[:0]
    for _, day in moments.groupby("as_of_date"):
        new = scorecard(day, config.experiments, config.metrics, not_blocked, history=history)
        history = pd.concat([history, new], ignore_index=True)
    pd.testing.assert_frame_equal(history, at_once, check_exact=True)


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
    at_once = scorecard(moments, config.experiments, config.metrics, not_blocked)
    history = at_once.iloc[:0]
    for _, day in moments.groupby("as_of_date"):
        new = scorecard(day, config.experiments, config.metrics, not_blocked, history=history)
        history = pd.concat([history, new], ignore_index=True)
    pd.testing.assert_frame_equal(history, at_once, check_exact=True)


@pytest.fixture
def scored(configured: Callable, not_blocked: pd.DataFrame) -> Callable[..., pd.DataFrame]:
    """The scorecard of some lines of `analysis`."""

    def run(analysis: str, moments: pd.DataFrame | None = None, **given: str) -> pd.DataFrame:
        config = configured(analysis, **given)
        return scorecard(days() if moments is None else moments, config.experiments, config.metrics, not_blocked)

    return run


def effect_of(row: pd.Series) -> Contrast:
    """The effect of a row with many units, as arrays of one comparison."""
    return Contrast(*(np.array([x]) for x in (row["effect"], row["effect_se"], 1e9)), np.zeros(1, dtype=np.int8))


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


def test_bayesian_rows_are_posteriors(scored: Callable) -> None:
    options = "bayesian: {prior: informative, prior_mean: 0.01, prior_sd: 0.05, rope: 0.02}"
    card = scored(f"method: bayesian\n{options}").set_index(["metric_id", "as_of_date"])
    row = card.loc[("revenue", pd.Timestamp("2026-10-15"))]
    base, se = row["baseline_mean"], row["effect_se"]
    precision = 1 / se**2 + 1 / (0.05 * base) ** 2
    mean = (row["effect"] / se**2 + 0.01 * base / (0.05 * base) ** 2) / precision
    posterior = stats.norm(mean, precision**-0.5)
    assert (row["posterior_mean"], row["posterior_sd"]) == pytest.approx((mean, precision**-0.5), rel=1e-9)
    assert row["probability_better"] == pytest.approx(posterior.sf(0), rel=1e-9)
    assert (row["ci_low"], row["ci_high"]) == pytest.approx(posterior.interval(0.95), rel=1e-9)
    assert row["p_value"] == pytest.approx(2 * min(posterior.cdf(0), posterior.sf(0)), rel=1e-9)
    assert row["p_value_deterioration"] == pytest.approx(posterior.sf(0), rel=1e-9)
    rope = posterior.cdf(0.02 * base) - posterior.cdf(-0.02 * base)
    assert row["probability_equivalent"] == pytest.approx(rope, rel=1e-9)
    z = mean * np.sqrt(precision)
    loss = (stats.norm.pdf(z) - z * stats.norm.sf(z)) / np.sqrt(precision)
    assert row["expected_loss"] == pytest.approx(loss, rel=1e-6)
    assert row["expected_loss_relative"] == pytest.approx(loss / base, rel=1e-6)


def test_a_baseline_of_zero_has_no_relative_region(scored: Callable) -> None:
    moments = days(n_days=2)
    none_yet = (moments["metric_id"] == "conversion") & (moments["variant_id"] == "control")
    moments.loc[none_yet, ["mean", "variance", "third_central_moment"]] = 0.0
    for scale, is_known in (("relative", False), ("absolute", True)):
        options = f"bayesian: {{prior: informative, prior_sd: 0.05, rope: 0.02, scale: {scale}}}"
        row = of(scored(f"method: bayesian\n{options}", moments), "conversion").iloc[-1]
        assert row["status"] == "zero_baseline"
        assert np.isfinite(row["probability_equivalent"]) == is_known
        assert (row["posterior_sd"] < row["effect_se"]) == is_known


def test_bayesian_shares_are_beta_binomial(scored: Callable) -> None:
    row = of(scored("method: bayesian"), "conversion").iloc[0]
    rng = np.random.default_rng(1)
    draws = [
        rng.beta(1 + n * mean, 1 + n * (1 - mean), 400_000)
        for n, mean in ((row["n_baseline"], row["baseline_mean"]), (row["n_treatment"], row["treatment_mean"]))
    ]
    better = (draws[1] > draws[0]).mean()
    assert row["probability_better"] == pytest.approx(better, abs=5 * np.sqrt(0.25 / 400_000))
    assert row["probability_best"] == pytest.approx(row["probability_better"], abs=0.01)


def test_lin_adjusts_with_a_slope_for_each_arm(scored: Callable) -> None:
    moments = days(n_days=3)
    row = of(scored("adjustment: lin", moments), "revenue").iloc[-1]
    last = moments[moments["as_of_date"] == moments["as_of_date"].max()]
    control, fast = (
        last[(last["metric_id"] == "revenue") & (last["variant_id"] == arm)].iloc[0] for arm in ("control", "fast")
    )
    theta = {arm["variant_id"]: arm["covariate_covariance"] / arm["covariate_variance"] for arm in (control, fast)}
    common = (theta["control"] + theta["fast"]) / 2
    gap = fast["covariate_mean"] - control["covariate_mean"]
    assert row["method"] == "welch_lin"
    assert row["effect"] == pytest.approx(fast["mean"] - control["mean"] - common * gap, rel=1e-9)


def test_one_sided_improvement(scored: Callable) -> None:
    """Holm over one primary: the adjusted p-value is the one-sided one, the interval that at twice alpha."""
    row = of(scored("alternative: improvement"), "conversion").iloc[-1]
    assert row["p_value_adjusted"] == row["p_value_improvement"] == pytest.approx(row["p_value"] / 2, rel=1e-9)
    assert row["confidence_level_adjusted"] == pytest.approx(0.9)
    assert row["ci_low"] < row["ci_low_adjusted"] < row["effect"]
    assert row["alternative"] == "improvement"


def test_equivalence_is_the_worse_of_two_one_sided_tests(scored: Callable) -> None:
    row = of(scored("equivalence: [{metric: revenue, absolute_margin: 0.5}]", days(lift=0.01)), "revenue").iloc[-1]
    worse = max(
        stats.t.sf((0.5 + row["effect"]) / row["effect_se"], row["n_baseline"] * 2),
        stats.t.sf((0.5 - row["effect"]) / row["effect_se"], row["n_baseline"] * 2),
    )
    assert row["p_value_equivalence"] == pytest.approx(worse, rel=1e-2)
    assert (row["equivalence_margin"], row["equivalence_margin_type"]) == (0.5, "absolute")


def test_newcombe_intervals_and_their_p_value_agree(scored: Callable) -> None:
    rows = of(scored("proportion_interval: newcombe"), "conversion")
    row = rows.iloc[0]
    n = (row["n_baseline"], row["n_treatment"])
    ends = newcombe(n[0], row["baseline_mean"], n[1], row["treatment_mean"], 0.05)
    assert row["method"] == "welch newcombe"
    assert (row["ci_low"], row["ci_high"]) == pytest.approx((float(ends.low), float(ends.high)), rel=1e-12)
    at_p = newcombe(n[0], row["baseline_mean"], n[1], row["treatment_mean"], row["p_value"])
    assert min(abs(float(at_p.low)), abs(float(at_p.high))) < 1e-12


def test_one_sided_newcombe_tests_agree_with_its_intervals(scored: Callable) -> None:
    """One-sided p-values are those of the interval at twice their level, not Welch's, which differ with rare events."""
    rows = of(scored("proportion_interval: newcombe\nalternative: improvement", days(lift=-0.04)), "conversion")
    for row in (rows.iloc[0], rows.iloc[-1]):
        worse = row["p_value_deterioration"]
        arms = (row["n_baseline"], row["baseline_mean"], row["n_treatment"], row["treatment_mean"])
        assert worse + row["p_value_improvement"] == pytest.approx(1.0, rel=1e-12)
        assert abs(float(newcombe(*arms, 2 * worse).high)) < 1e-12
        assert row["p_value_adjusted"] == row["p_value_improvement"]


@pytest.mark.parametrize(("option", "method"), [("auto", "fieller"), ("delta", "delta"), ("fieller", "fieller")])
def test_a_weak_baseline_gets_fieller(scored: Callable, option: str, method: str) -> None:
    moments = days(n_days=2)
    moments.loc[moments["metric_id"] == "revenue", "mean"] -= moments["mean"][1] - 1.5
    card = scored(f"relative_interval: {option}\ncovariate_adjustment: false", moments)
    row = of(card, "revenue").iloc[0]
    assert row["relative_method"] == method
    assert (row["status"] == "weak_baseline") == ("weak baseline" in row["reason"])
