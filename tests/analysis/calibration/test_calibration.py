"""Which metrics hold what they promise on their own units, and which do not."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from analysis.calibration import CALIBRATION_COLUMNS, calibration
from analysis.calibration.tail_rates import rate_bound
from configs.schema import Metric

AS_OF = pd.Timestamp("2026-01-12")


BUCKETS = 2_000


def calibrated(units, experiment, metrics, seed=1, replicates=500):
    frame = calibration(
        units, experiment, metrics, as_of=AS_OF, n_buckets=BUCKETS, seed=seed, replicates=replicates
    )  # fmt: skip
    return frame.iloc[0]


def normal_with_history(rng, n):
    x, new = rng.gamma(2, 5, n), (rng.random(n) < 0.3).astype(float)
    return {"y": x + rng.normal(0, 3, n), "x": np.where(new > 0, 0, x), "h": new}


def test_a_well_behaved_metric_with_cuped_passes(experiment, metrics, in_buckets):
    units = in_buckets(BUCKETS, revenue=normal_with_history(np.random.default_rng(2), 20_000))
    row = calibrated(units, experiment("revenue"), metrics)
    assert row["status"] == "calibrated", row["reason"]
    assert row["method"] == "welch_cuped"
    assert (row["n_units"], row["replicates"]) == (20_000, 500)
    assert row["coverage"] == pytest.approx(0.95, abs=0.04)  # four standard errors of 500 replicates


def test_a_heavy_tail_on_an_uneven_split_fails_and_says_in_which_tail(experiment, metrics, in_buckets):
    """Few spenders, lognormal with σ = 2: the smaller arm's mean is far too often too low."""
    rng = np.random.default_rng(3)
    spent = np.where(rng.random(30_000) < 0.03, rng.lognormal(0, 2, 30_000), 0.0)
    units = in_buckets(BUCKETS, revenue={"y": spent})
    row = calibrated(units, experiment("revenue", share=0.1), metrics)
    assert row["status"] == "miscalibrated"
    assert row["lower_tail_025"] > 0.06
    assert "downwards they reject" in row["reason"]


def test_a_bootstrapped_metric_is_not_tested_and_says_why(experiment, metrics, in_buckets):
    rng = np.random.default_rng(4)
    units = in_buckets(BUCKETS, conversion={"y": (rng.random(4_000) < 0.1).astype(float)})
    resampled = Metric.model_validate({**metrics["conversion"].model_dump(exclude_none=True), "bootstrap": {}})
    row = calibrated(units, experiment("conversion"), metrics | {"conversion": resampled}, replicates=10)
    assert (row["method"], row["status"]) == ("bootstrap", "not_tested")
    assert row["reason"].startswith("a bootstrap resamples the buckets that are re-randomised here")


def test_a_share_and_a_ratio_pass(experiment, metrics, in_buckets):
    rng = np.random.default_rng(4)
    orders = rng.poisson(2, 20_000) + 1.0
    units = in_buckets(
        BUCKETS,
        conversion={"y": (rng.random(20_000) < 0.1).astype(float)},
        basket={"y": orders * rng.gamma(4, 10, 20_000), "d": orders},
    )
    for metric_id in ("conversion", "basket"):
        row = calibrated(units, experiment(metric_id), metrics)
        assert row["status"] == "calibrated", row["reason"]
    assert row["injected_effect_relative"] == 0.1


def test_a_method_that_holds_at_every_look_may_reject_less(experiment, metrics, in_buckets):
    units = in_buckets(BUCKETS, conversion={"y": (np.random.default_rng(5).random(20_000) < 0.1).astype(float)})
    row = calibrated(units, experiment(analysis={"method": "always_valid"}), metrics)
    assert row["status"] == "calibrated", row["reason"]
    assert row["rejection_05"] < 0.03
    assert (row["rejection_05_bound_low"], row["coverage_bound_high"]) == (0, 1)


def test_the_same_seed_and_date_give_the_same_figures(experiment, metrics, in_buckets):
    units = in_buckets(BUCKETS, conversion={"y": (np.random.default_rng(5).random(5_000) < 0.3).astype(float)})
    first, again, other = (calibrated(units, experiment(), metrics, seed, 100) for seed in (1, 1, 2))
    pd.testing.assert_series_equal(first, again)
    assert (first["rejection_05"], first["coverage"]) != (other["rejection_05"], other["coverage"])


def test_what_cannot_be_tested_says_why(experiment, metrics, in_buckets):
    """A metric that never varies, one without values, and a prior that decides beforehand."""
    constant = in_buckets(100, revenue={"y": np.ones(1_000)})
    row = calibrated(constant, experiment("revenue"), metrics, replicates=50)
    assert (row["status"], row["reason"][:13]) == ("not_tested", "zero_variance")
    assert calibrated(constant, experiment(), metrics, replicates=50)["status"] == "not_tested"
    prior = {"method": "bayesian", "bayesian": {"prior": "informative", "prior_sd": 0.01}}
    units = in_buckets(100, conversion={"y": np.arange(1_000) % 2.0})
    row = calibrated(units, experiment(analysis=prior), metrics, replicates=50)
    assert row["status"] == "not_tested"
    assert list(row.index) == list(CALIBRATION_COLUMNS)


def test_bounds_are_wider_than_the_binomial_by_the_buckets_share():
    """Of 10⁸ buckets they are the binomial's; at 10,000 their own spread is about .0016."""
    plain = rate_bound(0.05, 1_000, 10**8, 0.001)
    assert plain.low == stats.binom.ppf(0.0005, 1_000, 0.05) / 1_000
    assert plain.high == stats.binom.isf(0.0005, 1_000, 0.05) / 1_000
    many = rate_bound(0.05, 10**6, 10_000, 0.0027)
    assert (many.high - many.low) / 6 == pytest.approx(0.1146 * np.sqrt(2 / 10_000), rel=0.03)
