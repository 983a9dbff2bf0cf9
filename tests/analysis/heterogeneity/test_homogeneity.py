"""Cochran's Q against published figures and Welch's tests by statsmodels and scipy."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.oneway import anova_generic

from analysis.heterogeneity.groups import Groups
from analysis.heterogeneity.homogeneity import homogeneity
from tests.analysis.heterogeneity.examples import BCG, one_group

LARGE = np.inf


def test_the_published_test_of_the_bcg_vaccine_trials() -> None:
    """Metafor's rma(yi, vi, data = dat.bcg, method = "EE"): Q(12) = 152.2330, I² 92.12 %, estimate -.4303, se .0405."""
    effect, se = BCG
    found = homogeneity(effect, se, np.full(13, LARGE), one_group(13))
    assert found.statistic == pytest.approx(152.2330, abs=5e-5)
    assert found.i_squared == pytest.approx(0.9212, abs=5e-5)
    assert found.common_effect == pytest.approx(-0.4303, abs=5e-5)
    assert found.common_effect_se == pytest.approx(0.0405, abs=5e-5)
    assert found.p_value == pytest.approx(stats.chi2.sf(found.statistic, 12), rel=1e-12)


def test_means_with_estimated_variances_are_welchs_analysis_of_variance() -> None:
    """Of one mean a group the test is Welch 1951, as statsmodels has it."""
    n, mean, variance = np.array([8.0, 15, 30, 9]), np.array([1.0, 2.1, 1.4, 3.0]), np.array([1.0, 4, 2, 9])
    found = homogeneity(mean, np.sqrt(variance / n), n - 1, one_group(4))
    peer = anova_generic(mean, variance, n, use_var="unequal", welch_correction=True)
    assert found.p_value[0] == pytest.approx(peer.pvalue, rel=1e-10)
    assert found.df_denominator[0] == pytest.approx(peer.df_denom, rel=1e-10)


def test_two_segments_are_welchs_t_test_of_their_difference() -> None:
    n, mean, sd = (12, 40), (3.0, 4.5), (2.0, 3.0)
    se = np.array(sd) / np.sqrt(n)
    found = homogeneity(np.array(mean), se, np.array(n) - 1.0, one_group(2))
    peer = stats.ttest_ind_from_stats(mean[0], sd[0], n[0], mean[1], sd[1], n[1], equal_var=False)
    assert found.p_value[0] == pytest.approx(peer.pvalue, rel=1e-10)


def test_groups_do_not_know_of_each_other_and_rows_without_an_effect_take_no_part() -> None:
    effect, se = BCG
    freedom = np.full(13, 50.0)
    alone = homogeneity(effect, se, freedom, one_group(13))
    both = np.r_[effect, np.nan, effect[:2], 5.0], np.r_[se, 1.0, se[:2], np.nan], np.full(17, 50.0)
    found = homogeneity(*both, Groups(np.repeat([0, 1, 2], [14, 2, 1])))
    for name in ("statistic", "p_value", "common_effect", "i_squared"):
        assert getattr(found, name)[0] == pytest.approx(getattr(alone, name)[0], rel=1e-12)
    assert found.n_used.tolist() == [13, 2, 0]
    assert np.isnan([found.statistic[2], found.p_value[2], found.common_effect[2]]).all()


def test_no_rows_are_no_groups() -> None:
    empty = np.zeros(0)
    assert homogeneity(empty, empty, empty, Groups(np.zeros(0, dtype=np.int64))).p_value.size == 0


@settings(deadline=None, max_examples=50)
@given(st.floats(-5, 5), st.sampled_from([1e-90, 1e-3, 1.0, 1e7, 1e90]))
def test_units_and_a_common_shift_change_nothing(shift: float, unit: float) -> None:
    effect, se = BCG
    freedom, group = np.full(13, 30.0), one_group(13)
    plain = homogeneity(effect, se, freedom, group)
    moved = homogeneity((effect + shift) * unit, se * unit, freedom, group)
    assert moved.p_value == pytest.approx(plain.p_value, rel=1e-9)
    assert moved.common_effect == pytest.approx((plain.common_effect + shift) * unit, rel=1e-9, abs=1e-12 * unit)
