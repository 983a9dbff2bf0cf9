"""Shrunken effects against the textbook's eight schools, plain sums, and what they cover."""

import numpy as np
import pytest

from analysis.heterogeneity import shrinkage
from analysis.heterogeneity.groups import Groups
from analysis.heterogeneity.shrinkage import shrunken
from tests.analysis.heterogeneity.examples import one_group

SCHOOLS = np.array([28.0, 8, -3, 7, -1, 1, 18, 12]), np.array([15.0, 10, 16, 11, 9, 11, 10, 18])
"""Rubin 1981: effects of coaching in eight schools and their standard errors."""


def by_summing(effect: np.ndarray, se: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Posterior means and deviations by plain sums over 200,000 values of τ, from 0 up to 1e5 times the effects."""
    share = (np.arange(200_000) + 0.5) / 200_000
    scale = np.abs(effect).max()
    tau = (scale * share / (1 - share))[:, None]
    variance = se**2 + tau**2
    total = np.sum(1 / variance, axis=1)
    centre = np.sum(effect / variance, axis=1) / total
    exponent = -0.5 * np.sum((effect - centre[:, None]) ** 2 / variance + np.log(variance), axis=1)
    density = np.exp(exponent - exponent.max()) / np.sqrt(total) / (1 - share) ** 2
    density /= density.sum()
    drawn = se**2 / variance
    mean = drawn * centre[:, None] + (1 - drawn) * effect
    square = se**2 * (1 - drawn) + drawn**2 / total[:, None] + mean**2
    return density @ mean, np.sqrt(density @ square - (density @ mean) ** 2)


def test_eight_schools() -> None:
    """Under the flat prior on τ that Gelman et al. use in Bayesian Data Analysis, section 5.5."""
    found = shrunken(*SCHOOLS, np.full(8, np.inf), one_group(8))
    mean, sd = by_summing(*SCHOOLS)
    assert found.effect == pytest.approx(mean, rel=1e-7)
    assert found.sd == pytest.approx(sd, rel=1e-7)
    # What simulations of that model print: 11.4, 7.9, 6.1, 7.7, 5.1, 6.1, 10.7, 8.5, to their own error of .1.
    assert found.effect == pytest.approx([11.4, 7.9, 6.1, 7.7, 5.1, 6.1, 10.7, 8.5], abs=0.1)


@pytest.mark.parametrize("spread", [0.0, 1.0, 100.0])
def test_far_and_near_effects_are_resolved(spread: float) -> None:
    rng = np.random.default_rng(7)
    se = rng.uniform(0.5, 2, 6)
    effect = spread * rng.standard_normal(6) + se * rng.standard_normal(6)
    found = shrunken(effect, se, np.full(6, np.inf), one_group(6))
    mean, sd = by_summing(effect, se)
    assert found.effect == pytest.approx(mean, rel=1e-5, abs=1e-6)
    assert found.sd == pytest.approx(sd, rel=1e-5)


def test_batches_of_groups_are_the_groups_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(2)
    sizes = [3, 5, 2, 40, 1, 8]
    groups = Groups(np.repeat(np.arange(6), sizes))
    effect, se, freedom = rng.standard_normal(59), rng.uniform(0.5, 2, 59), np.full(59, 40.0)
    effect[4] = np.nan
    whole = shrunken(effect, se, freedom, groups)
    monkeypatch.setattr(shrinkage, "_BATCH", 10 * 128)
    parts = shrunken(effect, se, freedom, groups)
    assert whole.effect == pytest.approx(parts.effect, nan_ok=True, rel=1e-12)
    assert np.isnan(whole.effect[groups.number == 2]).all() and np.isnan(whole.effect[4])
    alone = shrunken(effect[10:50], se[10:50], freedom[10:50], one_group(40))
    assert whole.effect[10:50] == pytest.approx(alone.effect, rel=1e-12)


def test_two_hundred_segments_are_resolved() -> None:
    """A large group's posterior of τ is narrow; twice the nodes change nothing."""
    rng = np.random.default_rng(3)
    effect, se = 1.5 * rng.standard_normal(200) + rng.standard_normal(200), np.ones(200)
    found = shrunken(effect, se, np.full(200, np.inf), one_group(200))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shrinkage, "_NODES", 512)
        finer = shrunken(effect, se, np.full(200, np.inf), one_group(200))
    assert found.effect == pytest.approx(finer.effect, rel=1e-6, abs=1e-8)
    assert found.sd == pytest.approx(finer.sd, rel=1e-6)


def test_few_units_widen_the_interval() -> None:
    effect, se = SCHOOLS
    few, many = (shrunken(effect, se, np.full(8, nu), one_group(8)) for nu in (10.0, np.inf))
    assert (few.sd > many.sd).all()
