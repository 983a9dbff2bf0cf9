"""Analysis of variance against statsmodels on units, types II and III, and Welch's analysis of variance."""

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf
from statsmodels.stats.anova import anova_lm
from statsmodels.stats.oneway import anova_oneway

from analysis.factorial.anova import Squares, anova, welch_james
from analysis.factorial.design import Design, Factor
from analysis.factorial.effects import effects_of, estimate
from analysis.statistics.moments import MeanMoments
from analysis.statistics.status import Status
from configs.fraction import Fraction

DESIGN = Design((Factor("a", ("0", "1", "2")), Factor("b", ("0", "1")), Factor("c", ("0", "1"))))


def units(seed: int, sizes: list[int]) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    rows = []
    for cell, size in zip(DESIGN.cells, sizes, strict=True):
        a, b, c = cell.levels
        values = 5 + 0.4 * a - 0.3 * b + 0.5 * a * c + rng.normal(size=size)
        rows.append(pd.DataFrame({"a": str(a), "b": str(b), "c": str(c), "y": values}))
    return pd.concat(rows, ignore_index=True)


def moments(data: pd.DataFrame) -> MeanMoments:
    groups = data.groupby(["a", "b", "c"])["y"]
    n = groups.size().to_numpy(dtype=float)
    return MeanMoments(n, groups.mean().to_numpy(), groups.var().to_numpy(), np.zeros(n.size))


@pytest.mark.parametrize("squares", list(Squares))
@pytest.mark.parametrize("sizes", [[10] * 12, [5, 12, 30, 8, 9, 21, 14, 6, 11, 17, 40, 7]])
def test_it_equals_statsmodels_on_units(squares: Squares, sizes: list[int]) -> None:
    data = units(3, sizes)
    found = anova(moments(data), DESIGN, squares)
    fit = smf.ols("y ~ C(a, Sum) * C(b, Sum) * C(c, Sum)", data).fit()
    table = anova_lm(fit, typ=2 if squares is Squares.TYPE_II else 3)
    names = [":".join(f"C({DESIGN.factors[f].id}, Sum)" for f in term) for term in found.terms]
    np.testing.assert_allclose(found.sum_of_squares, table.loc[names, "sum_sq"], rtol=1e-8)
    np.testing.assert_allclose(found.df, table.loc[names, "df"])
    np.testing.assert_allclose(found.f, table.loc[names, "F"], rtol=1e-8)
    np.testing.assert_allclose(found.p_value, table.loc[names, "PR(>F)"], rtol=1e-7)
    assert found.residual_sum_of_squares == pytest.approx(table.loc["Residual", "sum_sq"], rel=1e-10)
    assert found.residual_df == table.loc["Residual", "df"]


def test_types_differ_only_where_cells_are_unequal() -> None:
    even, uneven = moments(units(3, [10] * 12)), moments(units(3, [5, 12, 30, 8, 9, 21, 14, 6, 11, 17, 40, 7]))
    tables = {s: (anova(even, DESIGN, s), anova(uneven, DESIGN, s)) for s in Squares}
    second, third = tables[Squares.TYPE_II], tables[Squares.TYPE_III]
    np.testing.assert_allclose(second[0].sum_of_squares, third[0].sum_of_squares, rtol=1e-9)
    assert not np.allclose(second[1].sum_of_squares, third[1].sum_of_squares, rtol=1e-3)
    total = ((even.mean - even.mean.mean()) ** 2).sum() * 10
    assert second[0].sum_of_squares.sum() == pytest.approx(total, rel=1e-9)


def test_of_one_factor_it_is_welchs_analysis_of_variance() -> None:
    rng = np.random.default_rng(7)
    cells = [rng.normal(i / 3, 1 + i, size) for i, size in enumerate((8, 15, 11, 30))]
    figures = np.array([(c.size, c.mean(), c.var(ddof=1), 0.0) for c in cells])
    found = welch_james(MeanMoments(*figures.T), Design((Factor("a", tuple("0123")),)))
    welch = anova_oneway(cells, use_var="unequal", welch_correction=True)
    assert found.f[0] == pytest.approx(welch.statistic, rel=1e-10)
    assert found.residual_df[0] == pytest.approx(welch.df_denom, rel=1e-10)
    assert found.p_value[0] == pytest.approx(welch.pvalue, rel=1e-9)


def test_at_two_levels_it_is_the_squared_test_of_the_contrast() -> None:
    design = Design(tuple(Factor(name, ("0", "1")) for name in "ab"))
    cells = MeanMoments(np.array([8.0, 20, 5, 40]), np.array([1.0, 2, 4, 4.5]), np.array([1.0, 3, 0.5, 2]), np.zeros(4))
    contrasts, table = estimate(cells, effects_of(design)), welch_james(cells, design)
    np.testing.assert_allclose(table.f, (contrasts.value / contrasts.se) ** 2, rtol=1e-10)
    np.testing.assert_allclose(table.residual_df, contrasts.df, rtol=1e-10)


def test_experiments_side_by_side_and_broken_ones_among_them() -> None:
    good = moments(units(3, [10] * 12))
    stacked = MeanMoments(
        *(np.stack([getattr(good, f)] * 3) for f in ("n", "mean", "variance", "third_central_moment"))
    )
    stacked.n[0, 5], stacked.variance[1] = 0, 0.0
    for table, alone in (
        (anova(stacked, DESIGN, Squares.TYPE_III), anova(good, DESIGN, Squares.TYPE_III)),
        (welch_james(stacked, DESIGN), welch_james(good, DESIGN)),
    ):
        assert list(table.status) == [Status.NO_UNITS, Status.ZERO_VARIANCE, Status.OK]
        assert np.isnan(table.p_value[:2]).all() and np.isnan(table.f[:2]).all()
        np.testing.assert_allclose(table.p_value[2], alone.p_value, rtol=1e-12)


def test_large_means_do_not_cancel() -> None:
    data = units(3, [10] * 12)
    shifted = data.assign(y=data["y"] + 1e9)
    one, other = (anova(moments(each), DESIGN, Squares.TYPE_II) for each in (data, shifted))
    np.testing.assert_allclose(one.f, other.f, rtol=1e-4)


def test_a_fraction_has_no_table() -> None:
    two = tuple(Factor(name, ("0", "1")) for name in "abc")
    with pytest.raises(ValueError, match="use its contrasts"):
        anova(moments(units(3, [10] * 12)), Design(two, Fraction(("a", "b", "c"), ("c = a*b",))), Squares.TYPE_II)
