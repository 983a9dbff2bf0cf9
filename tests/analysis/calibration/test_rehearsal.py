"""The whole decision rule on re-randomised units."""

import numpy as np
import pytest
from scipy import stats

from analysis.calibration.rehearsal import false_ships, rehearse, scenarios
from analysis.calibration.replicates import NO_BLOCKS, copies, replicated_moments
from analysis.scorecard import scorecard

RUNS = 100
GUARDED = {
    "metrics": {
        "primary": ["revenue"],
        "guardrail": [{"metric": "conversion", "non_inferiority_margin": 0.2}],
    },
    "start": "2026-01-01",
    "end": "2026-01-03",
}


def subject(experiment, **analysis):
    return experiment("revenue", **GUARDED, analysis={"minimum_days": 1, "minimum_units": 100, **analysis})


@pytest.fixture
def units(in_buckets):
    rng = np.random.default_rng(7)
    return in_buckets(
        1_000,
        revenue={"y": rng.gamma(4, 5, 8_000)},
        conversion={"y": (rng.random(8_000) < 0.5).astype(float)},
    )


def test_what_is_rehearsed(experiment, metrics):
    assert [one.name for one in scenarios(subject(experiment), metrics, None)] == ["no_effect"]
    found = {one.name: one for one in scenarios(subject(experiment), metrics, 0.1)}
    assert found["planned_effect"].effects == {"revenue": 0.1}
    assert found["conversion_at_margin"].effects == {"revenue": 0.1, "conversion": -0.2}
    harmless = experiment("revenue", **GUARDED, decision={"rule": "do_no_harm"})
    assert [(one.name, one.ship_means) for one in scenarios(harmless, metrics, 0.1)] == [
        ("no_effect", "power"),
        ("conversion_at_margin", "false ship"),
    ]


def test_false_ships_and_power_are_those_of_the_normal_approximation(experiment, metrics, units):
    """A mean of 20 with se = 10·√(4/8000): a lift of 4 % has power .94; the guardrail at .1 of .5 is proven always.

    Bounds are the 99.99 % points of the binomial of 100 replicates.
    """
    rows = {
        row["scenario"]: row
        for row in rehearse(units, subject(experiment), metrics, effect=0.04, replicates=RUNS, seed=1)
    }
    assert rows["no_effect"]["ship_rate"] <= stats.binom.isf(1e-4, RUNS, 0.025) / RUNS
    power = stats.norm.sf(1.96 - 0.8 / (10 * np.sqrt(4 / 8_000)))
    low, high = stats.binom.ppf([1e-4, 1 - 1e-4], RUNS, power) / RUNS
    assert low <= rows["planned_effect"]["ship_rate"] <= high
    assert rows["conversion_at_margin"]["ship_rate"] <= stats.binom.isf(1e-4, RUNS, 0.05) / RUNS
    assert rows["planned_effect"]["mean_days"] == 5  # a fixed end: three days, and two until conversion has matured
    assert rows["planned_effect"]["n_units"] == 8_000


@pytest.mark.parametrize(
    ("rule", "analysis", "without_effect", "at_margin"),
    [
        ("risk_aware", {}, 0.025, 0.1),
        ("clear_signals", {}, 0.05, 0.1),
        ("risk_aware", {"alternative": "improvement"}, 0.05, 0.1),
        ("clear_signals", {"alternative": "improvement"}, 0.05, 0.1),
        ("risk_aware", {"method": "bayesian"}, 0.05, 0.1),
    ],
)
def test_what_is_promised_of_false_ships(experiment, metrics, rule, analysis, without_effect, at_margin):
    """Two treatments: risk_aware splits alpha over them for its goals; guardrails are tested at alpha in each."""
    variants = [{"id": id_, "weight": 1 / 3, "baseline": id_ == "a"} for id_ in "abc"]
    planned = experiment("revenue", **GUARDED, variants=variants, analysis=analysis, decision={"rule": rule})
    promised = {one.name: false_ships(planned, one) for one in scenarios(planned, metrics, 0.1)}
    assert (promised["no_effect"], promised["conversion_at_margin"]) == pytest.approx((without_effect, at_margin))


def test_a_sequential_method_may_decide_before_the_end(experiment, metrics, units):
    early = subject(experiment, method="always_valid", always_valid={"burn_in_units": 100})
    found = list(rehearse(units, early, metrics, effect=0.3, replicates=20, seed=1))
    assert found[1]["ship_rate"] == 1
    assert found[1]["mean_days"] < 5


def test_rows_of_a_skewed_metric_say_so(experiment, metrics, in_buckets):
    rng = np.random.default_rng(3)
    units = in_buckets(1_000, revenue={"y": rng.lognormal(0, 1.5, 8_000)})
    uneven = experiment("revenue", share=0.1)
    moments = replicated_moments(units, uneven, metrics, rng, 20)
    rows = scorecard(moments, copies(uneven, 20), metrics, NO_BLOCKS)
    assert (rows["status"] == "skewed").mean() > 0.8
