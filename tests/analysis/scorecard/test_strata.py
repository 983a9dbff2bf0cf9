"""Post-stratified rows of the scorecard: from moments within strata to effects, reasons and every method."""

from collections.abc import Callable
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
import pytest

from analysis.scorecard import scorecard
from analysis.statistics.moments import JointMoments, MeanMoments
from analysis.statistics.post_stratification import post_stratified, post_stratified_ratio
from configs.schema import Experiment

DAY = date(2026, 10, 21)
METHODS = [
    {},
    {"method": "always_valid", "always_valid": {"burn_in": 2, "burn_in_units": 2}},
    {"method": "group_sequential", "correction": "bonferroni", "group_sequential": {"planned_units": 2000}},
    {"method": "bayesian"},
]
RATIO = ("revenue", "orders")


@pytest.fixture
def arms(units: Callable[..., pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """900 and 600 units in three strata that differ by as much as units do."""
    frames = {"control": units(1, 900), "treatment_1": units(2, 600, 0.05)}
    for number, frame in enumerate(frames.values()):
        shares = ([0.5, 0.3, 0.2], [0.45, 0.3, 0.25])[number]
        country = np.random.default_rng(number).choice(["AT", "CH", "DE"], len(frame), p=shares)
        frame["country"] = country
        frame["revenue"] += pd.Series(country).map({"AT": 0, "CH": 8, "DE": 20}).to_numpy()
    return frames


@pytest.fixture
def stratified(experiment: Callable[..., Experiment]) -> Callable[..., Experiment]:
    def build(treatments: int = 1, **analysis: Any) -> Experiment:
        return experiment(treatments, adjustment="post_stratification", strata=["country"], **analysis)

    return build


def within_strata(arms: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """The rows of fct_stratum_moments, in no order."""
    rows = []
    for variant, frame in arms.items():
        for country, values in frame.groupby("country"):
            keys = {"as_of_date": DAY, "experiment_id": "checkout", "variant_id": variant,
                    "stratum": f"country={country}", "n_cells": 1, "n_units": len(values)}  # fmt: skip
            for metric_id in ("conversion", "revenue", "load_time"):
                of_value = {"mean": values[metric_id].mean(), "variance": values[metric_id].var()}
                rows.append(keys | {"metric_id": metric_id} | of_value)
            both = values[list(RATIO)].cov().to_numpy()
            of_ratio = {"denominator_mean": values["orders"].mean(), "denominator_variance": both[1, 1],
                        "denominator_covariance": both[0, 1]}  # fmt: skip
            rows.append(
                keys | {"metric_id": "basket", "mean": values["revenue"].mean(), "variance": both[0, 0]} | of_ratio
            )
    return pd.DataFrame(rows).sample(frac=1, random_state=1)


def direct(arms: dict[str, pd.DataFrame], metric_id: str) -> Any:
    """The estimate from unit-level values."""
    parts = [[values for _, values in frame.groupby("country")] for frame in arms.values()]
    if metric_id == "basket":
        joint = [[JointMoments.from_values(*(v[name] for name in RATIO)) for v in part] for part in parts]
        fields = ("n", "mean", "covariance")
        stacked = [JointMoments(*(np.stack([getattr(m, f) for m in arm]) for f in fields)) for arm in joint]
        return post_stratified_ratio(*stacked).estimate
    single = [[MeanMoments.from_values(v[metric_id]) for v in part] for part in parts]
    names = ("n", "mean", "variance", "third_central_moment")
    return post_stratified(
        *(MeanMoments(*(np.stack([getattr(m, f) for m in arm]) for f in names)) for arm in single)
    ).estimate


@pytest.fixture
def card(moments_of, metrics, not_blocked) -> Callable[..., pd.DataFrame]:
    def build(
        experiment: Experiment, arms: dict[str, pd.DataFrame], strata: pd.DataFrame | None, **more: Any
    ) -> pd.DataFrame:
        moments = pd.concat([moments_of(arms), *more.get("segments", [])])
        frame = scorecard(moments, {"checkout": experiment}, metrics, more.get("blocked", not_blocked), strata=strata)
        return frame[frame["segment_name"] == more.get("of", "all")].set_index("metric_id")

    return build


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.get("method", "fixed"))
def test_effects_are_those_of_unit_level_strata_under_every_method(card, stratified, arms, method) -> None:
    rows = card(stratified(**method), arms, within_strata(arms))
    judged = "" if not method else f" {method['method']}"
    for metric_id, estimator in (("conversion", "welch"), ("revenue", "welch"), ("basket", "delta_ratio")):
        wanted, row = direct(arms, metric_id), rows.loc[metric_id]
        assert row["method"] == f"{estimator}_post_stratified{judged}"
        figures = [row[name] for name in ("effect", "effect_se", "variance_reduction", "baseline_mean")]
        expected = [wanted.effect, wanted.difference.se, wanted.variance_reduction, wanted.baseline.mean]
        np.testing.assert_allclose(figures, expected, rtol=1e-9)
        assert row["status"] in ("ok", "open_ended") and "adjust" not in row["reason"]
        assert row["ci_low"] < row["effect"] < row["ci_high"]
    assert rows.loc["revenue", "variance_reduction"] > 0.3
    assert not np.isnan(rows.loc["load_time", "p_value_non_inferiority"])


def test_one_stratum_gives_the_unadjusted_results(card, stratified, experiment, arms) -> None:
    for frame in arms.values():
        frame["country"] = "AT"
    rows = card(stratified(), arms, within_strata(arms))
    plain = card(experiment(adjustment="none"), arms, None)
    numbers = ["effect", "effect_se", "ci_low", "ci_high", "p_value", "relative_ci_low", "p_value_non_inferiority"]
    np.testing.assert_allclose(rows[numbers].astype(float), plain[numbers].astype(float), rtol=1e-9)
    np.testing.assert_allclose(rows["variance_reduction"], 0, atol=1e-12)


def test_several_treatments_share_the_baselines_strata(card, stratified, arms, units) -> None:
    arms["treatment_2"] = units(3, 700).assign(country=np.resize(["AT", "CH", "DE"], 700))
    rows = card(stratified(2), arms, within_strata(arms)).loc["revenue"].set_index("variant_id")
    for treatment in ("treatment_1", "treatment_2"):
        wanted = direct({name: arms[name] for name in ("control", treatment)}, "revenue")
        assert rows.loc[treatment, "effect"] == pytest.approx(wanted.effect, rel=1e-9)


def test_merged_strata_are_named(card, stratified, arms) -> None:
    """Of 1,500 units, 40 % of them treated, a stratum needs 25 to expect 10 in the smaller arm."""
    for name, n in (("control", 3), ("treatment_1", 2)):
        arms[name].loc[: n - 1, "country"] = "LI"
        arms[name].loc[n : 5 * n - 1, "country"] = "LU"
    rows = card(stratified(), arms, within_strata(arms))
    wanted = direct(arms | {n: a.assign(country=a["country"].replace("LU", "LI")) for n, a in arms.items()}, "revenue")
    assert rows.loc["revenue", "status"] == "ok"
    assert rows.loc["revenue", "reason"] == (
        "2 of 5 strata merged, for some expect fewer than 10 units in an arm: country=LI; country=LU"
    )
    assert rows.loc["revenue", "effect"] == pytest.approx(wanted.effect, rel=1e-9)


def test_what_was_counted_as_other_is_said(card, stratified, arms) -> None:
    strata = within_strata(arms)
    strata.loc[strata["stratum"] == "country=DE", ["stratum", "n_cells"]] = ["other", 57]
    rows = card(stratified(), arms, strata)
    assert rows["reason"].unique().tolist() == ["the 57 smallest strata count as one, other"]
    assert rows.loc["revenue", "effect"] == pytest.approx(direct(arms, "revenue").effect, rel=1e-9)


def test_segments_are_unadjusted_and_say_so(card, stratified, arms, moments_of) -> None:
    segments = [moments_of(arms, segment=("device", "web"))]
    rows = card(stratified(), arms, within_strata(arms), segments=segments, of="device")
    assert set(rows["method"]) == {"welch", "delta_ratio"}
    assert rows["variance_reduction"].isna().all()
    assert set(rows["reason"]) == {"exploratory: a segment; unadjusted: strata are of the whole population"}


@pytest.mark.parametrize("missing", ["all", "one"])
def test_without_its_strata_a_row_is_unadjusted_and_says_so(card, stratified, experiment, arms, missing) -> None:
    strata = within_strata(arms)
    strata = None if missing == "all" else strata[strata["stratum"] != "country=CH"]
    rows = card(stratified(), arms, strata)
    plain = card(experiment(adjustment="none"), arms, None)
    assert set(rows["status"]) == {"no_covariate"}
    assert rows["reason"].str.startswith("unadjusted: the moments within strata are missing").all()
    assert (rows["effect"] == plain["effect"]).all() and (rows["method"] == plain["method"]).all()


def test_a_missing_covariate_does_not_matter(card, stratified, arms, not_blocked) -> None:
    blocked = pd.DataFrame(
        [(DAY, "checkout", "revenue", "no_covariate", "unadjusted: no lookback")], columns=not_blocked.columns
    )
    rows = card(stratified(), arms, within_strata(arms), blocked=blocked)
    assert rows.loc["revenue", ["method", "status", "reason"]].tolist() == ["welch_post_stratified", "ok", ""]


def test_an_arm_without_units_is_no_adjustment_s_fault(card, stratified, arms) -> None:
    only = {"control": arms["control"]}
    rows = card(stratified(), only, within_strata(only))
    assert set(rows["status"]) == {"no_units"}
    assert rows["baseline_mean"].notna().all() and rows["treatment_mean"].isna().all()


def test_what_must_not_be_computed_is_not(card, stratified, arms, not_blocked) -> None:
    blocked = pd.DataFrame([(DAY, "checkout", "revenue", "incomplete", "no log")], columns=not_blocked.columns)
    row = card(stratified(), arms, within_strata(arms), blocked=blocked).loc["revenue"]
    assert row[["status", "reason"]].tolist() == ["incomplete", "no log"]
    numbers = ["effect", "effect_se", "baseline_mean", "treatment_mean", "p_value", "ci_low", "variance_reduction"]
    assert row[numbers].isna().all()


def test_other_experiments_do_not_notice(moments_of, metrics, not_blocked, stratified, experiment, arms) -> None:
    plain = experiment()
    other = plain.model_copy(update={"id": "other"})
    moments = pd.concat([moments_of(arms), moments_of(arms).assign(experiment_id="other")])
    both = scorecard(
        moments, {"checkout": stratified(), "other": other}, metrics, not_blocked, strata=within_strata(arms)
    )
    alone = scorecard(moments, {"other": other}, metrics, not_blocked)
    pd.testing.assert_frame_equal(both[both["experiment_id"] == "other"].reset_index(drop=True), alone)
