"""Adjusted p-values against R's p.adjust, families side by side, and intervals that cover together."""

import itertools
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from analysis.statistics.multiplicity import (
    CORRECTIONS,
    benjamini_hochberg,
    benjamini_yekutieli,
    bonferroni,
    e_benjamini_hochberg,
    family_sizes,
    harmonic,
    hochberg,
    holm,
    hommel,
)

REFERENCE = Path(__file__).parents[4] / "shared" / "reference" / "p_adjust.json"


R_NAMES = {
    "bonferroni": "bonferroni",
    "holm": "holm",
    "hochberg": "hochberg",
    "hommel": "hommel",
    "benjamini_hochberg": "BH",
    "benjamini_yekutieli": "BY",
}
ADJUSTMENTS = [CORRECTIONS[name].adjust for name in R_NAMES]


@pytest.mark.parametrize("name", R_NAMES)
def test_equals_r_p_adjust(name: str) -> None:
    if not REFERENCE.exists():
        pytest.skip("reference figures p_adjust.json are not beside this checkout")
    for case in json.loads(REFERENCE.read_text()).values():
        p = np.array(case["p"])
        adjusted = CORRECTIONS[name].adjust(p, np.zeros(p.size, dtype=np.int64))
        np.testing.assert_allclose(adjusted, case[R_NAMES[name]], rtol=1e-12)


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 4), st.floats(0, 1)), min_size=1, max_size=40))
def test_families_do_not_touch_each_other(comparisons: list[tuple[int, float]]) -> None:
    family, p = np.array([f for f, _ in comparisons]), np.array([p for _, p in comparisons])
    for adjust in ADJUSTMENTS:
        adjusted = adjust(p, family)
        for member in np.unique(family):
            alone = p[family == member]
            np.testing.assert_array_equal(
                adjusted[family == member], adjust(alone, np.zeros(alone.size, dtype=np.int64))
            )


def test_a_failed_comparison_counts_as_one_and_stays_nan() -> None:
    p, family = np.array([0.01, np.nan, 0.02, 0.04]), np.array([3, 3, 3, 8])
    np.testing.assert_allclose(holm(p, family), [0.03, np.nan, 0.04, 0.04])
    np.testing.assert_allclose(bonferroni(p, family), [0.03, np.nan, 0.06, 0.04])


def test_tiny_p_values_keep_their_digits_in_every_family() -> None:
    p = np.array([1e-310, 3e-300, 0.5, 1e-310, 0.2])
    np.testing.assert_allclose(holm(p, np.array([0, 0, 0, 1, 1])), [3e-310, 6e-300, 0.5, 2e-310, 0.2], rtol=1e-10)


def test_no_comparisons() -> None:
    none = np.array([], dtype=np.int64)
    assert holm(np.array([]), none).size == bonferroni(np.array([]), none).size == 0


def test_intervals_split_alpha_over_the_family() -> None:
    family, alpha = np.array([0, 0, 0, 1]), np.full(4, 0.06)
    p = np.array([0.01, np.nan, 0.5, 0.5])
    assert family_sizes(family).tolist() == [3, 3, 3, 1]
    for name in ("bonferroni", "holm"):
        np.testing.assert_allclose(CORRECTIONS[name].interval_alpha(p, family, alpha), [0.02] * 3 + [0.06])
    np.testing.assert_allclose(CORRECTIONS["none"].interval_alpha(p, family, alpha), alpha)


@settings(deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_an_adjusted_interval_that_excludes_zero_is_always_significant(values: list[float]) -> None:
    """Bonferroni's criterion p < α/m, that of the intervals, implies Holm's."""
    p, family = np.array(values), np.zeros(len(values), dtype=np.int64)
    excludes = p < CORRECTIONS["holm"].interval_alpha(p, family, np.full(p.size, 0.05))
    assert (holm(p, family)[excludes] <= 0.05 * (1 + 1e-12)).all()


def test_familywise_error_with_one_true_effect() -> None:
    """40,000 families of 5 with one strong effect, seed 41: Holm errs in at most 5 % of them.

    Four true nulls are tested at .05/4 once the effect is rejected: 1 - (1 - .0125)⁴ = .0491, ± 3.29·.00108.
    """
    rng = np.random.default_rng(41)
    p = rng.random((40_000, 5))
    p[:, 0] = 1e-9
    adjusted = holm(p.ravel(), np.repeat(np.arange(40_000), 5)).reshape(p.shape)
    assert 0.0455 <= np.mean((adjusted[:, 1:] <= 0.05).any(axis=1)) <= 0.0527


ONE = np.zeros(4, dtype=np.int64)


def test_step_up_by_hand() -> None:
    """Factors of .01, .02, .03, .9: Hochberg 4, 3, 2, 1 (2·.03 is the smaller), BH 4, 2, 4/3, 1."""
    p = np.array([0.03, 0.01, 0.9, 0.02])
    np.testing.assert_allclose(hochberg(p, ONE), [0.06, 0.04, 0.9, 0.06], rtol=1e-14)
    np.testing.assert_allclose(benjamini_hochberg(p, ONE), [0.04, 0.04, 0.9, 0.04], rtol=1e-14)
    by = np.minimum(1, np.array([0.04, 0.04, 0.9, 0.04]) * (1 + 1 / 2 + 1 / 3 + 1 / 4))
    np.testing.assert_allclose(benjamini_yekutieli(p, ONE), by, rtol=1e-14)


def test_false_discovery_rates_equal_scipy() -> None:
    rng = np.random.default_rng(42)
    for size in (1, 2, 17, 400):
        p = rng.beta(0.3, 1, size)
        family = np.zeros(size, dtype=np.int64)
        for adjust, method in ((benjamini_hochberg, "bh"), (benjamini_yekutieli, "by")):
            np.testing.assert_allclose(adjust(p, family), stats.false_discovery_control(p, method=method), rtol=1e-12)


@pytest.mark.parametrize("adjust", [hochberg, benjamini_hochberg, benjamini_yekutieli])
def test_step_up_counts_a_failed_comparison_as_one(adjust) -> None:
    p, family = np.array([0.01, np.nan, 0.02, 0.04, np.nan]), np.array([3, 3, 3, 8, 9])
    filled = np.where(np.isnan(p), 1.0, p)
    np.testing.assert_allclose(adjust(p, family), np.where(np.isnan(p), np.nan, adjust(filled, family)))


@settings(deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=30))
def test_corrections_are_ordered(values: list[float]) -> None:
    """BH ≤ Hommel ≤ Hochberg ≤ Holm ≤ Bonferroni, BH ≤ BY, none below p, and order is kept."""
    p, family = np.array(values), np.zeros(len(values), dtype=np.int64)
    by_name = {name: correction.adjust(p, family) for name, correction in CORRECTIONS.items()}
    chain = ["none", "benjamini_hochberg", "hommel", "hochberg", "holm", "bonferroni"]
    for low, high in [*itertools.pairwise(chain), ("benjamini_hochberg", "benjamini_yekutieli")]:
        assert (by_name[low] <= by_name[high] * (1 + 1e-12)).all()
    for adjusted in by_name.values():
        assert (np.diff(adjusted[np.argsort(p, kind="stable")]) >= 0).all()


def test_hommel_is_the_closed_test_of_simes() -> None:
    """Adjusted: the largest Simes p-value of the subsets that a comparison is in; 200 families of 5, seed 61."""
    p = np.random.default_rng(61).beta(0.3, 1, (200, 5))
    subsets = [list(s) for size in range(1, 6) for s in itertools.combinations(range(5), size)]
    simes = {tuple(s): np.min(np.sort(p[:, s]) * len(s) / np.arange(1, len(s) + 1), axis=1) for s in subsets}
    closed = np.stack([np.max([simes[s] for s in simes if i in s], axis=0) for i in range(5)], axis=1)
    family = np.repeat(np.arange(200), 5)
    np.testing.assert_allclose(hommel(p.ravel(), family), closed.ravel(), rtol=1e-13)


def test_step_up_keeps_tiny_p_values() -> None:
    p = np.array([1e-310, 3e-300, 0.5, 1e-310, 0.2])
    expected = [3e-310, 4.5e-300, 0.5, 2e-310, 0.2]
    np.testing.assert_allclose(benjamini_hochberg(p, np.array([0, 0, 0, 1, 1])), expected, rtol=1e-10)


def test_e_values_by_hand() -> None:
    """With m = 4, α = .05 e-BH rejects the k largest with e ≥ m/(αk): 41 ≥ 80/2 and 60 ≥ 40 go, 26 < 80/3 does not."""
    e = np.array([41.0, 60.0, 26.0, 0.0])
    assert (e_benjamini_hochberg(e, ONE) <= 0.05).tolist() == [True, True, False, False]
    np.testing.assert_allclose(e_benjamini_hochberg(e, ONE), [2 / 41, 2 / 41, 4 / 78, 1], rtol=1e-14)
    assert np.isnan(e_benjamini_hochberg(np.array([np.nan, 9, 9, 9]), ONE)[0])


def test_harmonic_numbers() -> None:
    np.testing.assert_allclose(harmonic(np.array([1, 2, 3, 100])), [1, 1.5, 11 / 6, 5.187377517639621], rtol=1e-14)


def test_false_coverage_intervals_by_hand() -> None:
    """Two of four rejected: alpha·2/4 for the family, over 25/12 under BY; nothing rejected: alpha/m."""
    p, alpha = np.array([0.001, 0.9, 0.002, np.nan, 0.7, 0.8]), np.full(6, 0.05)
    family = np.array([0, 0, 0, 0, 1, 1])
    bh = CORRECTIONS["benjamini_hochberg"].interval_alpha(p, family, alpha)
    by = CORRECTIONS["benjamini_yekutieli"].interval_alpha(p, family, alpha)
    np.testing.assert_allclose(bh, [0.025] * 4 + [0.025] * 2, rtol=1e-14)
    np.testing.assert_allclose(by, [0.012] * 4 + [0.05 / 3] * 2, rtol=1e-12)


@pytest.mark.parametrize("name", ["benjamini_hochberg", "benjamini_yekutieli"])
@settings(deadline=None)
@given(values=st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_intervals_after_selection_exclude_zero_exactly_where_significant(name: str, values: list[float]) -> None:
    p, family = np.array(values), np.zeros(len(values), dtype=np.int64)
    correction, alpha = CORRECTIONS[name], np.full(len(values), 0.05)
    level = correction.interval_alpha(p, family, alpha)
    clear = np.abs(p - level) > 1e-12
    significant = correction.adjust(p, family) <= alpha
    assert ((p < level) == significant)[clear].all()


def test_false_discovery_and_coverage_rates() -> None:
    """20,000 families of 10 with 5 effects of 3 SE, seed 43: both rates stay at .05 or below.

    BH's rate is α·m₀/m = .025 exactly under independence; the share varies by .11 per family, ±3.29·.0008.
    """
    rng = np.random.default_rng(43)
    effect = np.array([3.0] * 5 + [0.0] * 5)
    z = rng.normal(effect, 1, (20_000, 10))
    p = 2 * stats.norm.sf(np.abs(z)).ravel()
    family, alpha = np.repeat(np.arange(20_000), 10), np.full(p.size, 0.05)
    selected = (benjamini_hochberg(p, family) <= 0.05).reshape(z.shape)
    level = CORRECTIONS["benjamini_hochberg"].interval_alpha(p, family, alpha).reshape(z.shape)
    missed = np.abs(z - effect) > -stats.norm.ppf(level / 2)
    count = np.maximum(selected.sum(axis=1), 1)
    false_discoveries = (selected & (effect == 0)).sum(axis=1) / count
    assert 0.0224 <= false_discoveries.mean() <= 0.0276
    assert ((selected & missed).sum(axis=1) / count).mean() <= 0.0515
    assert CORRECTIONS["hochberg"].interval_alpha(p[:10], family[:10], alpha[:10]) == pytest.approx(0.005)
