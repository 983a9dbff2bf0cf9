"""Welch's test against R's published figures, scipy on unit-level data, and its own symmetries."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from analysis.statistics.estimate import Estimate
from analysis.statistics.moments import MeanMoments
from analysis.statistics.status import Status
from analysis.statistics.student_t import interval, two_sided_p, upper_tail_p
from analysis.statistics.welch import welch

REFERENCE = Path(__file__).parents[4] / "shared" / "reference"
MEANS = st.floats(-1e6, 1e6)
VARIANCES = st.floats(1e-3, 1e6)
SIZES = st.integers(2, 10**6)


def reference(name: str) -> dict[str, Any]:
    if not (REFERENCE / name).exists():
        pytest.skip(f"reference figures {name} are not beside this checkout")
    return json.loads((REFERENCE / name).read_text())


def estimate(baseline: list[float], treatment: list[float]) -> Estimate:
    return welch(MeanMoments.from_values(baseline), MeanMoments.from_values(treatment))


def moments(n: float, mean: float, variance: float) -> MeanMoments:
    return MeanMoments(*(np.asarray(x, dtype=float) for x in (n, mean, variance, 0.0)))


def test_students_sleep_data() -> None:
    sleep = reference("ttest_sleep.json")
    result = estimate(sleep["group2"], sleep["group1"])
    difference, welch_figures = result.difference, sleep["welch"]
    assert difference.value / difference.se == pytest.approx(welch_figures["t"], rel=1e-12)
    assert difference.df == pytest.approx(welch_figures["df"], rel=1e-12)
    assert two_sided_p(difference) == pytest.approx(welch_figures["p"], rel=1e-12)
    ci = interval(difference, 0.05)
    assert (ci.low, ci.high) == pytest.approx(welch_figures["ci"], rel=1e-12)
    assert upper_tail_p(difference) == pytest.approx(sleep["welch_greater"]["p"], rel=1e-12)
    assert upper_tail_p(result.plus_baseline(0.0, -1.0)) == pytest.approx(sleep["welch_less"]["p"], rel=1e-12)


def test_rosetta_code_examples() -> None:
    rosetta = reference("welch_rosetta.json")
    for first, second, p in rosetta["pvalues"]:
        result = estimate(rosetta["data"][second], rosetta["data"][first])
        assert two_sided_p(result.difference) == pytest.approx(p, rel=1e-12)
    difference = estimate(rosetta["data"]["d2"], rosetta["data"]["d1"]).difference
    assert difference.df == pytest.approx(24.9885292902309, rel=1e-12)
    ci = interval(difference, 0.05)
    # The printed interval's t quantile leaves a tail of .025000000764 instead of .025: good to 4e-8 only.
    assert (ci.low, ci.high) == pytest.approx(rosetta["d1d2"]["ci"], rel=5e-8)
    assert stats.t.sf((ci.high - ci.low) / 2 / difference.se, difference.df) == pytest.approx(0.025, rel=1e-13)


def test_many_comparisons_at_once_equal_scipy_on_unit_level_data() -> None:
    rng = np.random.default_rng(1)
    baseline = rng.gamma(2, 3, size=(50, 40))
    treatment = rng.gamma(2, 3.5, size=(50, 25))
    theirs = stats.ttest_ind(treatment, baseline, axis=-1, equal_var=False)
    difference = welch(MeanMoments.from_values(baseline), MeanMoments.from_values(treatment)).difference
    np.testing.assert_allclose(difference.df, theirs.df, rtol=1e-12)
    np.testing.assert_allclose(two_sided_p(difference), theirs.pvalue, rtol=1e-11)
    for alpha in (0.5, 0.05, 1e-6):
        ci, their_ci = interval(difference, alpha), theirs.confidence_interval(1 - alpha)
        np.testing.assert_allclose([ci.low, ci.high], [their_ci.low, their_ci.high], rtol=1e-8, atol=1e-9)


def test_cookie_cats_day_1_retention() -> None:
    """20,034 of 44,700 and 20,119 of 45,489 retained: Welch on 0/1, not the pooled z (.0744097)."""
    sizes, retained = np.array([44_700.0, 45_489.0]), np.array([20_034.0, 20_119.0])
    share = retained / sizes
    variance = share * (1 - share) * sizes / (sizes - 1)
    gate_30, gate_40 = (moments(sizes[i], share[i], variance[i]) for i in range(2))
    assert two_sided_p(welch(gate_30, gate_40).difference) == pytest.approx(0.0744144, abs=5e-8)


@given(SIZES, MEANS, VARIANCES, SIZES, MEANS, VARIANCES)
def test_swapping_arms_mirrors_everything(n: int, a: float, v: float, m: int, b: float, w: float) -> None:
    there, back = (
        welch(x, y).difference for x, y in [(moments(n, a, v), moments(m, b, w)), (moments(m, b, w), moments(n, a, v))]
    )
    np.testing.assert_array_equal(there.value, -back.value)
    np.testing.assert_allclose(there.df, back.df, rtol=1e-12)
    np.testing.assert_allclose(two_sided_p(there), two_sided_p(back), rtol=1e-9)
    np.testing.assert_allclose(interval(there, 0.05).low, -interval(back, 0.05).high, rtol=1e-9, atol=1e-12)


@given(SIZES, VARIANCES, SIZES, VARIANCES, st.floats(-10, 10), st.integers(-300, 300))
def test_the_unit_of_a_metric_does_not_matter(n: int, v: float, m: int, w: float, gap: float, exponent: int) -> None:
    """Scaling by a power of two is exact in doubles, so p must not move at all."""
    scale = 2.0**exponent
    plain = welch(moments(n, 1.0, v), moments(m, 1.0 + gap, w))
    scaled = welch(moments(n, scale, v * scale**2), moments(m, (1.0 + gap) * scale, w * scale**2))
    np.testing.assert_array_equal(plain.status, scaled.status)
    np.testing.assert_array_equal(two_sided_p(plain.difference), two_sided_p(scaled.difference))


@given(SIZES, VARIANCES, SIZES, VARIANCES, st.integers(-1000, 1000), st.integers(-(10**6), 10**6))
def test_shifting_both_arms_changes_nothing(n: int, v: float, m: int, w: float, gap: int, shift: int) -> None:
    plain = welch(moments(n, 0, v), moments(m, gap, w)).difference
    shifted = welch(moments(n, shift, v), moments(m, gap + shift, w)).difference
    np.testing.assert_array_equal(plain.value, shifted.value)
    np.testing.assert_array_equal(plain.se, shifted.se)


@given(SIZES, MEANS, VARIANCES, SIZES, MEANS, VARIANCES, st.floats(1e-6, 0.5))
def test_interval_excludes_zero_exactly_when_p_is_below_alpha(
    n: int, a: float, v: float, m: int, b: float, w: float, alpha: float
) -> None:
    difference = welch(moments(n, a, v), moments(m, b, w)).difference
    p, ci = two_sided_p(difference), interval(difference, alpha)
    if not np.isclose(p, alpha, rtol=1e-9):
        assert (p < alpha) == ((ci.low > 0) | (ci.high < 0))


@pytest.mark.parametrize(
    ("baseline", "treatment", "status"),
    [
        ((0, np.nan, np.nan), (10, 1, 1), Status.NO_UNITS),
        ((np.nan, 1, 1), (10, 1, 1), Status.NO_UNITS),
        ((1, 3, np.nan), (10, 1, 1), Status.TOO_FEW_UNITS),
        ((10, 1, 0), (10, 2, 0), Status.ZERO_VARIANCE),
        ((10, 1, np.nan), (10, 1, 1), Status.NOT_COMPUTED),
        ((10, np.nan, 1), (10, 1, 1), Status.NOT_COMPUTED),
        ((10, np.inf, 1), (10, np.inf, 1), Status.OVERFLOW),
        ((10, -1.7e308, 1), (10, 1.7e308, 1), Status.OVERFLOW),
        ((10, 1, -1), (10, 1, 4), Status.FAILED),
        ((10, 1e15, 1), (10, 1e15, 1), Status.IMPRECISE),
        ((2, -1e15, 1), (2, 1e15, 1), Status.IMPRECISE),
    ],
)
def test_undefined_comparisons_are_nan_with_a_status(
    baseline: tuple[float, ...], treatment: tuple[float, ...], status: Status
) -> None:
    result = welch(moments(*baseline), moments(*treatment))
    assert result.status == status
    difference = result.difference
    assert np.isnan([difference.value, difference.se, difference.df, two_sided_p(difference)]).all()
    assert np.isnan([interval(difference, 0.05).low, interval(difference, 0.05).high]).all()


def test_an_effect_without_variance_is_still_an_effect() -> None:
    assert welch(moments(10, 1, 0), moments(10, 3, 0)).effect == 2
    assert welch(moments(1, 1, np.nan), moments(10, 3, 1)).effect == 2


def test_one_arm_without_variance_is_tested_with_the_other_arms_degrees_of_freedom() -> None:
    difference = welch(moments(50, 0, 0), moments(20, 0.1, 0.25)).difference
    assert difference.df == 19
    assert difference.se == pytest.approx(np.sqrt(0.25 / 20))


def test_pooled_standard_error_of_unequal_arms_by_hand() -> None:
    """s²_p = (9·4 + 39·9)/48 = 8.0625; √(8.0625·(1/10 + 1/40)) = 1.0039. Not pooled: √(4/10 + 9/40) = .79."""
    result = welch(moments(10, 5, 4), moments(40, 7, 9))
    assert result.pooled_se == pytest.approx(np.sqrt(8.0625 / 8), rel=1e-14)
    assert result.difference.se == pytest.approx(np.sqrt(0.625), rel=1e-14)
    assert np.isnan(welch(moments(1, 5, np.nan), moments(40, 7, 9)).pooled_se)


@given(
    *[st.sampled_from([0, 1, 2, 3, 1e6, 1e12, np.nan])] * 2,
    *[st.sampled_from([0.0, -1e9, 1e9, 1e15, 1e-300, -1e308, 1e308, np.nan, np.inf])] * 2,
    *[st.sampled_from([0.0, 1.0, 1e-320, 5e-324, 1e300, 1e308, np.nan, np.inf, -1.0])] * 2,
)
def test_no_input_gives_half_a_result(n: float, m: float, a: float, b: float, v: float, w: float) -> None:
    result = welch(moments(n, a, v), moments(m, b, w))
    difference = result.difference
    figures = np.array([difference.value, difference.se, difference.df, two_sided_p(difference)])
    if difference.status == Status.OK:
        assert np.isfinite(figures).all()
        assert difference.se > 0
        assert 0 < result.pooled_se < np.inf
        assert 0 <= figures[3] <= 1
    else:
        assert np.isnan([*figures, result.pooled_se]).all()


def test_a_trillion_units_around_a_billion() -> None:
    """Means 1e9 and 1e9 + 2**-16 with unit variance: t = 2**-16 / sqrt(2e-12) = 10.79, p of a normal."""
    difference = welch(moments(1e12, 1e9, 1), moments(1e12, 1e9 + 2**-16, 1)).difference
    assert difference.value == 2**-16
    assert difference.se == pytest.approx(np.sqrt(2e-12), rel=1e-15)
    assert two_sided_p(difference) == pytest.approx(2 * stats.norm.sf(2**-16 / np.sqrt(2e-12)), rel=1e-9)


def test_rejection_rate_of_an_aa_test() -> None:
    """20,000 A/A experiments of 200 and 50 normal units, variances 1 and 9, seed 7.

    With p = .05 a count is Binomial(20000, .05): .05 ± 3.29·.00154 holds 99.9 %.
    """
    rng = np.random.default_rng(7)
    baseline = MeanMoments.from_values(rng.normal(0, 1, size=(20_000, 200)))
    treatment = MeanMoments.from_values(rng.normal(0, 3, size=(20_000, 50)))
    rejected = np.mean(two_sided_p(welch(baseline, treatment).difference) < 0.05)
    assert 0.0449 <= rejected <= 0.0551
