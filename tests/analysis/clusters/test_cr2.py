"""CR2 and its degrees of freedom against matrices on units, published formulas, statsmodels and Welch's test."""

import numpy as np
import pytest
import statsmodels.api as sm
from scipy import linalg, stats

from analysis.clusters.cr2 import cr2
from analysis.clusters.sums import ClusterSums
from analysis.statistics.status import Status
from analysis.statistics.student_t import two_sided_p

SIZES = np.array([4, 6, 3, 8, 5, 7, 2, 5])
TREATED = np.array([1, 1, 1, 0, 0, 0, 0, 1], dtype=bool)


def units(seed: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """Values and clusters of units, correlated within clusters."""
    rng = np.random.default_rng(seed)
    cluster = np.repeat(np.arange(SIZES.size), SIZES)
    return 2 + rng.normal(size=SIZES.size)[cluster] + 0.5 * rng.normal(size=cluster.size), cluster


def sums_of(values: np.ndarray, cluster: np.ndarray) -> ClusterSums:
    return ClusterSums.of(np.bincount(cluster), np.bincount(cluster, values), TREATED)


def by_matrices(y: np.ndarray, x: np.ndarray, cluster: np.ndarray, c: np.ndarray) -> tuple[float, float, float]:
    """Bell & McCaffrey 2002 as written: (I - H_gg)^-½ on residuals; degrees of freedom from the N × G matrix."""
    m = np.linalg.inv(x.T @ x)
    hat = x @ m @ x.T
    left = np.eye(len(y)) - hat
    columns, variance = [], 0.0
    for g in np.unique(cluster):
        here = cluster == g
        adjust = linalg.inv(np.real(linalg.sqrtm(np.eye(here.sum()) - hat[np.ix_(here, here)])))
        row = adjust @ x[here] @ m @ c
        variance += ((left @ y)[here] @ row) ** 2
        columns.append(left[:, here] @ row)
    spread = np.linalg.eigvalsh(np.stack(columns).dot(np.stack(columns).T))
    return float(c @ m @ x.T @ y), variance, spread.sum() ** 2 / (spread**2).sum()


def test_it_equals_matrices_on_units() -> None:
    y, cluster = units()
    x = np.stack([np.ones(y.size), TREATED[cluster]], axis=1)
    effect, variance, df = by_matrices(y, x, cluster, np.array([0.0, 1.0]))
    found = cr2(sums_of(y, cluster))
    assert (found.value, found.se, found.df) == pytest.approx((effect, np.sqrt(variance), df), rel=1e-9)


def test_an_arms_part_follows_the_published_closed_forms() -> None:
    """For a mean: V = Σ n²(ȳ_g - ȳ)²/(1 - n/N)/N², and df as clubSandwich checks its own (test_intercept_formulas.R).

    The other arm is made exact by clusters without end.
    """
    y, cluster = units()
    n, total = SIZES[TREATED], np.bincount(cluster, y)[TREATED]
    whole, means = n.sum(), total / n
    variance = np.sum(n**2 * (means - total.sum() / whole) ** 2 / (1 - n / whole)) / whole**2
    rest = whole - n
    df = whole**2 / (whole**2 * np.sum(n**2 / rest**2) - 2 * whole * np.sum(n**3 / rest**2) + np.sum(n**2 / rest) ** 2)
    many = 200_000
    size = np.concatenate([n, np.full(many, 10_000.0)])
    sums = ClusterSums.of(size, np.concatenate([total, np.zeros(many)]), np.arange(size.size) < n.size)
    found = cr2(sums)
    assert (found.se**2, found.df) == pytest.approx((variance, df), rel=1e-6)


def test_clusters_of_one_unit_are_hc2_and_its_degrees_of_freedom() -> None:
    """HC2 is Welch's standard error; degrees of freedom are those of equal variances in both arms."""
    rng = np.random.default_rng(5)
    base, treatment = rng.normal(0, 1, 20), rng.normal(1, 2, 7)
    sums = ClusterSums.of(np.ones(27), np.concatenate([base, treatment]), np.arange(27) >= 20)
    found = cr2(sums)
    y, t = np.concatenate([base, treatment]), (np.arange(27) >= 20).astype(float)
    fit = sm.OLS(y, sm.add_constant(t)).fit(cov_type="HC2")
    assert (found.value, found.se) == pytest.approx((fit.params[1], fit.bse[1]), rel=1e-10)
    assert found.df == pytest.approx((1 / 20 + 1 / 7) ** 2 / ((1 / 20) ** 2 / 19 + (1 / 7) ** 2 / 6), rel=1e-10)
    equal = ClusterSums.of(np.ones(14), np.concatenate([base[:7], treatment]), np.arange(14) >= 7)
    assert cr2(equal).df == pytest.approx(12)
    t_test = stats.ttest_ind(treatment, base[:7])
    assert two_sided_p(cr2(equal)) == pytest.approx(t_test.pvalue, rel=1e-9)


def test_many_equal_clusters_are_the_plain_sandwich() -> None:
    rng = np.random.default_rng(6)
    cluster = np.repeat(np.arange(600), 5)
    y = rng.normal(size=600)[cluster] + rng.normal(size=3_000)
    treated = np.arange(600) % 2 == 0
    found = cr2(ClusterSums.of(np.full(600, 5.0), np.bincount(cluster, y), treated))
    x = sm.add_constant(treated[cluster].astype(float))
    fit = sm.OLS(y, x).fit(cov_type="cluster", cov_kwds={"groups": cluster})
    assert found.se == pytest.approx(fit.bse[1], rel=3e-3)
    assert found.df == pytest.approx(598)


def test_sizes_may_be_denominators_and_scales_do_not_matter() -> None:
    y, cluster = units()
    sums = sums_of(y, cluster)
    plain, scaled = cr2(sums), cr2(ClusterSums.of(sums.size * 7.0, sums.total * 7e6, TREATED))
    assert scaled.value == pytest.approx(plain.value * 1e6, rel=1e-12)
    assert scaled.se == pytest.approx(plain.se * 1e6, rel=1e-12)
    assert scaled.df == pytest.approx(plain.df, rel=1e-12)


def test_experiments_side_by_side_broken_ones_among_them_and_padding() -> None:
    y, cluster = units()
    sums = sums_of(y, cluster)
    size, total = (np.tile(x, (6, 1)).astype(float) for x in (sums.size, sums.total))
    arms = np.tile(TREATED, (6, 1))
    arms[0], size[1, TREATED] = False, [5, 0, 0, 0]
    total[2, 0], total[3, 1], size[4, 1] = np.nan, np.inf, -1
    found = cr2(
        ClusterSums.of(np.pad(size, ((0, 0), (0, 3))), np.pad(total, ((0, 0), (0, 3))), np.pad(arms, ((0, 0), (0, 3))))
    )
    expected = [Status.NO_UNITS, Status.TOO_FEW_UNITS, Status.NOT_COMPUTED, Status.OVERFLOW, Status.FAILED, Status.OK]
    assert list(found.status) == expected
    assert np.isnan(found.value[:5]).all()
    assert (found.value[5], found.se[5], found.df[5]) == pytest.approx(
        tuple(float(each) for each in (cr2(sums).value, cr2(sums).se, cr2(sums).df)), rel=1e-12
    )


def test_clusters_that_are_all_alike_have_no_test() -> None:
    found = cr2(ClusterSums.of(SIZES, 0.1 * SIZES, TREATED))
    assert found.status == Status.ZERO_VARIANCE
    assert np.isnan(found.se)


def test_few_or_unequal_clusters_are_thin() -> None:
    """(Σn)²/Σn²: 9 and 10 equal clusters; sizes 1 to 4 are worth 100/30."""
    arms = np.arange(20) < 9
    nine = ClusterSums.of(np.where(np.arange(20) < 19, 50.0, 0.0), np.zeros(20), arms)
    assert (nine.effective_clusters(True), nine.effective_clusters(False)) == (9, 10)
    assert nine.is_thin
    ten = ClusterSums.of(np.full(20, 50.0), np.zeros(20), np.arange(20) < 10)
    assert not ten.is_thin
    unequal = ClusterSums.of(np.array([1.0, 2, 3, 4]), np.zeros(4), np.ones(4, dtype=bool))
    assert unequal.effective_clusters(True) == pytest.approx(100 / 30)
    assert unequal.effective_clusters(False) == 0
