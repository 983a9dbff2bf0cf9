"""A metric that lists other metrics as covariates in YAML: what is published adds up, and calibration has them too."""

import duckdb
import numpy as np
import pandas as pd
import pytest

from analysis.calibration.buckets import moment_columns
from analysis.statistics.cuped import cuped, kept_by_cuped
from analysis.statistics.moments import JointMoments
from configs.load import load_config
from orchestration.bucket_sums import bucket_sums
from tests.end_to_end.pipeline import table

pytestmark = pytest.mark.xdist_group("two_experiments")

METRIC = {"experiment_id": "checkout", "metric_id": "visit_count"}
OWN = ["own value", "own covariate", "own no history"]
FURTHER = ["conversion", "no history in orders", "revenue"]
GROUP = ["as_of_date", "segment_name", "segment_value"]


@pytest.fixture(scope="module")
def covariates(shop) -> pd.DataFrame:
    return table(shop.state, "covariate_moments")


def joint(moments: pd.Series, pairs: pd.DataFrame) -> JointMoments:
    """An arm's published moments as one vector and one matrix."""
    names, share = [*OWN, *FURTHER], moments["no_history_share"]
    table_of = pairs.pivot_table(index="covariate", columns="other", values="covariance")
    matrix = np.array(table_of.reindex(index=names, columns=names), dtype=float)
    matrix = np.where(np.isnan(matrix), matrix.T, matrix)
    y_x, y_h, x_h = (moments[f"{name}_covariance"] for name in ("covariate", "no_history", "covariate_no_history"))
    n = float(moments["n_units"])
    h_h = share * (1 - share) * n / (n - 1)
    matrix[:3, :3] = [[moments["variance"], y_x, y_h], [y_x, moments["covariate_variance"], x_h], [y_h, x_h, h_h]]
    means = pairs.groupby("covariate")["mean"].first().reindex(FURTHER)
    own = [moments["mean"], moments["covariate_mean"], share]
    return JointMoments(np.array([n]), np.array([[*own, *means]]), matrix[None])


def test_only_the_metric_that_asks_has_covariate_moments_where_it_has_moments(shop, covariates):
    moments = table(shop.state, "metric_moments", **METRIC)

    assert set(zip(covariates["experiment_id"], covariates["metric_id"], strict=True)) == {tuple(METRIC.values())}
    assert set(covariates["covariate"]) == set(FURTHER)
    keys = [*GROUP, "variant_id"]
    found = covariates.groupby(keys)["n_units"].agg(["size", "min", "max"])
    expected = moments[moments["n_units"] > 0].set_index(keys)["n_units"].sort_index()
    assert (found["min"] == expected).all() and (found["max"] == expected).all() and len(found) == len(expected)
    assert set(found["size"]) == {4 + 5 + 6}


def test_effects_follow_from_the_published_moments(shop, covariates):
    rows = table(shop.state, "scorecard", **METRIC)
    moments = table(shop.state, "metric_moments", **METRIC).set_index([*GROUP, "variant_id"])
    pairs = dict(list(covariates.groupby([*GROUP, "variant_id"])))
    checked = 0
    for row in rows[rows["n_baseline"] > 1].to_dict("records"):
        keys = [(*(row[name] for name in GROUP), row[arm]) for arm in ("baseline_id", "variant_id")]
        arms = [joint(moments.loc[key], pairs[key]) for key in keys]
        wanted = cuped(*arms)
        figures = [row[name] for name in ("effect", "effect_se", "variance_reduction")]
        expected = [wanted.effect[0], wanted.difference.se[0], wanted.variance_reduction[0]]
        np.testing.assert_allclose(figures, expected, rtol=1e-9)
        # Whoever has events of this source has bought: the indicator says what conversion does.
        assert kept_by_cuped(*arms)[0].tolist()[2:] == [True, False, True]
        assert row["method"] == "welch_cuped"
        checked += 1
    assert checked > 5
    assert set(rows["segment_name"]) == {"all", "device"}
    last = rows[rows["segment_name"] == "all"].iloc[-1]
    assert (last["status"], last["reason"]) == ("ok", "")


def test_buckets_for_calibration_hold_the_same_covariates(shop, covariates):
    config = load_config(shop.configs)
    experiment, last = config.experiments["checkout"], covariates["as_of_date"].max()
    with duckdb.connect(shop.warehouse, read_only=True) as connection:
        units = bucket_sums(connection, config, experiment, units_of=experiment, as_of=last.date(), salt="s")
    sums = units.metrics["visit_count"]
    names = ("y", "x", "h", "x1", "x2", "x3")
    assert vars(sums)["values"] == names
    totals = (one.sum(axis=0) for one in (sums.n, sums.first, sums.second, sums.third))
    found = moment_columns(names, sums.centre, *totals)
    whole = covariates[(covariates["as_of_date"] == last) & (covariates["segment_name"] == "all")]
    for number, name in enumerate(FURTHER, start=1):
        own = whole[(whole["covariate"] == name) & (whole["other"] == name)]
        n, means = own["n_units"].astype(float), own["mean"]
        assert found[f"further_{number}_mean"] == pytest.approx((n * means).sum() / n.sum(), rel=1e-12)
        within = ((n - 1) * own["covariance"]).sum()
        between = (n * (means - (n * means).sum() / n.sum()) ** 2).sum()
        expected = (within + between) / (n.sum() - 1)
        assert found[f"further_{number}_with_{number}"] == pytest.approx(expected, rel=1e-9)
