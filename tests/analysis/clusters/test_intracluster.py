"""Correlations within clusters, by hand and of simulated ones."""

import numpy as np
import pytest

from analysis.clusters.intracluster import Intracluster, intracluster


def test_analysis_of_variance_by_hand():
    """Clusters 1 2 3, 3 4 5 and 5 6 7: mean squares 24/2 between and 6/6 within, (12 - 1)/(12 + 2)."""
    values = np.array([[1, 2, 3], [3, 4, 5], [5, 6, 7]], dtype=float)
    found = intracluster(np.full(3, 3.0), (values - 4).sum(axis=1), np.zeros(3, dtype=int), [values.var(ddof=1)])
    assert found.correlation == pytest.approx(11 / 14) and (found.clusters, found.unevenness) == (3, 1)


def test_simulated_correlations_are_found_in_two_arms_of_unequal_clusters():
    rng = np.random.default_rng(2)
    size = rng.integers(20, 200, 400)
    arm = np.repeat([0, 1], 200)
    units = [0.3 * rng.standard_normal() + rng.standard_normal(n) + 5 * a for n, a in zip(size, arm, strict=True)]
    whole = [np.concatenate([one for one, a in zip(units, arm, strict=True) if a == number]) for number in (0, 1)]
    total = np.array([(one - whole[a].mean()).sum() for one, a in zip(units, arm, strict=True)])
    found = intracluster(size.astype(float), total, arm, np.array([one.var(ddof=1) for one in whole]))
    assert found.correlation == pytest.approx(0.09 / 1.09, abs=0.015)
    assert found.unevenness == pytest.approx(1 + (size.std() / size.mean()) ** 2)


def test_independent_units_are_worth_themselves_and_clusters_no_more_than_their_number():
    assert Intracluster(0.0, 10).units_for(500.0) == 500 and Intracluster(0.0, 10).design_effect(500.0) == 1
    few = Intracluster(0.1, 20)
    assert few.units_for(200.0) == np.inf  # 20 clusters are never worth 200 units
    assert float(few.units_for(100.0) / few.design_effect(few.units_for(100.0))) == pytest.approx(100)
    assert np.isnan(intracluster(np.array([5.0]), np.array([0.0]), np.zeros(1, dtype=int), np.ones(1)).correlation)
