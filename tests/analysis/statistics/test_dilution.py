"""Diluted effects by hand, and their coverage where a fifth of the units is triggered."""

import numpy as np
import pytest

from analysis.statistics.dilution import Everybody, diluted
from analysis.statistics.moments import MeanMoments
from analysis.statistics.status import Status
from analysis.statistics.student_t import interval
from analysis.statistics.welch import welch


def moments(n: float, mean: float, variance: float) -> MeanMoments:
    return MeanMoments(*(np.array([x], dtype=float) for x in (n, mean, variance, np.nan)))


def test_by_hand() -> None:
    """100 + 100 of 1,000 units are triggered, effect 2 ± √(4/100 + 5/100): .2·2 = .4 in all.

    Variance .04·.09 + 4·.2·.8/1000 = .00424. Of a mean of 5 with variance .01 that is .08, with variance
    (.00424 + 2·.08·.04·.04 + .08²·.01)/25.
    """
    estimate = welch(moments(100, 3, 4), moments(100, 5, 5))
    found = diluted(estimate, Everybody(np.array([1000.0]), np.array([5.0]), np.array([0.01])))
    assert found.share == pytest.approx(0.2)
    assert found.effect.value == pytest.approx(0.4)
    assert found.effect.se == pytest.approx(np.sqrt(0.00424))
    assert found.relative.value == pytest.approx(0.08)
    assert found.relative.se == pytest.approx(np.sqrt((0.00424 + 2 * 0.08 * 0.04 * 0.04 + 0.08**2 * 0.01) / 25))


def test_everybody_triggered_is_the_plain_effect() -> None:
    estimate = welch(moments(100, 3, 4), moments(150, 5, 5))
    found = diluted(estimate, Everybody(np.array([250.0]), np.array([3.0]), np.array([0.04])))
    assert found.effect.value == pytest.approx(2) and found.effect.se == pytest.approx(estimate.difference.se)


def test_coverage_and_precision() -> None:
    """5,000 experiments of 2,000 + 1,000 units, a fifth triggered; .95 ± 3.29·.0031 holds 99.9 %."""
    rng = np.random.default_rng(1)
    runs, sizes, effect = 5_000, (2_000, 1_000), 0.5
    triggered, plain = [], []
    for n, added in zip(sizes, (0.0, effect), strict=True):
        count = rng.binomial(n, 0.2, runs)
        sums = rng.normal(count * (3 + added), np.sqrt(count))
        within = rng.chisquare(count - 1)
        triggered.append(MeanMoments(count.astype(float), sums / count, within / (count - 1), np.full(runs, np.nan)))
        others = rng.normal((n - count) * 1.0, np.sqrt(n - count))
        plain.append((sums + others) / n)
    # A unit's variance in all: 1 within, .16·4 between the triggered and others.
    everybody = Everybody(np.full(runs, 3_000.0), plain[0], np.full(runs, (1 + 0.16 * 4) / sizes[0]))
    found = diluted(welch(*triggered), everybody)
    for contrast, truth in ((found.effect, 0.2 * effect), (found.relative, 0.2 * effect / 1.4)):
        ci = interval(contrast, 0.05)
        assert 0.9399 <= np.mean((ci.low < truth) & (ci.high > truth)) <= 0.9601
    assert np.mean(found.effect.se) < 0.5 * np.std(plain[1] - plain[0])


def test_what_is_undefined_has_a_status() -> None:
    estimate = welch(moments(100, 3, 4), moments(100, 5, 5))
    more = diluted(estimate, Everybody(np.array([150.0]), np.array([5.0]), np.array([0.01])))
    assert more.effect.status == Status.FAILED and np.isnan(more.effect.value)
    zero = diluted(estimate, Everybody(np.array([1000.0]), np.array([0.0]), np.array([0.01])))
    assert zero.effect.status == Status.OK and zero.relative.status == Status.ZERO_BASELINE
    nobody = diluted(welch(moments(0, np.nan, np.nan), moments(10, 1, 1)), Everybody(*np.full((3, 1), 100.0)))
    assert nobody.effect.status == Status.NO_UNITS and np.isnan(nobody.effect.se)
    unknown = diluted(estimate, Everybody(np.array([1000.0]), np.array([5.0]), np.array([np.nan])))
    assert unknown.effect.status == Status.OK and unknown.relative.status == Status.NOT_COMPUTED
