"""Adjusted p-values against R's p.adjust, families side by side, and intervals that cover together."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.statistics.multiplicity import CORRECTIONS, bonferroni, family_sizes, holm

REFERENCE = Path(__file__).parents[4] / "shared" / "reference" / "p_adjust.json"


@pytest.mark.parametrize("name", ["bonferroni", "holm"])
def test_equals_r_p_adjust(name: str) -> None:
    if not REFERENCE.exists():
        pytest.skip("reference figures p_adjust.json are not beside this checkout")
    for case in json.loads(REFERENCE.read_text()).values():
        p = np.array(case["p"])
        adjusted = CORRECTIONS[name].adjust(p, np.zeros(p.size, dtype=np.int64))
        np.testing.assert_allclose(adjusted, case[name], rtol=1e-12)


@given(st.lists(st.tuples(st.integers(0, 4), st.floats(0, 1)), min_size=1, max_size=40))
def test_families_do_not_touch_each_other(comparisons: list[tuple[int, float]]) -> None:
    family, p = np.array([f for f, _ in comparisons]), np.array([p for _, p in comparisons])
    for adjust in (holm, bonferroni):
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
