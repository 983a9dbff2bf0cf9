"""The skewness warning: its formula by hand, and that it fires where tails were found to be off."""

import numpy as np
import pytest

from analysis.statistics.moments import MeanMoments
from analysis.statistics.skewness import (
    TOLERANCE,
    alike,
    is_difference_skewed,
    is_margin_test_skewed,
    is_skewed,
    margin_excess,
    tail_shift,
)
from analysis.statistics.student_t import two_sided_p
from analysis.statistics.welch import welch


def proportion(n: float, p: float) -> MeanMoments:
    variance = p * (1 - p)
    return MeanMoments(*(np.asarray(x, dtype=float) for x in (n, p, variance * n / (n - 1), variance * (1 - 2 * p))))


def test_one_percent_at_18000_and_2000_by_hand() -> None:
    """κ₃ = .009702/2000² - .009702/18000², se² = .0099/2000 + .0099/18000; (2z² + 1)/6·φ(z) = .08459."""
    cumulant = (0.009702 / 2000**2 - 0.009702 / 18000**2) / (0.0099 / 2000 + 0.0099 / 18000) ** 1.5
    shift = tail_shift(welch(proportion(18_000, 0.01), proportion(2_000, 0.01)), 0.05)
    # The library's variances have the divisor n - 1: 1.0005 for 2,000 units, to the power 1.5.
    assert shift == pytest.approx(0.08459 * cumulant, rel=1e-3)
    assert is_skewed(shift)


def test_a_margins_test_by_hand() -> None:
    """T - 1.1·B of 1 % at 5,000 each, at one-sided .05: (2·1.645² + 1)/6·φ(1.645) = .11019.

    κ₃ = .009702/5000²·(1 - 1.1³), se² = .0099/5000·(1 + 1.1²): the baseline's skew outweighs the treatment's.
    """
    cumulant = 0.009702 / 5000**2 * (1 - 1.1**3) / (0.0099 / 5000 * 2.21) ** 1.5
    excess = margin_excess(welch(proportion(5000, 0.01), proportion(5000, 0.01)), np.array([1.0, -1.0]), 1.1, 0.05)
    np.testing.assert_allclose(excess, -0.11019 * cumulant * np.array([1, -1]), rtol=1e-3)


def test_a_level_concerns_one_arm() -> None:
    """1 % of 2,000: κ₃ = .98/√(.0099·2000). "At most" passes too often (few events look sure)."""
    estimate = welch(proportion(9e9, 0.5), proportion(2000, 0.01))
    at_most, at_least = (margin_excess(estimate, sign, 0.0, 0.05) for sign in (-1.0, 1.0))
    assert at_most == pytest.approx(0.11019 * 0.98 / np.sqrt(0.0099 * 2000), rel=1e-3)
    assert at_least == -at_most
    assert is_skewed(at_most)
    assert not is_skewed(at_least)


@pytest.mark.parametrize(("sizes", "warns"), [((18_000, 2_000), True), ((50_000, 50_000), False)])
def test_margins_tests_warn_where_they_pass_too_often(sizes: tuple[int, int], warns: bool) -> None:
    """1 % against 1.1 % at a relative margin of 10 % of the worse direction, 20,000 experiments, seed 53.

    A passing rate of .05 is known to ± 3.29·√(.05·.95/20000) = .0051; the first-order excess is good to about .006.
    """
    rng = np.random.default_rng(53)
    share = [rng.binomial(n, p, 20_000) / n for n, p in zip(sizes, (0.01, 0.011), strict=True)]
    of_unit = [p * (1 - p) for p in share]
    se = np.sqrt(1.1**2 * of_unit[0] / sizes[0] + of_unit[1] / sizes[1])
    rate = np.mean((1.1 * share[0] - share[1]) / se > 1.6449)
    excess = margin_excess(welch(proportion(sizes[0], 0.01), proportion(sizes[1], 0.011)), -1.0, 1.1, 0.05)
    assert rate == pytest.approx(0.05 + excess, abs=0.011)
    assert is_skewed(excess) == warns
    assert (rate > 0.0551) == warns


def test_equal_arms_cancel() -> None:
    shift = tail_shift(welch(proportion(5000, 0.01), proportion(5000, 0.01)), 0.05)
    assert shift == pytest.approx(0, abs=1e-12)
    assert not is_skewed(shift)


def test_it_predicts_the_size_of_the_tails() -> None:
    """1 % at 18,000/2,000, 200,000 experiments, seed 51: the ruling found tails of .045 and .013.

    A tail's share is known to ± 3.29·√(.045·.955/200000) = .0015; the first-order shift is good to about .006.
    """
    rng = np.random.default_rng(51)
    share = [rng.binomial(n, 0.01, 200_000) / n for n in (18_000, 2_000)]
    se = np.sqrt(share[0] * (1 - share[0]) / 18_000 + share[1] * (1 - share[1]) / 2_000)
    t = (share[1] - share[0]) / se
    shift = tail_shift(welch(proportion(18_000, 0.01), proportion(2_000, 0.01)), 0.05)
    assert np.mean(t < -1.96) == pytest.approx(0.025 + shift, abs=0.006)
    assert np.mean(t > 1.96) == pytest.approx(0.025 - shift, abs=0.006)


@pytest.mark.parametrize(
    ("sizes", "experiments", "share"), [((45_000, 5_000), 100, 0.98), ((1_000, 1_000), 1_000, 0.85)]
)
def test_heavy_tailed_revenue_warns(sizes: tuple[int, int], experiments: int, share: float) -> None:
    """One in ten buys, lognormal with σ = 1.5, seed 52: the ruling found rejection rates of .085 and .029.

    The third moment is itself estimated, so the warning fires in a share of experiments: ± 3.29·√(p(1 - p)/N).
    """
    rng = np.random.default_rng(52)
    revenue = [np.where(rng.random((experiments, n)) < 0.1, rng.lognormal(3, 1.5, (experiments, n)), 0) for n in sizes]
    shift = tail_shift(welch(*(MeanMoments.from_values(y) for y in revenue)), 0.05)
    bound = 3.29 * np.sqrt(share * (1 - share) / experiments)
    assert is_skewed(shift).mean() == pytest.approx(share, abs=bound)


def test_it_fires_where_a_small_arm_has_not_shown_its_tail() -> None:
    """One in ten buys, lognormal with σ = 1.5, 9,000/1,000, 600 experiments, seed 54.

    A test rejects below where the small arm has no large order yet, and there its own third moment is small as well.
    """
    rng = np.random.default_rng(54)
    revenue = [np.where(rng.random((600, n)) < 0.1, rng.lognormal(3, 1.5, (600, n)), 0) for n in (9_000, 1_000)]
    estimate = welch(*(MeanMoments.from_values(y) for y in revenue))
    rejected = two_sided_p(estimate.difference) <= 0.05
    assert rejected.sum() > 30
    assert is_skewed(tail_shift(estimate, 0.05))[rejected].mean() < 0.8
    assert is_difference_skewed(estimate, 0.05)[rejected].all()


def test_arms_that_are_pooled_are_one_population_in_both() -> None:
    """Of the same population in both arms nothing changes but the divisor; equal arms cancel whatever they are."""
    same = welch(proportion(18_000, 0.01), proportion(2_000, 0.01))
    assert tail_shift(alike(same), 0.05) == pytest.approx(float(tail_shift(same, 0.05)), rel=1e-3)
    unlike = welch(proportion(5_000, 0.01), proportion(5_000, 0.3))
    assert tail_shift(alike(unlike), 0.05) == pytest.approx(0, abs=1e-12)


def test_a_level_does_not_borrow_the_baselines_skewness() -> None:
    rare_baseline = welch(proportion(2_000, 0.01), proportion(2_000, 0.5))
    assert not is_margin_test_skewed(rare_baseline, 1.0, 0.0, 0.05)
    assert not is_margin_test_skewed(rare_baseline, -1.0, 0.0, 0.05)


def test_unknown_third_moments_do_not_warn() -> None:
    unknown = MeanMoments(*(np.asarray(x) for x in (100.0, 1.0, 1.0, np.nan)))
    shift = tail_shift(welch(unknown, proportion(100, 0.5)), 0.05)
    assert np.isnan(shift)
    assert not is_skewed(shift)


def test_the_unit_of_a_metric_does_not_matter() -> None:
    """Amounts of 1e100: the cube of the standard error alone would leave a double's range."""
    plain, scaled = (welch(MeanMoments(*big(1e6, k)), MeanMoments(*big(100.0, k))) for k in (1.0, 1e100))
    np.testing.assert_allclose(tail_shift(plain, 0.05), tail_shift(scaled, 0.05), rtol=1e-12)
    assert tail_shift(plain, 0.05) > TOLERANCE


def big(n: float, scale: float) -> list[np.ndarray]:
    return [np.asarray(x) for x in (n, scale, 4 * scale**2, 30 * scale**3)]
