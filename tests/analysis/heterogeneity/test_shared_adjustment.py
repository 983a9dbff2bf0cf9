"""Wald's test with one covariate adjustment for all segments, against least squares by statsmodels."""

import numpy as np
import pytest
import statsmodels.api as sm

from analysis.heterogeneity.groups import Groups
from analysis.heterogeneity.homogeneity import homogeneity
from analysis.heterogeneity.shared_adjustment import shared_homogeneity
from analysis.statistics.moments import JointMoments, MeanMoments
from analysis.statistics.welch import welch
from tests.analysis.heterogeneity.examples import one_group

SEGMENTS = 4


def arm_moments(values: list[np.ndarray], segment: np.ndarray, mine: np.ndarray) -> JointMoments:
    parts = [JointMoments.from_values(*(x[(segment == s) & mine] for x in values)) for s in range(SEGMENTS)]
    return JointMoments(*(np.stack([getattr(part, name) for part in parts]) for name in ("n", "mean", "covariance")))


def test_large_segments_agree_with_robust_least_squares() -> None:
    """Y on segments, treatment in each, and two covariates: the effects' equality by HC2, to 2 % at 1,000 a cell."""
    rng = np.random.default_rng(4)
    segment, treated = np.repeat(np.arange(SEGMENTS), 2000), np.tile([False, True], 4000)
    x = rng.standard_normal(8000) + segment
    z = (rng.random(8000) < 0.3).astype(float)
    y = 1.5 * x - z + 0.1 * treated * segment + rng.standard_normal(8000) * (1 + treated)
    arms = [arm_moments([y, x, z], segment, mine) for mine in (~treated, treated)]
    found = shared_homogeneity(*arms, one_group(SEGMENTS))
    dummies = np.eye(SEGMENTS)[segment]
    fit = sm.OLS(y, np.column_stack([dummies, dummies * treated[:, None], x, z])).fit(cov_type="HC2")
    restrictions = np.zeros((SEGMENTS - 1, 2 * SEGMENTS + 2))
    restrictions[:, SEGMENTS] = 1
    restrictions[np.arange(SEGMENTS - 1), SEGMENTS + 1 + np.arange(SEGMENTS - 1)] = -1
    peer = fit.wald_test(restrictions, use_f=False, scalar=True)
    assert found.statistic[0] == pytest.approx(peer.statistic, rel=0.02)
    assert found.df == SEGMENTS - 1


def test_a_useless_constant_covariate_leaves_cochrans_q() -> None:
    rng = np.random.default_rng(5)
    segment, treated = np.repeat(np.arange(SEGMENTS), 60), np.tile([False, True], 120)
    y = rng.standard_normal(240) + segment * treated
    arms = [arm_moments([y, np.ones(240)], segment, mine) for mine in (~treated, treated)]
    found = shared_homogeneity(*arms, one_group(SEGMENTS))
    plain = [MeanMoments(arm.n, arm.mean[:, 0], arm.covariance[:, 0, 0], np.full(SEGMENTS, np.nan)) for arm in arms]
    difference = welch(*plain).difference
    peer = homogeneity(difference.value, difference.se, difference.df, one_group(SEGMENTS))
    for name in ("statistic", "p_value", "common_effect", "common_effect_se", "df_denominator"):
        assert getattr(found, name)[0] == pytest.approx(getattr(peer, name)[0], rel=1e-9)


def test_small_segments_keep_the_level_and_find_more() -> None:
    """2,000 experiments of 8 segments of 15 + 15 units, covariate correlated by .9; .05 ± 3.29·.0049 holds 99.9 %.

    With slopes of its own in each segment and their error left out, as in separate rows, the test rejects too often.
    """
    rng = np.random.default_rng(6)
    runs, segments, n = 2_000, 8, 15
    x = rng.standard_normal((2, runs * segments, n))
    y = 0.9 * x + np.sqrt(1 - 0.81) * rng.standard_normal(x.shape)
    arms = [JointMoments.from_values(y[side], x[side]) for side in (0, 1)]
    groups = Groups(np.repeat(np.arange(runs), segments))
    found = shared_homogeneity(*arms, groups)
    assert np.mean(found.p_value <= 0.05) == pytest.approx(0.05, abs=0.016)
    plain = [MeanMoments(arm.n, arm.mean[:, 0], arm.covariance[:, 0, 0], np.full(arm.n.size, np.nan)) for arm in arms]
    difference = welch(*plain).difference
    raw = homogeneity(difference.value, difference.se, difference.df, groups)
    assert np.median(found.common_effect_se / raw.common_effect_se) < 0.5


def test_a_segment_without_two_units_takes_no_part() -> None:
    rng = np.random.default_rng(8)
    y = rng.standard_normal((2, 5, 50))
    arms = [JointMoments.from_values(values, values + rng.standard_normal((5, 50))) for values in y]
    whole = shared_homogeneity(*(JointMoments(a.n[:4], a.mean[:4], a.covariance[:4]) for a in arms), one_group(4))
    arms[0].n[4] = 1
    arms[0].covariance[4] = np.nan
    found = shared_homogeneity(*arms, one_group(5))
    assert found.n_used == 4
    assert found.p_value == pytest.approx(whole.p_value)
