"""Two one-sided tests against statsmodels and scipy, the interval's verdict, and the test's size."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.weightstats import ttost_ind

from analysis.statistics.equivalence import (
    absolute_bounds,
    absolute_interval,
    equivalence_p,
    is_within,
    relative_bounds,
    relative_interval,
)
from analysis.statistics.estimate import Estimate
from analysis.statistics.moments import MeanMoments
from analysis.statistics.welch import welch


def moments(n: float, mean: float, variance: float) -> MeanMoments:
    return MeanMoments(*(np.asarray(x, dtype=float) for x in (n, mean, variance, 0.0)))


def sample() -> tuple[np.ndarray, np.ndarray, Estimate]:
    rng = np.random.default_rng(61)
    baseline, treatment = rng.normal(10, 2, 80), rng.normal(10.2, 3, 60)
    return baseline, treatment, welch(MeanMoments.from_values(baseline), MeanMoments.from_values(treatment))


def test_absolute_margins_equal_statsmodels() -> None:
    baseline, treatment, estimate = sample()
    theirs = ttost_ind(treatment, baseline, -0.8, 1.5, usevar="unequal")[0]
    assert equivalence_p(absolute_bounds(estimate, 0.8, 1.5)) == pytest.approx(theirs, rel=1e-9)


def test_relative_margins_equal_welch_against_scaled_baselines() -> None:
    baseline, treatment, estimate = sample()
    above = stats.ttest_ind(treatment, 0.9 * baseline, equal_var=False, alternative="greater").pvalue
    below = stats.ttest_ind(treatment, 1.2 * baseline, equal_var=False, alternative="less").pvalue
    assert equivalence_p(relative_bounds(estimate, 0.1, 0.2)) == pytest.approx(max(above, below), rel=1e-9)


@settings(deadline=None)
@given(st.floats(2, 30), st.floats(2, 30), st.floats(0.01, 1), st.floats(0.01, 1), st.floats(0.01, 0.2))
def test_verdict_of_the_interval_is_that_of_the_test(
    b: float, t: float, lower: float, upper: float, alpha: float
) -> None:
    estimate = welch(moments(60, b, 4), moments(40, t, 9))
    for bounds, ends, unit in (
        (absolute_bounds(estimate, 9 * lower, 9 * upper), absolute_interval(estimate, alpha), 9),
        (relative_bounds(estimate, lower, upper), relative_interval(estimate, alpha), 1),
    ):
        p = equivalence_p(bounds)
        if abs(p - alpha) > 1e-6:
            assert is_within(ends, unit * lower, unit * upper) == (p <= alpha)


def test_a_negative_baseline_is_its_mirror() -> None:
    up = equivalence_p(relative_bounds(welch(moments(60, 10, 4), moments(40, 10.4, 9)), 0.05, 0.15))
    down = equivalence_p(relative_bounds(welch(moments(60, -10, 4), moments(40, -10.4, 9)), 0.15, 0.05))
    assert up == pytest.approx(down, rel=1e-12)


def test_without_a_variance_nothing_is_equivalent() -> None:
    estimate = welch(moments(60, 1, 0), moments(40, 1, 0))
    assert np.isnan(equivalence_p(absolute_bounds(estimate, 1, 1)))
    assert not is_within(absolute_interval(estimate, 0.05), 1, 1)


@pytest.mark.parametrize("is_relative", [False, True])
def test_size_on_the_margin_and_power_inside(is_relative: bool) -> None:
    """20,000 experiments of 400 an arm, sd 1, mean 5, margin 10 % = .5 = 7 SE, seed 62.

    Exactly on the upper margin a one-sided .05 count is Binomial(20000, .05): .05 ± 3.29·.00154. With no
    effect nearly all are proven equivalent.
    """
    rng = np.random.default_rng(62)
    n = np.full(20_000, 400.0)
    for true, low, high in ((5.5, 0.0449, 0.0551), (5.0, 0.999, 1.0)):
        arms = [
            MeanMoments(n, mean + rng.normal(0, 0.05, n.size), rng.chisquare(399, n.size) / 399, np.zeros(n.size))
            for mean in (5.0, true)
        ]
        estimate = welch(*arms)
        bounds = relative_bounds(estimate, 0.1, 0.1) if is_relative else absolute_bounds(estimate, 0.5, 0.5)
        assert low <= np.mean(equivalence_p(bounds) <= 0.05) <= high
