"""An experiment that asks for post-stratification in YAML: what is published adds up, and plans use it."""

from datetime import timedelta

import numpy as np
import pandas as pd
import pytest

from analysis.statistics.moments import JointMoments, MeanMoments
from analysis.statistics.post_stratification import post_stratified, post_stratified_ratio
from orchestration.history import plan_inputs
from tests.end_to_end.pipeline import copy_of, table
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
        figures = [row[name] for name in ("effect", "effect_se", "variance_reduction")]
        expected = [wanted.effect, wanted.difference.se, wanted.variance_reduction]
        np.testing.assert_allclose(figures, expected, rtol=1e-9)
        checked += 1
    assert checked == 2 * 5


def moments(arm: pd.DataFrame) -> MeanMoments:
    n, mean, variance = (arm[name].to_numpy(dtype=float, na_value=np.nan) for name in ("n_units", "mean", "variance"))
    return MeanMoments(np.nan_to_num(n), mean, variance, np.full(len(n), np.nan))


def joint(arm: pd.DataFrame) -> JointMoments:
    names = ["n_units", "mean", "variance", "denominator_mean", "denominator_variance", "denominator_covariance"]
    n, y, yy, x, xx, yx = (arm[name].to_numpy(dtype=float, na_value=np.nan) for name in names)
    return JointMoments(np.nan_to_num(n), np.stack([y, x], -1), np.stack([yy, yx, yx, xx], -1).reshape(-1, 2, 2))


@pytest.mark.parametrize(("adjustment", "is_used"), [("post_stratification", True), ("cuped", False)])
def test_a_plan_takes_the_reduction_of_experiments_adjusted_alike(shop, tmp_path, adjustment, is_used):
    planned = copy_of(shop, tmp_path, "configs")
    path = planned.configs / "experiments" / "pricing.yaml"
    if not is_used:
        path.write_text(path.read_text().replace("post_stratification, strata: [device]", adjustment))
    rows = table(shop.state, "scorecard", metric_id="revenue", segment_name="all", **EXPERIMENT)
    latest = rows[rows["as_of_date"] == rows["as_of_date"].max()]
    reduction = latest["variance_reduction"].mean()
    assert reduction != 0

    inputs = plan_inputs(planned, "pricing")

    history = inputs.history.set_index("metric_id")
    assert history.loc["revenue", "variance_reduction"] == pytest.approx(reduction if is_used else 0)
    without = plan_inputs(planned, "pricing", given=[f"revenue={','.join(map(str, baseline(history)))}"]).plan()
    detectable = [
        frame[frame["metric_id"] == "revenue"]["detectable_effect"].iloc[0] for frame in (inputs.plan(), without)
    ]
    assert detectable[0] / detectable[1] == pytest.approx(np.sqrt(1 - reduction) if is_used else 1)


def baseline(history: pd.DataFrame) -> list[float]:
    return [float(history.loc["revenue", name]) for name in ("mean", "variance")]
