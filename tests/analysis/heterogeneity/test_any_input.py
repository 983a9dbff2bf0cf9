"""No input raises, and none gives half an answer: a figure without its error, or a statistic without its p-value."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.heterogeneity import trend
from analysis.heterogeneity.groups import Groups
from analysis.heterogeneity.homogeneity import homogeneity
from analysis.heterogeneity.mix import Arm, mix
from analysis.heterogeneity.shared_adjustment import shared_homogeneity
from analysis.heterogeneity.shrinkage import shrunken
from analysis.heterogeneity.spread import effect_spread
from analysis.heterogeneity.two_way import two_way
from analysis.statistics.moments import JointMoments

N = 6
GROUPS = Groups(np.array([0, 0, 0, 0, 1, 1]))
EFFECTS = [0.0, 1.0, -1.0, 3.0, 1e9, 1e-200, -1e308, 1e308, np.nan, np.inf]
ERRORS = [0.0, 1.0, 0.5, 2.0, 5e-324, 1e-160, 1e160, 1e308, np.nan, np.inf, -1.0]
FREEDOM = [1.0, 2.0, 10.0, 1e12, np.inf, np.nan]


def some(values: list[float], size: int = N) -> st.SearchStrategy[np.ndarray]:
    return st.lists(st.sampled_from(values), min_size=size, max_size=size).map(np.array)


@settings(deadline=None, max_examples=200)
@given(some(EFFECTS), some(ERRORS), some(FREEDOM))
def test_effects_and_errors(effect: np.ndarray, se: np.ndarray, freedom: np.ndarray) -> None:
    found = homogeneity(effect, se, freedom, GROUPS)
    assert (np.isnan(found.p_value) == np.isnan(found.statistic)).all()
    assert (np.isnan(found.p_value) | (found.p_value >= 0) & (found.p_value <= 1)).all()
    effect_spread(effect, se, GROUPS, np.full(2, 0.05))
    drawn = shrunken(effect, se, freedom, GROUPS)
    assert (np.isnan(drawn.effect) == np.isnan(drawn.sd)).all()
    terms = two_way(*(values.reshape(2, 3) for values in (effect, se, freedom)))
    for term in (terms.first, terms.second, terms.interaction):
        assert np.isnan(term.p_value) == np.isnan(term.statistic)


@settings(deadline=None, max_examples=100)
@given(
    st.lists(some([0.0, 1.0, 2.0, 50.0, 1e12, np.nan]), min_size=2, max_size=2),
    some(EFFECTS, 4 * N),
    some(ERRORS, 8 * N),
)
def test_moments_of_arms(n: list[np.ndarray], means: np.ndarray, variances: np.ndarray) -> None:
    mean, part = means.reshape(2, N, 2), variances.reshape(2, N, 2, 2)
    found = shared_homogeneity(*(JointMoments(*each) for each in zip(n, mean, part, strict=True)), GROUPS)
    assert (np.isnan(found.p_value) == np.isnan(found.statistic)).all()
    arms = [Arm(np.nan_to_num(n[side]), mean[side, :, 0], mean[side, :, 1], part[side, :, 0, 0]) for side in (0, 1)]
    split = mix(*arms, GROUPS)
    assert (np.isnan(split.pooled) | np.isfinite(split.p_value) | np.isnan(split.mix_effect_se)).all()
    days = [
        trend.DayMoments(n[side][:1], mean[side].reshape(3, 4)[:1], part[side, :4].reshape(1, 4, 4)) for side in (0, 1)
    ]
    for effects in (trend.absolute_effects(*days), trend.relative_effects(*days)):
        for term in (trend.slope(effects), trend.last_week_less_first(effects)):
            assert np.isnan(term.value) == np.isnan(term.se)
