"""The delta method for ratios against its definition on unit-level data and against R's survey package."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from analysis.statistics.cuped import cuped
from analysis.statistics.estimate import Estimate
from analysis.statistics.lin import lin
from analysis.statistics.moments import JointMoments, MeanMoments
from analysis.statistics.ratio import delta_ratio, delta_ratio_cuped, delta_ratio_lin, linearised_variance
from analysis.statistics.relative import relative_effect
from analysis.statistics.status import Status
from analysis.statistics.student_t import interval, two_sided_p
from analysis.statistics.welch import welch

CLUSTERS = Path(__file__).parents[4] / "shared" / "reference" / "clustered_ratio_quantile.json"


def sessions(rng: np.random.Generator, units: int, rate: float) -> tuple[np.ndarray, np.ndarray]:
    """Clicks and page views per unit: views gamma-Poisson, clicks binomial with the unit's own rate."""
    views = rng.poisson(rng.gamma(2, 3, units)) + 1.0
    return rng.binomial(views.astype(int), rng.beta(20 * rate, 20 * (1 - rate), units)).astype(float), views


def test_equals_welch_on_linearised_unit_values() -> None:
    rng = np.random.default_rng(2)
    arms = [sessions(rng, 300, 0.2), sessions(rng, 200, 0.25)]
    difference = delta_ratio(*(JointMoments.from_values(*arm) for arm in arms)).difference
    ratios = [y.sum() / x.sum() for y, x in arms]
    linearised = [r + (y - r * x) / x.mean() for r, (y, x) in zip(ratios, arms, strict=True)]
    theirs = stats.ttest_ind(linearised[1], linearised[0], equal_var=False)
    assert difference.value == pytest.approx(ratios[1] - ratios[0], rel=1e-12)
    assert difference.df == pytest.approx(theirs.df, rel=1e-9)
    assert two_sided_p(difference) == pytest.approx(theirs.pvalue, rel=1e-9)


def test_school_enrolment_matches_r_survey() -> None:
    """Ratio of cluster sums over 15 districts, api.stu / enroll, clusters drawn with replacement."""
    if not CLUSTERS.exists():
        pytest.skip("reference figures clustered_ratio_quantile.json are not beside this checkout")
    survey = json.loads(CLUSTERS.read_text())
    districts = survey["clusters"]
    moments = JointMoments.from_values(*([d[name] for d in districts] for name in ("api.stu", "enroll")))
    assert moments.mean[0] / moments.mean[1] == pytest.approx(survey["ratio"], rel=1e-12)
    assert np.sqrt(linearised_variance(moments) / 15) == pytest.approx(survey["ratio_se"], rel=1e-8)


def test_with_one_row_per_unit_a_ratio_is_a_mean() -> None:
    rng = np.random.default_rng(3)
    arms = [rng.normal(5, 2, 40), rng.normal(6, 3, 30)]
    ratio = delta_ratio(*(JointMoments.from_values(y, np.ones_like(y)) for y in arms)).difference
    mean = welch(*(MeanMoments.from_values(y) for y in arms)).difference
    np.testing.assert_allclose([ratio.value, ratio.se, ratio.df], [mean.value, mean.se, mean.df], rtol=1e-13)


@given(st.integers(0, 2**32 - 1), st.sampled_from([2.0**k for k in (-40, -3, 1, 40)]))
def test_units_of_numerator_and_denominator_scale_the_effect_only(seed: int, scale: float) -> None:
    arms = [sessions(np.random.default_rng([seed, i]), 30, 0.3) for i in range(2)]
    plain = delta_ratio(*(JointMoments.from_values(y, x) for y, x in arms)).difference
    scaled = delta_ratio(*(JointMoments.from_values(y * scale, x / 8) for y, x in arms)).difference
    np.testing.assert_allclose(scaled.value, plain.value * scale * 8, rtol=1e-12)
    np.testing.assert_allclose(two_sided_p(scaled), two_sided_p(plain), rtol=1e-9)


def test_a_zero_denominator_is_undefined_with_a_status() -> None:
    none, some = (
        JointMoments.from_values([0, 0, 0], [0, 0, 0]),
        JointMoments.from_values([1, 0, 2], [1, 1, 2]),
    )
    for result in (delta_ratio(none, some), delta_ratio(some, none)):
        assert result.status == Status.ZERO_DENOMINATOR
        assert np.isnan([result.effect, result.difference.se, relative_effect(result).value]).all()


def test_a_ratio_that_never_varies_has_no_variance() -> None:
    """0.3 per view whatever the views: rounding leaves about 1e-17, which must not become a test."""
    views = np.array([1.0, 2, 5, 9, 11])
    fixed = JointMoments.from_values(0.3 * views, views)
    assert delta_ratio(fixed, fixed).status == Status.ZERO_VARIANCE


def test_coverage_of_the_ratio_and_its_relative_effect() -> None:
    """5,000 experiments, 900/300 units, clicks per view .2 and .22, seed 5.

    At .95 a count is Binomial(5000, .95): .95 ± 3.29·.0031 holds 99.9 %.
    """
    rng = np.random.default_rng(5)
    arms = []
    for units, rate in ((900, 0.2), (300, 0.22)):
        clicks, views = sessions(rng, units * 5000, rate)
        arms.append(JointMoments.from_values(clicks.reshape(5000, units), views.reshape(5000, units)))
    estimate = delta_ratio(*arms)
    absolute, relative = interval(estimate.difference, 0.05), interval(relative_effect(estimate), 0.05)
    for ci, truth in ((absolute, 0.02), (relative, 0.1)):
        assert 0.9399 <= np.mean((ci.low < truth) & (truth < ci.high)) <= 0.9601


Adjusted = Callable[[JointMoments, JointMoments], Estimate]
ADJUSTMENTS = [(delta_ratio_cuped, cuped), (delta_ratio_lin, lin)]


def sessions_with_history(rng: np.random.Generator, units: int, lift: float) -> list[np.ndarray]:
    """Clicks, views, clicks and views before exposure, and who had none: a quarter are new.

    A view before exposure is clicked at the unit's own rate, .8·beta(1, 3) with mean .2; after, at 1 + lift times it.
    """
    own_rate, pace = 0.8 * rng.beta(1, 3, units), rng.gamma(2, 3, units)
    views, views_before = rng.poisson(pace) + 1, rng.poisson(pace) + 1
    clicks, before = rng.binomial(views, own_rate * (1 + lift)), rng.binomial(views_before, own_rate)
    is_new = rng.random(units) < 0.25
    return [x.astype(float) for x in (clicks, views, np.where(is_new, 0, before), views_before * ~is_new, is_new)]


@pytest.mark.parametrize(("adjusted", "on_values"), ADJUSTMENTS)
def test_adjusted_ratio_is_the_adjusted_mean_of_linearised_unit_values(adjusted: Adjusted, on_values: Adjusted) -> None:
    rng = np.random.default_rng(31)
    arms = [sessions_with_history(rng, 400, 0), sessions_with_history(rng, 250, 0.25)]
    ours = adjusted(*(JointMoments.from_values(*arm) for arm in arms))
    by_unit = []
    for y, x, *covariates in arms:
        ratio = y.sum() / x.sum()
        by_unit.append(JointMoments.from_values(ratio + (y - ratio * x) / x.mean(), *covariates))
    theirs = on_values(*by_unit)
    assert ours.effect == pytest.approx(theirs.effect, rel=1e-10)
    assert ours.difference.se == pytest.approx(theirs.difference.se, rel=1e-10)
    assert ours.variance_reduction == pytest.approx(theirs.variance_reduction, rel=1e-9)
    assert ours.baseline.mean == pytest.approx(arms[0][0].sum() / arms[0][1].sum(), rel=1e-14)


@pytest.mark.parametrize("adjusted", [delta_ratio_cuped, delta_ratio_lin])
def test_useless_covariates_leave_the_plain_ratio(adjusted: Adjusted) -> None:
    rng = np.random.default_rng(32)
    arms = [sessions(rng, 60, 0.2), sessions(rng, 40, 0.2)]
    plain = delta_ratio(*(JointMoments.from_values(*arm) for arm in arms))
    constant = adjusted(*(JointMoments.from_values(*arm, np.full_like(arm[0], 3.1)) for arm in arms))
    assert constant.effect == pytest.approx(plain.effect, rel=1e-13)
    assert constant.difference.se == pytest.approx(plain.difference.se, rel=1e-12)


@pytest.mark.parametrize("adjusted", [delta_ratio_cuped, delta_ratio_lin])
def test_an_adjusted_ratio_with_a_zero_denominator_says_so(adjusted: Adjusted) -> None:
    none = JointMoments.from_values([0, 0, 0], [0, 0, 0], [1, 2, 5])
    some = JointMoments.from_values([1, 0, 2], [1, 1, 2], [0, 2, 1])
    assert adjusted(none, some).status == Status.ZERO_DENOMINATOR
    assert np.isnan(adjusted(some, none).effect)


@pytest.mark.parametrize("adjusted", [delta_ratio_cuped, delta_ratio_lin])
def test_coverage_of_the_adjusted_ratio_and_its_relative_effect(adjusted: Adjusted) -> None:
    """2,000 experiments, 1,200/600 units, clicks per view .2 and 25 % more, seed 33.

    At .95 a count is Binomial(2000, .95): .95 ± 3.29·.0049 holds 99.9 %.
    """
    rng = np.random.default_rng(33)
    arms = []
    for units, lift in ((1200, 0.0), (600, 0.25)):
        values = sessions_with_history(rng, units * 2000, lift)
        arms.append(JointMoments.from_values(*(v.reshape(2000, units) for v in values)))
    estimate = adjusted(*arms)
    for contrast, truth in ((estimate.difference, 0.05), (relative_effect(estimate), 0.25)):
        ci = interval(contrast, 0.05)
        assert 0.934 <= np.mean((ci.low < truth) & (truth < ci.high)) <= 0.966
    # The clicks before exposure know a unit's own rate, three quarters of the units have them.
    assert 0.2 < np.mean(estimate.variance_reduction) < 0.5
