"""Tail probabilities of Student's t far beyond what a double's normal range holds."""

import numpy as np
import pytest
from scipy import stats

from analysis.statistics.student_t import _log_far_tail, upper_tail


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
