"""The spread of true effects against published figures and statsmodels' meta-analysis."""

import numpy as np
import pytest
from statsmodels.stats.meta_analysis import combine_effects

from analysis.heterogeneity.groups import Groups
from analysis.heterogeneity.spread import effect_spread
from tests.analysis.heterogeneity.examples import BCG, one_group


def test_the_published_spread_of_the_bcg_vaccine_trials() -> None:
    """Metafor's confint(rma(yi, vi, data = dat.bcg)): τ² from .1197 to 1.1115 by the Q profile."""
    found = effect_spread(*BCG, one_group(13), np.array([0.05]))
    assert found.low**2 == pytest.approx(0.1197, abs=5e-5)
    assert found.high**2 == pytest.approx(1.1115, abs=5e-5)
    peer = combine_effects(BCG[0], BCG[1] ** 2, method_re="iterated")
    assert found.tau**2 == pytest.approx(peer.tau2, rel=1e-4)


def test_groups_of_random_effects_are_as_statsmodels_has_them() -> None:
    """Paule and Mandel's estimate solves Q(τ²) = K - 1, to the last digits; statsmodels iterates up to 1e-4 or so."""
    rng = np.random.default_rng(1)
    sizes = [2, 3, 7, 20, 150]
    groups = Groups(np.repeat(np.arange(5), sizes))
    se = rng.uniform(0.1, 3, sum(sizes))
    effect = 2 * rng.standard_normal(se.size) + se * rng.standard_normal(se.size)
    found = effect_spread(effect, se, groups, np.full(5, 0.1))
    weight = 1 / (se**2 + groups.each(found.tau) ** 2)
    centre = groups.each(groups.sum(weight * effect) / groups.sum(weight))
    q = groups.sum(weight * (effect - centre) ** 2)
    assert np.where(found.tau > 0, q, groups.sum(np.ones(se.size)) - 1) == pytest.approx(np.array(sizes) - 1.0)
    for number in (3, 4):
        mine = groups.number == number
        peer = combine_effects(effect[mine], se[mine] ** 2, method_re="iterated")
        assert found.tau[number] ** 2 == pytest.approx(peer.tau2, rel=1e-3)
    assert (found.low <= found.tau).all() and (found.tau <= found.high).all()


def test_effects_closer_together_than_equal_ones_have_no_interval() -> None:
    """Identical effects: τ is 0, and no τ is compatible with effects that hardly differ by their own noise."""
    found = effect_spread(np.full(30, 1.0) + 1e-6 * np.arange(30), np.ones(30), one_group(30), np.array([0.05]))
    assert found.tau == 0
    assert np.isnan([found.low[0], found.high[0]]).all()


def test_the_unit_does_not_matter_and_one_segment_has_no_spread() -> None:
    effect, se = BCG
    for unit in (1e-90, 1e90):
        found = effect_spread(effect * unit, se * unit, one_group(13), np.array([0.05]))
        assert found.tau / unit == pytest.approx(effect_spread(effect, se, one_group(13), np.array([0.05])).tau)
    assert np.isnan(effect_spread(np.ones(1), np.ones(1), one_group(1), np.array([0.05])).tau).all()
