"""Bootstrapped metrics on the scorecard: from bucket sums to rows, beside metrics of other kinds."""

import hashlib
from collections.abc import Callable
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from analysis.scorecard import SCORECARD_COLUMNS, scorecard
from configs.schema import Experiment, Metric

ROLES = {"primary": ["spend"], "secondary": ["basket", "plain_spend"], "guardrail": []}
ALL = ("all", "all")
REPLICATES = 999


@pytest.fixture
def metrics() -> dict[str, Metric]:
    event = {"source": "shop", "event": "purchase"}
    amount = {**event, "aggregate": "sum", "measure": "amount"}
    percentile = {"replicates": REPLICATES, "interval": "percentile"}
    definitions: list[dict[str, Any]] = [
        {"id": "spend", "type": "mean", **amount, "bootstrap": percentile},
        {
            "id": "spend_bca",
            "type": "mean",
            **amount,
            "bootstrap": {**percentile, "interval": "bca"},
            "direction": "decrease",
        },
        {"id": "plain_spend", "type": "mean", **amount},
        {"id": "basket", "type": "ratio", "numerator": amount, "denominator": event, "bootstrap": percentile},
        {"id": "bought", "type": "proportion", **event, "bootstrap": percentile},
    ]
    return {definition["id"]: Metric.model_validate(definition) for definition in definitions}


@pytest.fixture
def arms() -> dict[str, pd.DataFrame]:
    """Units with amounts in cents, orders, and their buckets."""

    def arm(seed: int, n: int, lift: float) -> pd.DataFrame:
        rng = np.random.default_rng(seed)
        orders = rng.poisson(1.5, n)
        cents = np.round(orders * rng.gamma(3, 500, n) * (1 + lift))
        return pd.DataFrame({"bucket": rng.integers(0, 1000, n), "orders": orders, "cents": cents})

    return {"control": arm(1, 4000, 0), "treatment_1": arm(2, 4400, 0.05), "treatment_2": arm(3, 3600, 0.12)}


def values(metric: Metric, units: pd.DataFrame) -> tuple[pd.Series, pd.Series]:
    """Numerator and denominator of each unit, in whole steps."""
    y = units["cents"] if metric.type in ("mean", "ratio") else (units["orders"] > 0).astype(float)
    return y, units["orders"].astype(float)


def keys(metric_id: str, variant: str, as_of: date, segment: tuple[str, str]) -> dict[str, Any]:
    named = {"as_of_date": as_of, "experiment_id": "checkout", "variant_id": variant, "metric_id": metric_id}
    return named | {"segment_name": segment[0], "segment_value": segment[1]}


def moments(
    arms: dict[str, pd.DataFrame], metrics: dict[str, Metric], as_of: date, segment: tuple[str, str] = ALL
) -> pd.DataFrame:
    absent = [
        "covariate_mean", "covariate_variance", "covariate_covariance", "no_history_share", "no_history_covariance",
        "covariate_no_history_covariance", "denominator_mean", "denominator_variance", "denominator_covariance",
    ]  # fmt: skip
    rows = []
    for metric in metrics.values():
        one = 1 if metric.type == "proportion" else 100
        for variant, units in arms.items():
            y, d = values(metric, units)
            y = y / one
            row = dict.fromkeys(absent, np.nan) | {
                **keys(metric.id, variant, as_of, segment),
                "n_units": len(y),
                "mean": y.mean(),
                "variance": y.var(ddof=1),
                "third_central_moment": ((y - y.mean()) ** 3).mean(),
                "n_overflow": 0,
                "n_not_computed": 0,
                "last_cohort_date": date(2026, 10, 14),
                "metric_hash": "0a1b2c3d",
            }
            if metric.type == "ratio":
                row |= {
                    "denominator_mean": d.mean(),
                    "denominator_variance": d.var(ddof=1),
                    "denominator_covariance": np.cov(y, d)[0, 1],
                }
            rows.append(row)
    return pd.DataFrame(rows)


def bucket_sums(arms: dict[str, pd.DataFrame], metrics: dict[str, Metric], as_of: date) -> pd.DataFrame:
    frames = []
    for metric in metrics.values():
        if metric.bootstrap is None:
            continue
        for variant, units in arms.items():
            y, d = values(metric, units)
            sums = pd.DataFrame({"bucket": units["bucket"], "n_units": 1, "value_sum": y, "denominator_sum": d})
            sums = sums.groupby("bucket", as_index=False).sum()
            if metric.type != "ratio":
                sums["denominator_sum"] = np.nan
            decimals = 0 if metric.type == "proportion" else 2
            named = keys(metric.id, variant, as_of, ALL)
            frames.append(sums.assign(**named, decimals=decimals, denominator_decimals=0))
    return pd.concat(frames, ignore_index=True).sample(frac=1, random_state=1)


@pytest.fixture
def card(
    metrics: dict[str, Metric],
    arms: dict[str, pd.DataFrame],
    experiment: Callable[..., Experiment],
    not_blocked: pd.DataFrame,
) -> Callable[..., pd.DataFrame]:
    """The scorecard indexed by metric and treatment, of the arms or of others."""

    def build(
        own: dict[str, pd.DataFrame] | None = None,
        sums: pd.DataFrame | None = None,
        roles: dict[str, Any] | None = None,
        using: dict[str, Metric] | None = None,
        as_of: date = date(2026, 10, 21),
        **analysis: Any,
    ) -> pd.DataFrame:
        own, using = own or arms, using or metrics
        config = {"checkout": experiment(len(own) - 1, roles or ROLES, **analysis)}
        frame = scorecard(
            moments(own, using, as_of),
            config,
            using,
            not_blocked,
            bucket_sums=bucket_sums(own, using, as_of) if sums is None else sums,
        )
        assert list(frame.columns) == list(SCORECARD_COLUMNS)
        return frame.set_index(["metric_id", "variant_id"])

    return build


def digest(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8])


def replicates(arms: dict[str, pd.DataFrame], variant: str, metric: Metric, seed: int | None = None) -> np.ndarray:
    """The arm's statistic under the weights that the documentation promises: unit by unit."""
    seed = digest(f"checkout {metric.id}") if seed is None else seed
    rng, units = np.random.default_rng([seed, digest(variant)]), arms[variant]
    up_to = stats.poisson.cdf(np.arange(18), 1)
    weights = np.searchsorted(up_to, rng.random((REPLICATES, 1000)), side="right")[:, units["bucket"]]
    y, d = values(metric, units)
    below = weights @ d.to_numpy() if metric.type == "ratio" else weights.sum(axis=1)
    return weights @ y.to_numpy() / below / (1 if metric.type == "proportion" else 100)


@pytest.mark.parametrize("metric_id", ["spend", "basket"])
def test_a_row_is_the_percentiles_of_replicates_by_unit(card, arms, metrics, metric_id):
    row = card().loc[(metric_id, "treatment_1")]
    base, treatment = (replicates(arms, variant, metrics[metric_id]) for variant in ("control", "treatment_1"))
    difference, relative = np.sort(treatment - base), np.sort((treatment - base) / base)

    assert (row["method"], row["relative_method"], row["status"], row["reason"]) == ("bootstrap", "bootstrap", "ok", "")
    assert row["effect"] == pytest.approx(row["treatment_mean"] - row["baseline_mean"])
    # Of 999 replicates at .05 the 25th from either end.
    assert (row["ci_low"], row["ci_high"]) == pytest.approx((difference[24], difference[-25]))
    assert (row["relative_ci_low"], row["relative_ci_high"]) == pytest.approx((relative[24], relative[-25]))
    assert row["effect_se"] == pytest.approx(difference.std(ddof=1))
    assert row["p_value"] == pytest.approx(2 * (1 + min((difference <= 0).sum(), (difference >= 0).sum())) / 1000)
    assert row["p_value_improvement"] == pytest.approx((1 + (difference <= 0).sum()) / 1000)
    assert row["p_value_deterioration"] == pytest.approx((1 + (difference >= 0).sum()) / 1000)


def test_a_bootstrap_agrees_with_the_closed_form(card):
    rows = card()
    ratio = rows.loc["spend", "effect_se"] / rows.loc["plain_spend", "effect_se"]

    # 2.2 % of each arm's error from 1,000 buckets, 2.2 % from 999 replicates: within four of these.
    assert ((ratio - 1).abs() < 4 * np.hypot(0.022, 0.022)).all()
    for same in ("effect", "baseline_mean", "treatment_mean", "effect_se_pooled", "n_baseline"):
        assert (rows.loc["spend", same] == rows.loc["plain_spend", same]).all()


def test_bootstraps_are_corrected_with_the_other_metrics_of_their_family(card):
    rows = card().loc[["basket", "plain_spend"]]

    # Holm over two metrics and two treatments; an adjusted interval at 1 - .05/4.
    assert rows["p_value_adjusted"].min() == pytest.approx(4 * rows["p_value"].min())
    assert rows["confidence_level_adjusted"].to_numpy() == pytest.approx(1 - 0.05 / 4)
    assert (rows["ci_low_adjusted"] <= rows["ci_low"]).all()
    assert (rows["ci_high_adjusted"] >= rows["ci_high"]).all()


@pytest.mark.parametrize("metric_id", ["spend", "spend_bca"])
def test_tests_agree_with_intervals(card, metric_id):
    roles = {"primary": ["plain_spend"], "secondary": [metric_id]}
    for alpha in (0.01, 0.05, 0.2):
        rows = card(roles=roles, alpha=alpha, correction="bonferroni").loc[metric_id]
        excludes = (rows["ci_low"] > 0) | (rows["ci_high"] < 0)
        assert ((rows["p_value"] <= alpha) == excludes).all()
        adjusted = (rows["ci_low_adjusted"] > 0) | (rows["ci_high_adjusted"] < 0)
        assert (rows["significant"] == adjusted).all()


@pytest.mark.parametrize(
    "margin", [{"non_inferiority_margin": 0.06}, {"absolute_margin": 1.2}, {"level": 24.0}], ids=str
)
def test_a_guardrail_is_proven_by_the_share_of_replicates_beyond_its_margin(card, arms, metrics, margin):
    # More spending is worse here, treatment_1 by about 5 % and treatment_2 by 12 %.
    metric = metrics["spend"].model_copy(update={"direction": "decrease"})
    roles = {"primary": ["plain_spend"], "guardrail": [{"metric": "spend", **margin}]}
    rows = card(roles=roles, using=metrics | {"spend": metric}).loc["spend"]
    base = replicates(arms, "control", metric)

    for variant, row in rows.iterrows():
        treatment = replicates(arms, str(variant), metric)
        kind, size = next(iter(margin.items()))
        room = {
            "non_inferiority_margin": base - treatment + size * np.abs(base),
            "absolute_margin": base - treatment + size,
            "level": size - treatment,
        }[kind]
        assert row["p_value_non_inferiority"] == pytest.approx((1 + (room <= 0).sum()) / 1000)
    assert rows["p_value_non_inferiority"].is_monotonic_increasing


def test_a_margins_test_that_passes_too_often_says_so_as_the_closed_form_does(card, arms, metrics):
    """Few of a small arm's units spend most: "at most" is shown where they have not come yet."""
    small = arms["treatment_1"].head(300).assign(cents=lambda units: units["cents"] ** 3 / 1e6)
    worse = {id_: metrics[id_].model_copy(update={"direction": "decrease"}) for id_ in ("spend", "plain_spend")}
    roles = {"primary": ["basket"], "guardrail": [{"metric": id_, "level": 1e4} for id_ in worse]}
    rows = card(own={"control": arms["control"], "treatment_1": small}, roles=roles, using=metrics | worse)
    for id_ in worse:
        assert "skewed margin test" in rows.loc[(id_, "treatment_1"), "reason"]


def test_equivalence_is_the_worse_of_both_sides(card, arms, metrics):
    row = card(equivalence=[{"metric": "spend", "relative_margin": 0.08}]).loc[("spend", "treatment_1")]
    base, treatment = (replicates(arms, variant, metrics["spend"]) for variant in ("control", "treatment_1"))
    above, below = treatment - base + 0.08 * base, 0.08 * base - treatment + base

    worse = max((above <= 0).sum(), (below <= 0).sum())
    assert row["p_value_equivalence"] == pytest.approx((1 + worse) / 1000)


def test_a_configured_seed_rules_and_each_metric_has_its_own_by_default(card, arms, metrics):
    own = metrics["spend"].model_copy(update={"bootstrap": metrics["spend"].bootstrap.model_copy(update={"seed": 7})})
    seeded = card(using=metrics | {"spend": own}).loc[("spend", "treatment_1")]
    base, treatment = (replicates(arms, variant, own, seed=7) for variant in ("control", "treatment_1"))

    assert seeded["effect_se"] == pytest.approx((treatment - base).std(ddof=1))
    assert seeded["effect_se"] != card().loc[("spend", "treatment_1"), "effect_se"]


def test_rows_do_not_depend_on_what_else_is_computed(card, metrics, experiment, arms, not_blocked):
    days = [date(2026, 10, 20), date(2026, 10, 21)]
    fewer = {"control": arms["control"], "treatment_1": arms["treatment_1"].iloc[:3000]}
    both = scorecard(
        pd.concat([moments(fewer, metrics, days[0]), moments(arms, metrics, days[1])]),
        {"checkout": experiment(2, ROLES)},
        metrics,
        not_blocked,
        bucket_sums=pd.concat([bucket_sums(fewer, metrics, days[0]), bucket_sums(arms, metrics, days[1])]),
    ).set_index(["metric_id", "variant_id"])
    last = both[both["as_of_date"] == pd.Timestamp(days[1])]

    pd.testing.assert_frame_equal(last, card(), check_exact=True)
    without = both[both["as_of_date"] == pd.Timestamp(days[0])].loc[("spend", "treatment_2")]
    assert without["status"] == "no_units"


def test_too_few_replicates_leave_an_end_open_and_say_so(card, metrics):
    # Two treatments at .0015: 2/(.0015/2) - 1 = 2,666 replicates would be needed.
    row = card(alpha=0.0015).loc[("spend", "treatment_1")]

    assert row["ci_low_adjusted"] != row["ci_low_adjusted"]
    assert "an interval of level 0.9985 has no end within 999 replicates" in row["reason"]
    assert row["status"] == "ok"
    assert not row["significant"]
    assert not np.isinf(row[["ci_low", "ci_high", "ci_low_adjusted", "relative_ci_low"]].astype(float)).any()


def test_sums_that_are_not_the_metrics_units_are_refused(card, arms, metrics):
    sums = bucket_sums(arms, metrics, date(2026, 10, 21))
    for wrong in (sums[(sums["metric_id"] != "spend") | (sums["bucket"] > 3)], sums.iloc[:0]):
        rows = card(sums=wrong)
        assert (rows.loc["spend", "status"] == "failed").all()
        assert rows.loc["spend", "reason"].str.contains("build fct_bucket_sums again").all()
        assert rows.loc["spend", ["p_value", "ci_low", "p_value_adjusted"]].isna().all(axis=None)
        assert (rows.loc["plain_spend", "status"] == "ok").all()


def test_broken_tables_are_errors(card, arms, metrics):
    sums = bucket_sums(arms, metrics, date(2026, 10, 21))
    with pytest.raises(ValueError, match="hold a row twice"):
        card(sums=pd.concat([sums, sums.iloc[:1]]))
    with pytest.raises(ValueError, match="lack the columns decimals"):
        card(sums=sums.drop(columns="decimals"))
    with pytest.raises(ValueError, match="not one of 1000"):
        card(sums=sums.assign(bucket=sums["bucket"] + 1))


def test_few_units_a_rare_denominator_and_a_constant_say_why_there_is_no_test(card, arms):
    few = {variant: units.iloc[:40] for variant, units in arms.items()}
    rare = {variant: units.assign(orders=np.where(np.arange(len(units)) == 0, 1, 0)) for variant, units in arms.items()}
    same = {variant: units.assign(cents=500.0) for variant, units in arms.items()}

    sparse, undefined = card(few).loc[("spend", "treatment_1")], card(rare).loc[("basket", "treatment_1")]
    constant = card(same).loc[("spend", "treatment_1")]

    assert sparse["status"] == "too_few_units"
    assert "fewer than 50 buckets" in sparse["reason"]
    assert undefined["status"] == "zero_denominator"
    assert "in a replicate of it" in undefined["reason"]
    assert (constant["status"], constant["effect"]) == ("zero_variance", 0.0)
    assert constant[["p_value", "ci_low", "p_value_deterioration"]].isna().all()


def test_a_share_that_never_varied_is_still_held_against_a_level(card, arms):
    never = {variant: units.assign(orders=0) for variant, units in arms.items()}
    roles = {"primary": ["plain_spend"], "guardrail": [{"metric": "bought", "level": 0.01}]}
    decreasing = card(never, roles=roles)
    row = decreasing.loc[("bought", "treatment_1")]

    # An increase is better: that a share of 0 in 4,400 units is above 1 % is refuted.
    assert row["status"] == "zero_variance"
    assert row["p_value_non_inferiority"] == pytest.approx(1.0)


def test_a_baseline_about_zero_has_no_relative_interval(card, arms):
    about_zero = {variant: units.assign(cents=units["cents"] - 2250) for variant, units in arms.items()}
    row = card(about_zero).loc[("spend", "treatment_2")]

    assert row["status"] == "weak_baseline"
    assert "no relative interval: replicates of the baseline's mean reach 0" in row["reason"]
    assert row[["relative_ci_low", "relative_ci_high"]].isna().all()
    assert row["p_value"] < 0.05


def test_segments_keep_the_closed_form_and_say_so(arms, metrics, experiment, not_blocked):
    as_of = date(2026, 10, 21)
    frame = scorecard(
        pd.concat([moments(arms, metrics, as_of), moments(arms, metrics, as_of, ("country", "DE"))]),
        {"checkout": experiment(2, ROLES)},
        metrics,
        not_blocked,
        bucket_sums=bucket_sums(arms, metrics, as_of),
    )
    segment = frame[(frame["segment_name"] == "country") & (frame["metric_id"] == "spend")]

    assert set(segment["method"]) == {"welch"}
    assert segment["reason"].str.contains("closed form: only the whole population is bootstrapped").all()


def test_other_methods_than_fixed_say_why_they_cannot(card):
    row = card(method="always_valid").loc[("spend", "treatment_1")]

    assert row["status"] == "failed"
    assert row["reason"] == "a bootstrap has no always_valid analysis; use method fixed, or drop `bootstrap`"
    assert np.isnan(row["p_value"])
