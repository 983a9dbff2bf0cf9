"""Effects against Box, Hunter & Hunter's pilot plant, Welch's test, and regressions on units by statsmodels."""

from itertools import pairwise

import numpy as np
import pytest
import statsmodels.api as sm
from scipy import stats

from analysis.factorial.design import Design, Factor
from analysis.factorial.effects import effects_of, estimate
from analysis.factorial.reasons import reason
from analysis.statistics.moments import MeanMoments
from analysis.statistics.status import Status
from analysis.statistics.student_t import two_sided_p
from configs.fraction import Fraction

TCK = tuple(Factor(name, ("-", "+")) for name in "TCK")
PILOT_PLANT = {
    (0, 0, 0): 60, (1, 0, 0): 72, (0, 1, 0): 54, (1, 1, 0): 68,
    (0, 0, 1): 52, (1, 0, 1): 83, (0, 1, 1): 45, (1, 1, 1): 80,
}  # fmt: skip
"""Yields by levels of T, C and K: Box, Hunter & Hunter, Statistics for Experimenters, the pilot plant."""
PUBLISHED = {"T": 23.0, "C": -5.0, "K": 1.5, "TC": 1.5, "TK": 10.0, "CK": 0.0, "TCK": 0.5}


def yields(design: Design) -> np.ndarray:
    return np.array([float(PILOT_PLANT[cell.levels]) for cell in design.cells])


def of_means(mean: np.ndarray, n: float = 10.0, variance: float = 4.0) -> MeanMoments:
    return MeanMoments(np.full(mean.shape, n), mean, np.full(mean.shape, variance), np.zeros(mean.shape))


def moments(cells: list[np.ndarray]) -> MeanMoments:
    figures = [(float(c.size), c.mean(), c.var(ddof=1), 0.0) for c in cells]
    return MeanMoments(*np.array(figures).T)


def test_the_pilot_plant_exactly() -> None:
    """Box, Hunter & Hunter: T 23.0, C -5.0, K 1.5, TC 1.5, TK 10.0, CK 0.0, TCK 0.5."""
    design = Design(TCK)
    effects = effects_of(design, order=3)
    found = estimate(of_means(yields(design)), effects)
    values = zip(effects, found.value, strict=True)
    assert {effect.name.replace(":", ""): float(value) for effect, value in values} == PUBLISHED


def test_every_effect_of_two_levels_has_the_same_error() -> None:
    """Pilot plant: √(4·σ²/N), N = 80 units."""
    design = Design(TCK)
    found = estimate(of_means(yields(design)), effects_of(design, order=3))
    np.testing.assert_allclose(found.se, np.sqrt(4 * 4.0 / 80))
    np.testing.assert_allclose(found.df, 8 * 9)


def test_half_of_the_pilot_plant_estimates_sums_of_aliases() -> None:
    """I = TCK: T + CK = 23, C + TK = 5, K + TC = 3; the other half has their differences."""
    for sign, expected in (("", [23.0, 5.0, 3.0]), ("-", [23.0, -15.0, 0.0])):
        design = Design(TCK, Fraction(("T", "C", "K"), (f"K = {sign}T*C",)))
        effects = effects_of(design)
        np.testing.assert_allclose(estimate(of_means(yields(design)), effects).value, expected)
        assert [effect.aliases for effect in effects] == [(f"{sign}C:K",), (f"{sign}T:K",), (f"{sign}T:C",)]


def test_two_cells_are_welchs_test() -> None:
    rng = np.random.default_rng(4)
    cells = [rng.normal(0, 1, 30), rng.normal(1, 3, 12)]
    design = Design((Factor("price", ("low", "high")),))
    found = estimate(moments(cells), effects_of(design))
    welch = stats.ttest_ind(cells[1], cells[0], equal_var=False)
    assert (two_sided_p(found)[0], found.df[0]) == pytest.approx((welch.pvalue, welch.df), rel=1e-10)


def test_unequal_cells_of_three_levels_equal_a_regression() -> None:
    """OLS on units with a dummy for each cell, the contrast written out, HC2 errors: s²/n of each cell."""
    rng = np.random.default_rng(8)
    design = Design((Factor("price", ("low", "mid", "high")), Factor("badge", ("off", "on"))))
    sizes = [20, 35, 50, 15, 28, 41]
    cells = [rng.normal(i, 1 + i / 3, size) for i, size in enumerate(sizes)]
    effects = effects_of(design)
    found = estimate(moments(cells), effects)
    fit = sm.OLS(np.concatenate(cells), np.repeat(np.eye(6), sizes, axis=0)).fit(cov_type="HC2")
    by_hand = {
        ("price", "mid"): [-0.5, -0.5, 0.5, 0.5, 0, 0],
        ("price", "high"): [-0.5, -0.5, 0, 0, 0.5, 0.5],
        ("badge", "on"): [-1 / 3, 1 / 3] * 3,
        ("price:badge", "mid:on"): [0.5, -0.5, -0.5, 0.5, 0, 0],
        ("price:badge", "high:on"): [0.5, -0.5, 0, 0, -0.5, 0.5],
    }
    assert [(effect.name, effect.levels) for effect in effects] == list(by_hand)
    for index, coefficients in enumerate(by_hand.values()):
        test = fit.t_test(coefficients)
        assert found.value[index] == pytest.approx(test.effect[0], rel=1e-10)
        assert found.se[index] == pytest.approx(test.sd.item(), rel=1e-10)


def test_experiments_side_by_side_and_broken_ones_among_them() -> None:
    design = Design(TCK)
    effects = effects_of(design)
    mean = np.random.default_rng(1).normal(size=(5, 8))
    cells = MeanMoments(np.full((5, 8), 10.0), mean, np.ones((5, 8)), np.zeros((5, 8)))
    cells.n[0, 3], cells.n[1, 3], cells.mean[2, 0], cells.variance[3] = 0, 1, np.nan, 0
    found = estimate(cells, effects)
    expected = [Status.NO_UNITS, Status.TOO_FEW_UNITS, Status.NOT_COMPUTED, Status.ZERO_VARIANCE, Status.OK]
    assert [set(row) for row in found.status] == [{status} for status in expected]
    assert np.isnan(found.value[:4]).all()
    alone = estimate(of_means(mean[4], variance=1.0), effects)
    np.testing.assert_array_equal(found.value[4], alone.value)


def test_a_main_effect_is_what_moves_when_all_cells_of_a_level_move() -> None:
    design = Design((Factor("price", ("low", "mid", "high")), Factor("badge", ("off", "on"))))
    effects = effects_of(design)
    plain = np.random.default_rng(2).normal(size=6)
    moved = plain + 3.0 * design.indicator(0, 2)
    change = estimate(of_means(moved), effects).value - estimate(of_means(plain), effects).value
    np.testing.assert_allclose(change, [0, 3, 0, 0, 0], atol=1e-12)
    assert all(one.coefficients @ other.coefficients == pytest.approx(0) for one, other in pairwise(effects[1:3]))


def test_a_reason_names_the_cells_that_lack_units() -> None:
    design = Design(TCK[:2])
    found = reason(design, Status.TOO_FEW_UNITS, np.array([5.0, 1.0, 9.0, np.nan]))
    assert found.endswith(": --+, +-+")
    assert reason(design, Status.ZERO_VARIANCE, np.ones(4)) == "the metric does not vary within cells"
