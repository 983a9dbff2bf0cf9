"""The speed benchmark measures what it says, and what it compares with computes the same."""

import numpy as np
import pytest

from benchmarks.statistics import SIZES, Method, Rates, describe_statistics, measure, methods, peers


def prepared(name: str, n: int):
    return next(method for method in [*methods(), *peers()] if method.name.startswith(name)).prepare(n)()


def test_scipy_gets_the_same_moments() -> None:
    p, _ = prepared("Welch", 50)
    np.testing.assert_allclose(prepared("scipy `ttest_ind_from_stats`, vectorised", 50).pvalue, p, rtol=1e-9)
    in_a_loop = prepared("scipy `ttest_ind_from_stats`, in a loop", 50)
    np.testing.assert_allclose([one.pvalue for one in in_a_loop], p, rtol=1e-9)


@pytest.mark.parametrize(
    ("theirs", "ours", "tolerance"),
    [
        ("tea-tasting `Mean`, in", "Welch", 1e-9),
        # Theirs pools θ over both arms together, effect and all; ours within arms.
        ("tea-tasting `Mean` with covariate", "CUPED: p-value", 1e-3),
        ("tea-tasting `RatioOfMeans`", "ratio", 1e-9),
    ],
)
def test_tea_tasting_gets_the_same_moments(theirs: str, ours: str, tolerance: float) -> None:
    pytest.importorskip("tea_tasting", reason="tea-tasting is not installed")
    _, interval = prepared(ours, 20)
    found = prepared(theirs, 20)
    width = interval.high - interval.low
    np.testing.assert_array_less(np.abs([one.effect_size_ci_lower for one in found] - interval.low), tolerance * width)
    np.testing.assert_array_less(np.abs([one.effect_size_ci_upper for one in found] - interval.high), tolerance * width)


def test_every_method_of_ours_is_measured_at_a_small_size() -> None:
    found = measure(methods(), (2,), runs=1)
    assert [one.name for one in found] == [method.name for method in methods()]
    assert all(one.rates[2][0] > 0 for one in found)


def test_runs_alternate_and_a_limit_ends_them() -> None:
    calls: list[str] = []

    def named(name: str) -> Method:
        return Method(name, lambda n: lambda: calls.append(name) or sum(range(2_000_000)), limit=1)

    found = measure([named("first"), named("second")], (1, 100), runs=2)
    order = [name for name, before in zip(calls, ["", *calls], strict=False) if name != before]
    assert order == ["first", "second", "first", "second"]
    assert [list(one.rates) for one in found] == [[1], [1]]


def test_the_table_shows_medians_goals_and_what_is_left_out() -> None:
    fast = Rates("fast", 1000, {n: [1.0, 123_456.0, 9e9] for n in SIZES})
    slow = Rates("slow", 1000, {1: [10.0]})
    caption, table, note = describe_statistics([fast, slow, Rates("absent", 0, {}, "not installed")])
    assert "CPU seconds" in caption
    assert "| fast | 123,000 | 123,000 | 123,000 | 123,000 | 1,000 | yes |" in table
    assert "| slow | 10 | – | – | – | 1,000 | **no** |" in table
    assert note == "absent is left out: not installed."
