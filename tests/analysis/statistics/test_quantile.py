"""Quantile intervals against R's survey package, exact binomial enumeration and simulation."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from analysis.statistics.quantile import (
    ClusterSums,
    Histogram,
    Quantile,
    QuantileDifference,
    compare_quantiles,
    event_quantile,
    unit_quantile,
)
from analysis.statistics.status import Status

CLUSTERS = Path(__file__).parents[4] / "shared" / "reference" / "clustered_ratio_quantile.json"

# Academic Performance Index 2000 of the 183 schools of apiclus1, by district; data of R's survey package 4.1.1.
SCORES = {
    637: [608, 684, 612, 710, 729, 714, 759, 585, 625, 664, 669],
    437: [443, 467, 482, 496],
    778: [411, 494],
    197: [493, 592, 550, 689, 598, 628, 652, 628, 832, 777, 709, 709, 736],
    406: [561, 555],
    815: [696, 631, 564, 602],
    178: [529, 491, 510, 547],
    255: [814, 806, 715, 785, 720, 905, 617, 630, 629, 696, 476, 757, 825, 595, 552, 847],
    568: [714, 724, 687, 723, 662, 699, 807, 679, 691],
    135: [
        622,
        754,
        655,
        764,
        795,
        505,
        638,
        733,
        523,
        511,
        710,
        657,
        602,
        490,
        664,
        651,
        603,
        698,
        511,
        814,
        669,
        711,
        538,
        705,
        595,
        551,
        762,
        521,
        709,
        780,
        780,
        722,
        828,
        737,
    ],
    510: [595, 661, 502, 614, 585, 582, 642, 536, 746, 667, 629, 745, 674, 637, 696, 632, 639, 745, 789, 656, 789],
    716: [
        517,
        478,
        582,
        592,
        587,
        553,
        516,
        535,
        566,
        481,
        472,
        559,
        610,
        599,
        551,
        554,
        561,
        505,
        492,
        504,
        487,
        627,
        465,
        529,
        625,
        436,
        542,
        515,
        461,
        528,
        512,
        508,
        670,
        760,
        652,
        546,
        717,
    ],
    61: [701, 748, 735, 699, 685, 827, 711, 677, 759, 697, 742, 691, 700],
    413: [551],
    448: [703, 676, 714, 842, 824, 717, 836, 733, 719, 817, 749, 781],
}


def histogram(*groups: np.ndarray) -> Histogram:
    """A histogram with one group per array of values."""
    counted = [np.unique(group, return_counts=True) for group in groups]
    offsets = np.concatenate([[0], np.cumsum([values.size for values, _ in counted])])
    values, counts = (np.concatenate(column).astype(float) for column in zip(*counted, strict=True))
    return Histogram(values, counts, offsets)


def rows(samples: np.ndarray) -> Histogram:
    """A histogram with one group per row of continuous values, each counted once."""
    offsets = np.arange(samples.shape[0] + 1) * samples.shape[1]
    return Histogram(np.sort(samples, axis=-1).ravel(), np.ones(samples.size), offsets)


def cluster_sums(values: np.ndarray, cluster: np.ndarray, cut: float) -> tuple[float, ...]:
    clusters, of_event = np.unique(cluster, return_inverse=True)
    n, s = np.bincount(of_event), np.bincount(of_event, values <= cut)
    return tuple(float(x) for x in (clusters.size, n.sum(), s.sum(), (n**2).sum(), (s**2).sum(), (n * s).sum()))


def difference(baseline: np.ndarray, treatment: np.ndarray, level: float) -> QuantileDifference:
    return compare_quantiles(unit_quantile(histogram(baseline), level), unit_quantile(histogram(treatment), level))


def test_school_scores_match_r_survey() -> None:
    """Woodruff intervals of 15 districts drawn with replacement: ends, and se = width over 2·t(14)."""
    if not CLUSTERS.exists():
        pytest.skip("reference figures clustered_ratio_quantile.json are not beside this checkout")
    reference = json.loads(CLUSTERS.read_text())
    for district in reference["clusters"]:
        scores = SCORES[district["dnum"]]
        assert (len(scores), sum(scores)) == (district["one"], district["api00"])
    values = np.concatenate(list(SCORES.values())).astype(float)
    district = np.repeat(list(SCORES), [len(scores) for scores in SCORES.values()])
    table = reference["quantile"]["table"]
    schools, p = histogram(*[values] * len(table)), reference["quantile"]["p"]
    sums = [cluster_sums(values, district, row["quantile"]) for row in table]
    ours = event_quantile(schools, ClusterSums(*np.transpose(sums)), p)
    ci = ours.interval(0.05)
    assert ours.value.tolist() == [row["quantile"] for row in table]
    assert ci.low.tolist() == [row["ci.2.5"] for row in table]
    assert ci.high.tolist() == [row["ci.97.5"] for row in table]
    se = (ci.high - ci.low) / (2 * stats.t.ppf(0.975, 14))
    np.testing.assert_allclose(se, [row["se"] for row in table], rtol=1e-12)


def test_share_variance_is_that_of_linearised_cluster_sums() -> None:
    values = np.concatenate(list(SCORES.values()))
    district = np.repeat(list(SCORES), [len(scores) for scores in SCORES.values()])
    share = np.mean(values <= 652)
    apart = np.bincount(np.unique(district, return_inverse=True)[1], (values <= 652) - share)
    expected = 15 / 14 * np.sum(apart**2) / 183**2
    sums = ClusterSums(*(np.asarray(x) for x in cluster_sums(values, district, 652)))
    assert sums.share_variance() == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize(("n", "level"), [(200, 0.95), (57, 0.5), (1000, 0.1)])
def test_order_statistics_leave_at_most_half_of_alpha_on_either_side(n: int, level: float) -> None:
    """The population is uniform, the sample its ranks 1 ... n: both tails by exact binomial sums, and not too wide."""
    ranks = unit_quantile(histogram(np.arange(1.0, n + 1)), level).interval(0.05)
    low, high = int(ranks.low[0]), int(ranks.high[0])
    assert stats.binom.cdf(low - 1, n, level) <= 0.025 < stats.binom.cdf(low, n, level)
    assert stats.binom.sf(high - 1, n, level) <= 0.025 < stats.binom.sf(high - 2, n, level)


def test_median_of_eight_by_hand() -> None:
    """P(Bin(8, 1/2) ≤ 0) = 1/256, ≤ 1: 9/256 = .035. At alpha .05 ranks 1 and 8; at .08 ranks 2 and 7."""
    eight = unit_quantile(histogram(np.array([1.0, 3, 4, 7, 8, 8, 9, 20])), 0.5)
    assert eight.value.tolist() == [7]
    for alpha, low, high in ((0.05, 1, 20), (0.08, 3, 9), (0.001, -np.inf, np.inf)):
        assert (eight.interval(alpha).low[0], eight.interval(alpha).high[0]) == (low, high)
    assert eight.status.tolist() == [Status.TOO_FEW_UNITS]


def test_counts_stand_for_repeated_values_and_quantiles_are_the_inverted_distribution() -> None:
    rng = np.random.default_rng(51)
    groups = [rng.integers(0, 9, 130), rng.poisson(30, 411), rng.integers(0, 2, 77)]
    for level in (0.05, 0.07, 0.5, 0.9, 0.95):
        ours = unit_quantile(histogram(*groups), level).value
        theirs = [np.quantile(group, level, method="inverted_cdf") for group in groups]
        assert ours.tolist() == theirs


def test_groups_may_be_picked_and_repeated() -> None:
    rng = np.random.default_rng(52)
    arms = rows(rng.lognormal(0, 1, (3, 400)))
    baseline = unit_quantile(arms, 0.9, np.array([0, 0]))
    treatment = unit_quantile(arms, 0.9, np.array([1, 2]))
    together = compare_quantiles(baseline, treatment).interval(0.05)
    for i in (1, 2):
        alone = compare_quantiles(
            unit_quantile(arms, 0.9, np.array([0])), unit_quantile(arms, 0.9, np.array([i]))
        ).interval(0.05)
        assert (together.low[i - 1], together.high[i - 1]) == (alone.low[0], alone.high[0])


def test_mover_by_hand() -> None:
    """Medians 100 and 150 of 199: ranks 86 and 114, so ±14 each, and 50 ∓ √(14² + 14²)."""
    values = np.arange(1.0, 200)
    ci = difference(values, values + 50, 0.5).interval(0.05)
    assert ci.low[0] == pytest.approx(50 - np.hypot(14, 14), rel=1e-14)
    assert ci.high[0] == pytest.approx(50 + np.hypot(14, 14), rel=1e-14)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([0.5, 0.1, 0.9]), st.floats(1e-4, 0.9), st.floats(-2, 2))
def test_tests_agree_with_intervals(seed: int, level: float, alpha: float, shift: float) -> None:
    rng = np.random.default_rng(seed)
    result = difference(rng.normal(10, 1, 150), rng.normal(10 + shift, 2, 120).round(1), level)
    ci, p = result.interval(alpha), result.two_sided_p()
    if not np.isclose(p, alpha, rtol=1e-7):
        assert (p < alpha) == ((ci.low > 0) | (ci.high < 0))
    for margin in (0.0, 0.3):
        better, worse = result.upper_tail_p(margin=margin), result.upper_tail_p(-1.0, margin=margin)
        assert np.isclose(better, alpha / 2, rtol=1e-7) or (better < alpha / 2) == (ci.low > -margin)
        assert np.isclose(worse, alpha / 2, rtol=1e-7) or (worse < alpha / 2) == (ci.high < margin)
    relative = result.relative_interval(alpha)
    if np.isfinite(relative.low):
        assert (relative.low > 0) == (ci.low > 0)
        assert (relative.high < 0) == (ci.high < 0)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_swapping_arms_mirrors_everything(seed: int) -> None:
    rng = np.random.default_rng(seed)
    arms = [rng.normal(0, 1, 80), rng.normal(0.3, 2, 60)]
    there, back = difference(*arms, 0.7), difference(*arms[::-1], 0.7)
    assert there.effect == -back.effect
    assert there.interval(0.1).low == -back.interval(0.1).high
    assert there.two_sided_p() == back.two_sided_p()
    assert there.upper_tail_p() == back.upper_tail_p(-1.0)


def test_a_test_of_a_relative_margin_inverts_the_relative_interval() -> None:
    """T/B - 1 is above -m at alpha/2 exactly where T - (1 - m)·B is above 0: m at the interval's end gives alpha/2."""
    rng = np.random.default_rng(53)
    result = difference(rng.lognormal(0, 1, 20_000), rng.lognormal(0, 1, 20_000), 0.9)
    low = result.relative_interval(0.05).low
    for nudge, side in ((1e-9, True), (-1e-9, False)):
        p = result.upper_tail_p(baseline_factor=1 + low - nudge)
        assert (p <= 0.025 * (1 + 1e-6)) == side


@pytest.mark.parametrize(
    ("baseline", "treatment", "status"),
    [
        (np.arange(199.0), np.arange(400.0), Status.TOO_FEW_UNITS),
        (np.arange(200.0), np.arange(200.0), Status.OK),
        (np.arange(400.0), np.array([]), Status.NO_UNITS),
        (np.array([]), np.arange(5.0), Status.NO_UNITS),
    ],
)
def test_fewer_than_10_units_beyond_the_quantile_are_refused(
    baseline: np.ndarray, treatment: np.ndarray, status: Status
) -> None:
    result = difference(baseline, treatment, 0.95)
    assert result.status == status
    assert np.isfinite(result.interval(0.05).low) == (status == Status.OK)
    assert np.isfinite(result.two_sided_p()) == (status == Status.OK)
    assert np.isfinite(result.effect) == (status != Status.NO_UNITS)


def test_a_large_atom_is_a_quantile_without_width() -> None:
    """70 % zeros: the median is 0 with the interval [0, 0], and no evidence of a difference."""
    values = np.concatenate([np.zeros(700), np.arange(1.0, 301)])
    result = difference(values, values, 0.5)
    assert (result.interval(0.05).low, result.interval(0.05).high) == (0, 0)
    assert result.two_sided_p() == 1


def test_events_of_one_cluster_each_are_like_independent_units() -> None:
    """Ranks of Woodruff's and of the binomial interval differ by at most 2 of 10,000."""
    values = np.arange(1.0, 10_001)
    events = histogram(values)
    sums = ClusterSums(*(np.array([x]) for x in cluster_sums(values, np.arange(10_000), 9_500)))
    clustered, units = event_quantile(events, sums, 0.95), unit_quantile(events, 0.95)
    assert clustered.value == units.value == 9_500
    assert abs(clustered.interval(0.05).low - units.interval(0.05).low) <= 2
    assert abs(clustered.interval(0.05).high - units.interval(0.05).high) <= 2


def test_a_tie_at_the_quantile_scales_the_error_to_the_quantiles_rank() -> None:
    """Median of 40 % zeros, 50 % ones, 10 % twos, one event a cluster: se is √(.5·.5), not √(.9·.1), over √n."""
    values = np.repeat([0.0, 1, 2], [400, 500, 100])
    sums = ClusterSums(*(np.array([x]) for x in cluster_sums(values, np.arange(1000), 1)))
    ranks = event_quantile(histogram(values), sums, 0.5).ranks
    np.testing.assert_allclose(ranks.share_se, np.sqrt(0.25 / 999), rtol=1e-9)


def test_sums_that_do_not_belong_to_the_sample_quantile_are_refused() -> None:
    values, cluster = np.arange(1000.0), np.arange(1000) // 4
    wrong = ClusterSums(*(np.array([x]) for x in cluster_sums(values, cluster, 600)))
    assert event_quantile(histogram(values), wrong, 0.5).status == Status.FAILED


def arms_of_events(rng: np.random.Generator, experiments: int, users: int) -> Quantile:
    """90th percentiles of load times, users with 1 + Poisson(4) loads and a speed of their own, .5 of the variance."""
    loads = rng.poisson(4, (experiments, users)) + 1
    events = loads.sum(axis=-1)
    user = np.repeat(np.arange(loads.size), loads.ravel())
    times = rng.normal(0, 0.5, loads.size)[user] + rng.normal(0, 0.5, user.size)
    experiment = user // users
    order = np.lexsort((times, experiment))
    offsets = np.concatenate([[0], np.cumsum(events)])
    cut = times[order][offsets[:-1] + np.ceil(events * 0.9 - 1e-9).astype(int) - 1]
    below = np.bincount(user, times <= cut[experiment], loads.size).reshape(loads.shape)
    sums = [np.full(experiments, float(users)), events, below.sum(axis=-1)]
    sums += [(loads**2).sum(axis=-1), (below**2).sum(axis=-1), (loads * below).sum(axis=-1)]
    return event_quantile(Histogram(times[order], np.ones(times.size), offsets), ClusterSums(*sums), 0.9)


def test_coverage_of_the_outer_interval_with_clustering() -> None:
    """2,000 differences of 300 and 200 users, about 5 events each, seed 54; the true one is 0.

    At .95 a count is Binomial(2000, .95): above .934 with 99.9 %. Ignoring clusters covers below .90.
    """
    rng = np.random.default_rng(54)
    arms = [arms_of_events(rng, 2000, users) for users in (300, 200)]
    result = compare_quantiles(*arms)
    assert (result.status == Status.OK).all()
    ci = result.interval(0.05)
    assert 0.934 <= np.mean((ci.low <= 0) & (ci.high >= 0)) <= 0.97

    naive = compare_quantiles(*(unit_quantile(arm.histogram, 0.9) for arm in arms)).interval(0.05)
    assert np.mean((naive.low <= 0) & (naive.high >= 0)) < 0.90


def coverage(n: int, experiments: int, seed: int) -> float:
    rng = np.random.default_rng(seed)
    arms = [unit_quantile(rows(rng.lognormal(0, sigma, (experiments, n))), 0.95) for sigma in (1, 1.2)]
    ci = compare_quantiles(*arms).interval(0.05)
    truth = np.exp(1.2 * stats.norm.ppf(0.95)) - np.exp(stats.norm.ppf(0.95))
    return float(np.mean((ci.low <= truth) & (truth <= ci.high)))


@pytest.mark.parametrize("n", [200, 1000])
def test_coverage_of_the_difference_of_95th_percentiles(n: int) -> None:
    """2,000 differences of lognormals, σ 1 and 1.2, seed 55: conservative, so at least .95 - 3.29·.0049."""
    assert coverage(n, 2000, 55) >= 0.934


@pytest.mark.slow
@pytest.mark.parametrize("n", [200, 1000, 5000])
def test_coverage_of_the_difference_of_95th_percentiles_at_length(n: int) -> None:
    """10,000 differences, in chunks: at least .95 - 3.29·.0022 = .9427."""
    assert np.mean([coverage(n, 1000, 560 + i) for i in range(10)]) >= 0.9427


def test_a_trillion_units_in_a_few_values() -> None:
    """Shares .4, .1000001, .4999999 of 0, 1, 2: the median is 1 and its ranks, ± 1e6, stay in its atom."""
    counts = np.array([0.4e12, 0.1000001e12, 0.4999999e12])
    result = unit_quantile(Histogram(np.arange(3.0), counts, np.array([0, 3])), [0.5])
    ci = result.interval(0.05)
    assert (result.value, ci.low, ci.high) == (1, 1, 2)
    assert result.interval(0.9).high == 1
