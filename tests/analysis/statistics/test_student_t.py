"""Tail probabilities of Student's t far beyond what a double's normal range holds."""

import numpy as np
import pytest
from scipy import special, stats

from analysis.statistics.student_t import _log_far_tail, upper_quantile, upper_tail


def test_far_tails_of_a_normal_to_the_last_representable_digit() -> None:
    """At 1e12 degrees of freedom t⁴/4df is below 1e-5, so the normal's log tail is the reference."""
    z = np.array([10.0, 20.0, 30.0, 37.0, 38.0])
    tail = upper_tail(z, np.full(5, 1e12))
    np.testing.assert_allclose(np.log(tail), stats.norm.logsf(z), rtol=1e-8)
    assert upper_tail(np.array(38.47), np.array(1e12)) == 5e-324  # the smallest double: true value 4.5e-324
    assert upper_tail(np.array(38.6), np.array(1e12)) == 0.0  # true value 2.9e-326


def test_far_tail_formula_agrees_with_scipy_where_both_hold() -> None:
    for df in (21.0, 57.3, 1e3, 1e8):
        t = -stats.t.ppf(1e-200, df)
        np.testing.assert_allclose(np.exp(_log_far_tail(np.array([t]), np.array([df]))), 1e-200, rtol=1e-9)


def test_far_tail_with_few_degrees_of_freedom_follows_its_power_law() -> None:
    """P(T > t) ~ c·t^-df: with 22 degrees of freedom a factor of 10 in t is one of 1e22 in p."""
    near, far = upper_tail(np.array([1e13, 1e14]), np.array([22.0, 22.0]))
    assert far == pytest.approx(near / 1e22, rel=1e-9)
    assert 0 < far < 1e-290


def test_tails_are_one_sided_complements() -> None:
    t = np.array([-3.0, 0.0, 1.5])
    np.testing.assert_allclose(upper_tail(t, np.array(7.5)) + upper_tail(-t, np.array(7.5)), 1, rtol=1e-15)


def test_nan_stays_nan() -> None:
    assert np.isnan(upper_tail(np.array([np.nan, 1.0]), np.array([5.0, np.nan]))).all()


def test_quantiles_leave_their_tail() -> None:
    """On both sides of where the expansion takes over; a relative error e of t is about t²·e of the tail."""
    random = np.random.default_rng(1)
    df, tail = 10 ** random.uniform(0.5, 9, 20_000), 10 ** random.uniform(-10, np.log10(0.5), 20_000)
    t = upper_quantile(tail, df)
    found = special.stdtr(df, -t)
    np.testing.assert_allclose(found, tail, rtol=1e-11)
    mirrored = upper_quantile(1 - np.array([0.1, 0.3]), np.array([5.0, 1e5]))
    np.testing.assert_allclose(mirrored, -upper_quantile(np.array([0.1, 0.3]), np.array([5.0, 1e5])), rtol=1e-14)


@pytest.mark.parametrize("tail", [0.4999, 0.2, 0.025, 0.013])
def test_quantiles_are_continuous_where_the_expansion_takes_over(tail: float) -> None:
    below, above = upper_quantile(np.asarray(tail), np.array([1000 * (1 - 1e-15), 1000.0]))
    assert below == pytest.approx(above, rel=1e-13)


def test_quantiles_at_the_edges() -> None:
    assert upper_quantile(np.asarray(0.025), np.asarray(np.inf)) == -special.ndtri(0.025)
    t = upper_quantile(np.array([0.025, np.nan, 0.025, 1e-300]), np.array([np.nan, 9.0, 1e4, 1e4]))
    assert np.isnan(t).tolist() == [True, True, False, False]
    assert t[3] == -special.stdtrit(1e4, 1e-300)  # too far out for the expansion
