"""What holds of every row, whatever is configured and whatever was measured: seeded, of random experiments."""

from datetime import date, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest

from analysis.scorecard import ESTIMATED_STATUSES, scorecard
from configs.schema import Experiment, Metric

START, DAYS = date(2026, 9, 1), 3
CORRECTIONS = {
    "fixed": ["bonferroni", "holm", "hochberg", "hommel", "benjamini_hochberg", "dunnett"],
    "always_valid": ["holm", "bonferroni", "benjamini_yekutieli"],
    "group_sequential": ["bonferroni"],
    "bayesian": ["holm", "bonferroni"],
}
MARGINS: list[dict[str, float]] = [{"non_inferiority_margin": 0.1}, {"absolute_margin": 0.2}, {"level": 0.4}]
TESTS = ["p_value", "p_value_adjusted", "p_value_improvement", "p_value_non_inferiority", "p_value_equivalence"]
UNITS, CHANCES = [0, 1, 2, 3, 50, 1000, 20_000, 10**9], [0.02, 0.02, 0.02, 0.04, 0.2, 0.3, 0.35, 0.05]
KEYS = ["as_of_date", "metric_id", "variant_id"]


def metric(number: int, kind: str, direction: str) -> Metric:
    given: dict[str, Any] = {"id": f"m{number}", "type": kind, "window": {"end_days": 1}, "direction": direction}
    given["covariate"] = {"lookback_days": 7}
    event = {"source": "s", "event": "e"}
    if kind == "ratio":
        return Metric(**given, numerator=event, denominator=event | {"event": "f"})
    return Metric(**given, **event, **({"aggregate": "count"} if kind == "mean" else {}))


def analysis(rng: np.random.Generator) -> dict[str, Any]:
    method = str(rng.choice(list(CORRECTIONS)))
    found: dict[str, Any] = {
        "method": method,
        "correction": str(rng.choice(CORRECTIONS[method])),
        "alpha": float(rng.choice([0.01, 0.05, 0.1])),
        "adjustment": str(rng.choice(["cuped", "lin", "none"])),
        "equivalence": [{"metric": "m1", "relative_margin": 0.05}],
    }
    if method == "fixed":
        found["proportion_interval"] = str(rng.choice(["wald", "newcombe"]))
        found["relative_interval"] = str(rng.choice(["auto", "delta", "fieller"]))
        if found["correction"] != "dunnett":
            found["alternative"] = str(rng.choice(["two_sided", "improvement"]))
    elif method == "group_sequential":
        spending = str(rng.choice(["obrien_fleming", "pocock", "hwang_shih_decani"]))
        found[method] = {"planned_units": int(rng.choice([100, 40_000, 10**7])), "spending": spending}
    elif method == "always_valid":
        found[method] = {"burn_in": 2, "burn_in_units": 2}
    else:
        informative = {"prior": "informative", "prior_sd": 0.05, "rope": 0.01}
        found[method] = [{}, {"prior": "weak"}, informative, informative | {"scale": "absolute"}][rng.integers(4)]
    return found


def moments(rng: np.random.Generator, metrics: list[Metric], arms: list[str]) -> pd.DataFrame:
    """Of arms without a unit, of few, and of a thousand million; without variance; of any scale."""
    scale, shift = float(rng.choice([1e-3, 1, 1e3])), float(rng.choice([0, 1, -3, 1e9]))
    rows = []
    for day in range(1, DAYS + 1):
        for one in metrics:
            for arm in arms:
                n = int(
                    rng.choice([0, 1, 2, 3, 50, 1000, 20_000, 10**9], p=[0.02, 0.02, 0.02, 0.04, 0.2, 0.3, 0.35, 0.05])
                )
                covariance = np.cov(rng.normal(size=(3, 12)))
                mean, variance = shift + 0.1 * rng.normal(), covariance[0, 0] * scale**2 * (rng.random() > 0.15)
                third = rng.normal() * scale**3 * float(rng.choice([0, 1, 30]))
                if one.type == "proportion":
                    mean = min(n, int(rng.choice([0, 1, 5, n // 100, n // 2, n]))) / max(n, 1)
                    variance, third = mean * (1 - mean) * n / max(n - 1, 1), mean * (1 - mean) * (1 - 2 * mean)
                scaled = np.sqrt(variance / covariance[0, 0])
                rows.append(
                    {
                        "as_of_date": START + timedelta(days=day), "experiment_id": "x", "variant_id": arm,
                        "metric_id": one.id, "segment_name": "all", "segment_value": "all", "n_units": n,
                        "mean": mean if n else np.nan, "variance": variance if n > 1 else np.nan,
                        "third_central_moment": third, "denominator_mean": 2.0 * (rng.random() > 0.05),
                        "denominator_variance": covariance[1, 1], "denominator_covariance": covariance[0, 1] * scaled,
                        "covariate_mean": rng.normal(), "covariate_variance": covariance[2, 2],
                        "covariate_covariance": covariance[0, 2] * scaled, "no_history_share": 0.0,
                        "no_history_covariance": 0.0, "covariate_no_history_covariance": 0.0,
                        "denominator_covariate_covariance": covariance[1, 2],
                        "denominator_no_history_covariance": 0.0, "n_overflow": 0, "n_not_computed": 0,
                        "last_cohort_date": START, "metric_hash": "h",
                    }
                )  # fmt: skip
    return pd.DataFrame(rows)


def configured(rng: np.random.Generator) -> tuple[Experiment, dict[str, Metric]]:
    treatments = int(rng.choice([1, 2, 5]))
    kinds, directions = rng.choice(["proportion", "mean", "ratio"], 3), rng.choice(["increase", "decrease"], 3)
    metrics = [metric(*each) for each in zip(range(3), map(str, kinds), map(str, directions), strict=True)]
    weight = 1 / (treatments + 1)
    variants = [{"id": f"t{number}", "weight": weight} for number in range(treatments)]
    margin = MARGINS[rng.integers(3)]
    subject = Experiment(
        id="x", start=START, end=START + timedelta(days=2), exposure_source="w",
        variants=[*variants, {"id": "a", "weight": weight, "baseline": True}],
        metrics={"primary": ["m0"], "secondary": ["m1"], "guardrail": [{"metric": "m2", **margin}]},
        analysis=analysis(rng),
        decision={"rule": "do_no_harm", "margins": [{"metric": "m0", **margin}]} if rng.random() < 0.3 else {},
    )  # fmt: skip
    return subject, {one.id: one for one in metrics}


@pytest.mark.parametrize("seed", [*range(6), *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(6, 150))])
def test_any_experiment(seed: int, not_blocked: pd.DataFrame) -> None:
    rng = np.random.default_rng([4, seed])
    subject, metrics = configured(rng)
    measured = moments(rng, list(metrics.values()), [variant.id for variant in subject.variants])
    at_once = scorecard(measured, {"x": subject}, metrics, not_blocked)

    history = at_once.iloc[:0]
    for _, day in measured.groupby("as_of_date"):
        history = pd.concat(
            [history, scorecard(day, {"x": subject}, metrics, not_blocked, history=history)], ignore_index=True
        )
    one_by_one, together = (frame.sort_values(KEYS, ignore_index=True) for frame in (history, at_once))
    pd.testing.assert_frame_equal(one_by_one, together, check_exact=True)

    estimated = at_once["status"].isin(ESTIMATED_STATUSES)
    failed, rows = at_once[~estimated], at_once[estimated]
    assert failed[["p_value", "ci_low", "relative_ci_low", "p_value_adjusted"]].isna().all(axis=None)
    assert (failed["reason"] != "").all()
    assert (np.isfinite(rows["effect"]) & (rows["effect_se"] > 0)).all()
    assert (rows[TESTS].isna() | ((rows[TESTS] >= 0) & (rows[TESTS] <= 1))).all(axis=None)

    alpha, ran = subject.analysis.alpha, ~rows["reason"].str.contains("drifting")
    excludes = (rows["ci_low"] > 0) | (rows["ci_high"] < 0)
    at_the_edge = np.isclose(rows["p_value"], alpha, rtol=1e-6) | rows["ci_low"].isna() | ~ran
    assert ((excludes == (rows["p_value"] <= alpha)) | at_the_edge).all()
    up = rows["metric_id"].map({id_: one.direction == "increase" for id_, one in metrics.items()})
    above, below = rows["ci_low_adjusted"] > 0, rows["ci_high_adjusted"] < 0
    shown = np.where(up, above, below) if subject.analysis.alternative == "improvement" else above | below
    at_the_edge = np.isclose(rows["p_value_adjusted"], alpha, rtol=1e-6) | ~ran
    assert (~shown | (rows["p_value_adjusted"] <= alpha) | at_the_edge).all()
    if not subject.analysis.is_sequential:
        better, worse = rows["p_value_improvement"], rows["p_value_deterioration"]
        np.testing.assert_allclose(better + worse, 1, rtol=1e-9)
        np.testing.assert_allclose(2 * np.minimum(better, worse), rows["p_value"], rtol=1e-9, atol=1e-9)
