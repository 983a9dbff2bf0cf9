"""Each method of a single look from a team's YAML to rows of the scorecard, checked against the library's functions."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from analysis.statistics.proportions import newcombe
from tests.analysis.scorecard.from_yaml import days, of


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
