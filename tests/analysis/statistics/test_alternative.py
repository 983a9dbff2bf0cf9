"""One- and two-sided tests against scipy, and intervals that agree with them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from analysis.statistics.alternative import Alternative, confidence_interval, p_value
from analysis.statistics.estimate import Contrast
from analysis.statistics.moments import MeanMoments
from analysis.statistics.welch import welch


@pytest.mark.parametrize("alternative", list(Alternative))
def test_equals_scipy(alternative: Alternative) -> None:
    rng = np.random.default_rng(63)
    baseline, treatment = rng.gamma(2, 2, 30), rng.gamma(2.5, 2, 25)
    difference = welch(MeanMoments.from_values(baseline), MeanMoments.from_values(treatment)).difference
    theirs = stats.ttest_ind(treatment, baseline, equal_var=False, alternative=alternative.value.replace("_", "-"))
    ci, their_ci = confidence_interval(difference, 0.1, alternative), theirs.confidence_interval(0.9)
    assert p_value(difference, alternative) == pytest.approx(theirs.pvalue, rel=1e-10)
    np.testing.assert_allclose([ci.low, ci.high], [their_ci.low, their_ci.high], rtol=1e-10)


@settings(deadline=None)
@given(st.floats(-5, 5), st.floats(1, 100), st.floats(0.001, 0.4), st.sampled_from(list(Alternative)))
def test_an_interval_excludes_zero_where_the_test_rejects(t: float, df: float, alpha: float, alternative) -> None:
    contrast = Contrast(np.asarray(t), np.asarray(1.0), np.asarray(df), np.zeros((), dtype=np.int8))
    p, ci = p_value(contrast, alternative), confidence_interval(contrast, alpha, alternative)
    if abs(p - alpha) > 1e-9:
        assert (p < alpha) == ((ci.low > 0) | (ci.high < 0))


def test_what_has_no_test_has_no_bound() -> None:
    nothing = Contrast(*(np.array([np.nan]) for _ in range(3)), np.ones(1, dtype=np.int8))
    for alternative in Alternative:
        ci = confidence_interval(nothing, 0.05, alternative)
        assert np.isnan([p_value(nothing, alternative), ci.low, ci.high]).all()
