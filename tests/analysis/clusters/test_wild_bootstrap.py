"""The wild cluster bootstrap against an independent package on the same data, and its intervals against its tests."""

from itertools import product

import numpy as np
import pytest
import statsmodels.api as sm

from analysis.clusters.sums import ClusterSums
from analysis.clusters.wild_bootstrap import interval, status, two_sided_p, webb_weights
from analysis.statistics.status import Status

SIZE = np.array([4, 6, 3, 8, 5, 7, 2, 5.0])
TOTAL = np.array([11, 16, 10, 12, 9, 17, 3, 15.0])
TREATED = np.array([1, 1, 1, 0, 0, 0, 0, 1], dtype=bool)
SUMS = ClusterSums.of(SIZE, TOTAL, TREATED)
EVERY_SIGN = np.array(list(product([-1.0, 1.0], repeat=8)))


def test_all_signs_of_eight_clusters_equal_wildboottest() -> None:
    """Wildboottest 0.3.2, bootstrap type 11, Rademacher weights, all 256 of them: p = .0078125 = 2/256.

    It counts replicates beyond the data's statistic; ours, also the two that leave the data as they are, and the data.
    """
    assert two_sided_p(SUMS, EVERY_SIGN) == pytest.approx((1 + 2 + 2) / 257)


def test_webb_weights_equal_wildboottest() -> None:
    """Wildboottest 0.3.2, type 11, 99,999 draws of Webb's weights: p = .01177, standard error .0003."""
    assert two_sided_p(SUMS, webb_weights(8, 1, 20_000)) == pytest.approx(0.01177, abs=0.003)


def test_replicates_equal_regressions_on_units() -> None:
    """Each replicate regressed by statsmodels with its cluster-robust error, the null imposed."""
    cluster = np.repeat(np.arange(8), SIZE.astype(int))
    rng = np.random.default_rng(1)
    y = rng.normal(size=cluster.size) + rng.normal(size=8)[cluster]
    treated = TREATED[cluster].astype(float)
    x, null = sm.add_constant(treated), 0.4

    def t(values: np.ndarray) -> float:
        fit = sm.OLS(values, x).fit(cov_type="cluster", cov_kwds={"groups": cluster, "use_correction": False})
        return abs(fit.params[1] - null) / fit.bse[1]

    weights = webb_weights(8, 3, 99)
    without = y - null * treated
    residual = without - without.mean()
    drawn = [t(without.mean() + null * treated + w[cluster] * residual) for w in weights]
    expected = (1 + sum(each >= t(y) for each in drawn)) / 100
    sums = ClusterSums.of(SIZE, np.bincount(cluster, y), TREATED)
    assert two_sided_p(sums, weights, null) == pytest.approx(expected)


def test_weights_are_six_points_of_mean_0_and_variance_1_and_follow_from_the_seed() -> None:
    weights = webb_weights(10, 7, 50_000)
    assert len(np.unique(weights)) == 6
    assert weights.mean() == pytest.approx(0, abs=0.006)
    assert (weights**2).mean() == pytest.approx(1, abs=0.006)
    np.testing.assert_array_equal(weights, webb_weights(10, 7, 50_000))
    assert (weights != webb_weights(10, 8, 50_000)).any()


def test_an_interval_ends_where_the_test_begins_to_reject() -> None:
    weights = webb_weights(8, 2, 1_999)
    ends = interval(SUMS, weights, 0.05)
    for end, outward in ((ends.low, -1e-4), (ends.high, 1e-4)):
        assert two_sided_p(SUMS, weights, end - outward) > 0.05
        assert two_sided_p(SUMS, weights, end + outward) <= 0.05
    effect = TOTAL[TREATED].sum() / SIZE[TREATED].sum() - TOTAL[~TREATED].sum() / SIZE[~TREATED].sum()
    assert ends.low < effect < ends.high


def test_where_no_effect_is_rejected_an_interval_has_no_end() -> None:
    """Of four clusters one replicate in 648 leaves the data as they are: p is never below that."""
    sums = ClusterSums.of(np.ones(4), np.array([1.0, 1.1, 9.0, 9.1]), [False, False, True, True])
    ends = interval(sums, webb_weights(4, 1, 9_999), 0.001)
    assert (ends.low, ends.high) == (-np.inf, np.inf)


def test_experiments_side_by_side_equal_those_alone_and_broken_ones_have_no_number() -> None:
    size, total = (np.stack([x, x, np.roll(x, 1), x]) for x in (SIZE, TOTAL))
    arms = np.tile(TREATED, (4, 1))
    arms[1], total[3] = True, 2 * SIZE
    sums, weights = ClusterSums.of(size, total, arms), webb_weights(8, 5, 499)
    assert list(status(sums)) == [Status.OK, Status.NO_UNITS, Status.OK, Status.ZERO_VARIANCE]
    p, ends = two_sided_p(sums, weights), interval(sums, weights, 0.1)
    for row in (0, 2):
        alone = ClusterSums.of(size[row], total[row], arms[row])
        assert p[row] == two_sided_p(alone, weights)
        assert ends.low[row] == pytest.approx(interval(alone, weights, 0.1).low)
    assert np.isnan(p[[1, 3]]).all() and np.isnan(ends.low[[1, 3]]).all()
