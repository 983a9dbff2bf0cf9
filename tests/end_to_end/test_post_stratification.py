"""An experiment that asks for post-stratification in YAML: what is published adds up, and plans use it."""

import json
from datetime import timedelta

import numpy as np
import pandas as pd
import pytest

from analysis.statistics.moments import JointMoments, MeanMoments
from analysis.statistics.post_stratification import post_stratified, post_stratified_ratio
from tests.end_to_end.pipeline import table
from tests.end_to_end.two_experiments.days import DAYS

EXPERIMENT = {"experiment_id": "pricing"}
KEYS = ["as_of_date", "variant_id", "metric_id"]


@pytest.fixture(scope="module")
def strata(shop) -> pd.DataFrame:
    return table(shop.state, "stratum_moments")


def test_only_the_experiment_that_asks_has_strata_at_every_as_of_date(strata):
    assert set(strata["experiment_id"]) == {"pricing"}
    assert sorted(strata["as_of_date"].dt.date.unique()) == [day for day in DAYS if day <= DAYS[0] + timedelta(days=4)]
    assert strata["stratum"].str.fullmatch("device=[^,]+").all() and len(set(strata["stratum"])) > 1


def test_strata_add_up_to_everyone(shop, strata):
    everyone = table(shop.state, "metric_moments", segment_name="all", **EXPERIMENT).set_index(KEYS)
    totals = strata.assign(total=strata["mean"] * strata["n_units"]).groupby(KEYS)[["n_units", "total"]].sum()
    assert (totals["n_units"] == everyone["n_units"].reindex(totals.index)).all()
    np.testing.assert_allclose(totals["total"] / totals["n_units"], everyone["mean"].reindex(totals.index), rtol=1e-12)
    assert len(totals) == (everyone["n_units"] > 0).sum()


@pytest.mark.parametrize("treatment", ["lower", "higher"])
def test_effects_follow_from_the_published_strata(shop, strata, treatment):
    rows = table(shop.state, "scorecard", variant_id=treatment, **EXPERIMENT).set_index(["as_of_date", "metric_id"])
    checked = 0
    for (day, metric_id), row in rows.iterrows():
        here = strata[(strata["as_of_date"] == day) & (strata["metric_id"] == metric_id)]
        arms = [here[here["variant_id"] == arm].set_index("stratum") for arm in ("old", treatment)]
        names = sorted({*arms[0].index, *arms[1].index})
        arms = [arm.reindex(names) for arm in arms]
        is_ratio = metric_id == "revenue_per_order"
        wanted = (post_stratified_ratio if is_ratio else post_stratified)(
            *(joint(arm) if is_ratio else moments(arm) for arm in arms)
        ).estimate
        assert row["method"] == ("delta_ratio" if is_ratio else "welch") + "_post_stratified"
        assert (row["effect"], row["effect_se"]) == pytest.approx((wanted.effect, wanted.difference.se), rel=1e-12)
        assert row["variance_reduction"] == pytest.approx(float(wanted.variance_reduction), abs=1e-12)
        checked += 1
    assert checked == 2 * 5


def moments(arm: pd.DataFrame) -> MeanMoments:
    n, mean, variance = (arm[name].to_numpy(dtype=float, na_value=np.nan) for name in ("n_units", "mean", "variance"))
    return MeanMoments(np.nan_to_num(n), mean, variance, np.full(len(n), np.nan))


def joint(arm: pd.DataFrame) -> JointMoments:
    names = ["n_units", "mean", "variance", "denominator_mean", "denominator_variance", "denominator_covariance"]
    n, y, yy, x, xx, yx = (arm[name].to_numpy(dtype=float, na_value=np.nan) for name in names)
    return JointMoments(np.nan_to_num(n), np.stack([y, x], -1), np.stack([yy, yx, yx, xx], -1).reshape(-1, 2, 2))


def test_a_plan_takes_the_reduction_of_strata_from_history(equipoise, shop):
    """And not that of checkout, whose covariate took something away too."""
    latest = table(shop.state, "scorecard", metric_id="revenue", segment_name="all", **EXPERIMENT)
    reduction = latest[latest["as_of_date"] == latest["as_of_date"].max()]["variance_reduction"].mean()
    needed = []
    for given in ((), ("--baseline", baseline(shop, reduction)), ("--baseline", baseline(shop, 0.0))):
        printed = equipoise(shop, "plan", "--experiment", "pricing", *given, "--format", "json")
        assert (printed.status, printed.err) == (0, "")
        needed.append([row["detectable_effect"] for row in json.loads(printed.out) if row["metric_id"] == "revenue"])
    assert needed[0] == pytest.approx(needed[1], rel=1e-9)
    assert needed[0] != pytest.approx(needed[2], rel=1e-9)


def baseline(shop, reduction: float) -> str:
    rows = table(shop.state, "metric_moments", metric_id="revenue", variant_id="old", segment_name="all", **EXPERIMENT)
    last = rows[rows["as_of_date"] == rows["as_of_date"].max()].iloc[0]
    return f"revenue={last['mean']!r},{last['variance']!r},{reduction!r}"
