"""Two dimensions of segments against weighted least squares by statsmodels."""

import numpy as np
import pytest
import statsmodels.api as sm
from scipy import stats

from analysis.heterogeneity.two_way import two_way

KNOWN = np.inf


def residuals(effect: np.ndarray, se: np.ndarray, *columns: np.ndarray) -> tuple[float, int]:
    design = np.column_stack(columns)
    weight = 1 / se**2
    fit = sm.WLS(effect, design, weights=weight).fit()
    return float(np.sum(weight * fit.resid**2)), int(np.linalg.matrix_rank(design))


@pytest.mark.filterwarnings("ignore:The design matrix is rank-deficient")
@pytest.mark.parametrize("missing", [(), ((1, 2),), ((0, 1), (0, 2), (0, 3), (0, 4), (1, 0), (2, 0), (3, 0))])
def test_sums_of_squares_are_those_of_nested_regressions(missing: tuple[tuple[int, int], ...]) -> None:
    """The last case falls apart: the first cell shares no level with any other."""
    rng = np.random.default_rng(1)
    effect, se = rng.standard_normal((4, 5)), rng.uniform(0.5, 2, (4, 5))
    for cell in missing:
        effect[cell] = np.nan
    found = two_way(effect, se, np.full((4, 5), KNOWN))
    first, second = np.nonzero(np.isfinite(effect))
    y, error = effect[first, second], se[first, second]
    rows, columns = np.eye(4)[first], np.eye(5)[second]
    additive, rank = residuals(y, error, rows, columns)
    of_rows, of_columns = residuals(y, error, rows), residuals(y, error, columns)
    assert found.interaction.statistic == pytest.approx(additive)
    assert found.interaction.df == y.size - rank
    assert found.first.statistic == pytest.approx(of_columns[0] - additive)
    assert found.first.df == rank - of_columns[1]
    assert found.second.statistic == pytest.approx(of_rows[0] - additive)
    assert found.second.df == rank - of_rows[1]
    assert found.interaction.p_value == pytest.approx(stats.chi2.sf(additive, y.size - rank))


def test_two_by_two_is_welchs_test_of_the_difference_of_differences() -> None:
    effect, se, freedom = (
        np.array([[1.0, 2], [3, 7]]),
        np.array([[1.0, 0.5], [0.8, 1.2]]),
        np.array([[9.0, 15], [20, 12]]),
    )
    found = two_way(effect, se, freedom)
    variance = np.sum(se**2)
    df = variance**2 / np.sum(se**4 / freedom)
    p = 2 * stats.t.sf(abs(7 - 3 - 2 + 1) / np.sqrt(variance), df)
    assert found.interaction.p_value == pytest.approx(p, rel=1e-10)
    assert found.interaction.df_denominator == pytest.approx(df)


def test_a_batch_is_its_tables_one_by_one_and_one_row_has_no_interaction() -> None:
    rng = np.random.default_rng(2)
    effect, se, freedom = rng.standard_normal((3, 2, 4)), rng.uniform(0.5, 2, (3, 2, 4)), np.full((3, 2, 4), 20.0)
    effect[1, 0, 1] = np.nan
    effect[2, 0] = np.nan
    found = two_way(effect, se, freedom)
    for at in (0, 1):
        alone = two_way(effect[at], se[at], freedom[at])
        assert found.interaction.p_value[at] == pytest.approx(alone.interaction.p_value)
        assert found.second.p_value[at] == pytest.approx(alone.second.p_value)
    assert np.isnan([found.interaction.p_value[2], found.first.p_value[2]]).all()
    assert np.isfinite(found.second.p_value[2])
