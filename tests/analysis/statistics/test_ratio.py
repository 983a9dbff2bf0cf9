"""The delta method for ratios against its definition on unit-level data and against R's survey package."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from analysis.statistics.moments import JointMoments, MeanMoments
from analysis.statistics.ratio import delta_ratio, linearised_variance
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
