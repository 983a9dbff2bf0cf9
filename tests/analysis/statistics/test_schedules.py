"""p-values and critical values looked up between levels, against boundaries computed at the very level."""

import numpy as np
import pytest

from analysis.statistics.group_sequential.boundaries import boundaries
from analysis.statistics.schedules import Schedules, SpendingOptions
from analysis.statistics.spending import Spending, hwang_shih_decani, obrien_fleming, pocock

FRACTIONS = [np.arange(1, 8) / 7, np.array([0.05, 0.11, 0.3, 0.34, 0.8, 1.0])]
SPENDING = {"obrien_fleming": obrien_fleming, "pocock": pocock, "hwang_shih_decani": hwang_shih_decani(-4.0)}
P_VALUES = np.array([0.5, 0.25, 0.07, 0.03, 3e-3, 3e-4, 3e-6, 1e-7, 1e-8])


def schedules(spending: str, fractions: np.ndarray, alpha: float = 0.05) -> Schedules:
    """The looks taken by each date: the first, the first two and so on; the last date is the end."""
    n = fractions.size
    looks = np.where(np.tri(n, dtype=bool), fractions, np.nan)
    options = SpendingOptions(spending, -4.0, "", 0.0, 0.8)
    return Schedules(looks, np.arange(n) == n - 1, (options,) * n, (alpha,))


@pytest.mark.parametrize("fractions", FRACTIONS, ids=["equal looks", "unequal looks"])
@pytest.mark.parametrize(("name", "spending"), SPENDING.items(), ids=SPENDING)
def test_p_values_are_within_3_percent_of_exact(name: str, spending: Spending, fractions: np.ndarray) -> None:
    """At the critical value of a level the p-value is that level; looks that cannot stop at it are left out."""
    n, own = fractions.size, schedules(name, fractions)
    exact = boundaries(np.tile(fractions, (P_VALUES.size, 1)), P_VALUES, spending, ends=np.ones(P_VALUES.size, bool))
    for look in range(n):
        z = exact.upper[:, look]
        can_stop = np.isfinite(z) & (z < 30)
        assert can_stop.sum() >= 3
        at = np.full(can_stop.sum(), look)
        p = own.two_sided_p(z[can_stop], at, at)
        np.testing.assert_allclose(p, P_VALUES[can_stop], rtol=0.03)


@pytest.mark.parametrize("alpha", [0.0125, 1e-3 / 7])
@pytest.mark.parametrize("name", SPENDING)
def test_p_is_below_alpha_exactly_where_the_interval_excludes_0(name: str, alpha: float) -> None:
    """To the last digits on either side of the critical value, at each look and at any level asked for."""
    own = schedules(name, FRACTIONS[1], alpha)
    look = np.arange(FRACTIONS[1].size)
    critical = own.critical_value(look, look, np.full(look.size, alpha))
    can_stop = np.isfinite(critical)
    assert can_stop.sum() >= 4
    for shift in (1e-3, 1e-6, 1e-12):
        outside, inside = (
            own.two_sided_p(critical * factor, look, look)[can_stop] for factor in (1 + shift, 1 - shift)
        )
        assert (outside < alpha).all() and (inside > alpha).all()
