"""Chi-squared over categories against R and scipy, empty categories, sparse tables and its size."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from analysis.statistics.categorical import _upper_tail, homogeneity, total_variation


def test_smokers_of_r_prop_test() -> None:
    """Fleiss 1981, p. 139, as in R's ?prop.test: X² = 12.600411297128, df 3, p = .005585476661627."""
    smokers, patients = np.array([83, 90, 129, 70]), np.array([86, 93, 136, 82])
    result = homogeneity(np.stack([smokers, patients - smokers], axis=-1))
    assert (result.statistic, result.df) == (pytest.approx(12.600411297128, rel=1e-12), 3)
    assert result.p_value == pytest.approx(0.005585476661627, rel=1e-10)


def test_two_proportions_of_r_prop_test() -> None:
    """15 and 25 of 50, without continuity correction: X² = 4.166666666667, p = .04122683333716; V = √(X²/n)."""
    result = homogeneity([[15, 35], [25, 25]])
    assert result.statistic == pytest.approx(25 / 6, rel=1e-12)
    assert result.p_value == pytest.approx(0.04122683333716, rel=1e-10)
    assert result.cramers_v == pytest.approx(np.sqrt(25 / 6 / 100), rel=1e-12)


def test_many_tables_at_once_equal_scipy() -> None:
    tables = np.random.default_rng(71).poisson([3, 30, 9, 20, 14], (50, 4, 5))
    result = homogeneity(tables)
    for i, table in enumerate(tables):
        used = table[:, table.sum(axis=0) > 0]
        theirs = stats.chi2_contingency(used, correction=False)
        assert (result.statistic[i], result.p_value[i]) == pytest.approx((theirs.statistic, theirs.pvalue), rel=1e-10)
        assert result.cramers_v[i] == pytest.approx(stats.contingency.association(used, correction=False), rel=1e-10)
        expected = theirs.expected_freq
        assert result.is_sparse[i] == ((expected < 1).any() or (expected < 5).mean() > 0.2)


@settings(deadline=None)
@given(st.lists(st.lists(st.integers(0, 50), min_size=3, max_size=3), min_size=2, max_size=4))
def test_empty_arms_and_categories_change_nothing(rows: list[list[int]]) -> None:
    table = np.array(rows)
    padded = np.pad(table, ((0, 1), (1, 2)))
    plain, wide = homogeneity(table), homogeneity(padded)
    for name in ("statistic", "df", "p_value", "cramers_v", "is_sparse"):
        np.testing.assert_allclose(getattr(plain, name), getattr(wide, name), rtol=1e-9, atol=1e-12)
    transposed = homogeneity(table.T)
    np.testing.assert_allclose(plain.statistic, transposed.statistic, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("table", [[[0, 0], [0, 0]], [[5, 0], [9, 0]], [[5, 7], [0, 0]]])
def test_nothing_to_compare(table: list[list[int]]) -> None:
    result = homogeneity(table)
    assert np.isnan([result.statistic, result.df, result.p_value, result.cramers_v]).all()
    assert not result.is_sparse


def test_negative_counts_are_an_error() -> None:
    with pytest.raises(ValueError, match="negative"):
        homogeneity([[1, -1], [2, 3]])


@pytest.mark.parametrize(("df", "statistic"), [(1, 1390.0), (4, 1400.0), (9, 1440.0)])
def test_far_tails(df: int, statistic: float) -> None:
    """Below 1e-300 against Q(a + 1, x) = Q(a, x) + xᵃe⁻ˣ/Γ(a + 1), from Q(½, x) = 2Φ(-√2x) or Q(1, x) = e⁻ˣ."""
    half = statistic / 2
    shape, first = (1.0, -half) if df % 2 == 0 else (0.5, float(stats.norm.logsf(np.sqrt(statistic))) + np.log(2))
    log_terms = [first]
    while shape < df / 2:
        log_terms.append(shape * np.log(half) - half - math.lgamma(shape + 1))
        shape += 1
    tail = _upper_tail(np.array([statistic]), np.array([float(df)]))
    assert 0 < tail[0] < 1e-300
    assert np.log(tail[0]) == pytest.approx(np.logaddexp.reduce(log_terms), rel=1e-9)


def test_size_with_unequal_arms() -> None:
    """20,000 null tables, 900/100/500 units over shares .5/.3/.15/.05, seed 72: .05 ± 3.29·.00154."""
    rng = np.random.default_rng(72)
    shares = [0.5, 0.3, 0.15, 0.05]
    tables = np.stack([rng.multinomial(n, shares, 20_000) for n in (900, 100, 500)], axis=1)
    assert 0.0449 <= np.mean(homogeneity(tables).p_value <= 0.05) <= 0.0551


def test_total_variation_is_the_share_that_would_have_to_move() -> None:
    """Shares .5, .3, .2 and .2, .3, .5: three tenths go from the first category to the last; splits don't matter."""
    tables = [
        [[50, 30, 20], [20, 30, 50]],
        [[5, 3, 2], [200, 300, 500]],
        [[4, 0, 0], [0, 3, 3]],
        [[1, 0, 0], [0, 0, 0]],
    ]
    assert total_variation(tables).tolist() == pytest.approx([0.3, 0.3, 1.0, math.nan], nan_ok=True)
