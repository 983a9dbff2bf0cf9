"""Spending functions: their ends, their shape, and values worked by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from analysis.statistics.spending import Spending, hwang_shih_decani, kim_demets, obrien_fleming, pocock

FUNCTIONS = [
    pytest.param(obrien_fleming, id="obrien_fleming"),
    pytest.param(pocock, id="pocock"),
    pytest.param(hwang_shih_decani(-4.0), id="hwang_shih_decani(-4)"),
    pytest.param(hwang_shih_decani(0.0), id="hwang_shih_decani(0)"),
    pytest.param(hwang_shih_decani(2.0), id="hwang_shih_decani(2)"),
    pytest.param(kim_demets(3.0), id="kim_demets(3)"),
]


@pytest.mark.parametrize("spend", FUNCTIONS)
def test_nothing_at_the_start_everything_at_the_end(spend: Spending) -> None:
    np.testing.assert_allclose(spend(0.025, [-0.1, 0, 1, 1.3]), [0, 0, 0.025, 0.025], rtol=1e-14, atol=0)
    assert np.isnan(spend(0.025, np.nan))


@pytest.mark.parametrize("spend", FUNCTIONS)
@given(st.floats(1e-6, 0.3), st.floats(0, 1), st.floats(0, 1))
def test_spending_never_falls(spend: Spending, alpha: float, a: float, b: float) -> None:
    early, late = spend(alpha, sorted((a, b)))
    assert 0 <= early <= late <= alpha * (1 + 1e-14)


def test_values_by_hand() -> None:
    """At t = 1/4 with α = .025: 2 - 2Φ(2·2.2414), .025·ln(1.4296), .025·.03206, .025/64."""
    assert obrien_fleming(0.025, 0.25) == pytest.approx(2 * stats.norm.sf(2 * 2.241402727604947), rel=1e-12)
    assert pocock(0.025, 0.25) == pytest.approx(0.025 * np.log(1 + (np.e - 1) / 4), rel=1e-14)
    assert hwang_shih_decani(-4)(0.025, 0.25) == pytest.approx(0.025 * (np.e - 1) / (np.exp(4) - 1), rel=1e-14)
    assert kim_demets(3)(0.025, 0.25) == pytest.approx(0.025 / 64, rel=1e-14)


def test_gamma_near_zero_is_linear() -> None:
    np.testing.assert_allclose(hwang_shih_decani(1e-9)(0.05, [0.2, 0.7]), [0.01, 0.035], rtol=1e-8)


def test_a_power_that_does_not_grow_is_refused() -> None:
    with pytest.raises(ValueError, match="must be positive"):
        kim_demets(0)
