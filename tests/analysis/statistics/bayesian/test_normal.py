"""Normal posteriors against quadrature and scipy, limits of the prior, calibration."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, stats

from analysis.statistics.bayesian.normal import (
    FLAT,
    Posterior,
    Prior,
    chance_to_beat,
    credible_interval,
    expected_loss,
    is_acceptable,
    posterior,
    rope_probability,
)
from analysis.statistics.estimate import Contrast
from analysis.statistics.student_t import interval


def contrast(value, se, df=1e9) -> Contrast:
    value, se = np.asarray(value, dtype=float), np.asarray(se, dtype=float)
    return Contrast(value, se, np.full(value.shape, df), np.zeros(value.shape, dtype=np.int8))


def normal(mean: float, sd: float) -> Posterior:
    return Posterior(np.asarray(mean), np.asarray(sd), np.zeros((), dtype=np.int8))


def test_update_by_hand() -> None:
    """Prior 0 ± 1 and estimate 2 ± .5: precisions 1 and 4, so mean 8/5 and variance 1/5."""
    result = posterior(contrast(2, 0.5), Prior(0, 1))
    assert (result.mean, result.sd) == (pytest.approx(1.6), pytest.approx(np.sqrt(0.2)))


def test_flat_prior_is_the_z_interval_and_the_one_sided_p_value() -> None:
    difference = contrast([1.3, -0.2], [0.7, 0.1])
    result = posterior(difference, FLAT)
    ci, frequentist = credible_interval(result, 0.05), interval(difference, 0.05)
    np.testing.assert_allclose([ci.low, ci.high], [frequentist.low, frequentist.high], rtol=1e-7)
    np.testing.assert_allclose(chance_to_beat(result, 1.0), stats.norm.cdf([1.3 / 0.7, -2]), rtol=1e-12)
    np.testing.assert_allclose(chance_to_beat(result, -1.0), stats.norm.sf([1.3 / 0.7, -2]), rtol=1e-12)


@pytest.mark.parametrize(("mean", "sd", "sign"), [(0.4, 1.0, 1), (0.4, 1.0, -1), (-2.0, 0.5, 1), (0.0, 2.0, 1)])
def test_losses_equal_quadrature(mean: float, sd: float, sign: int) -> None:
    loss = expected_loss(normal(mean, sd), sign)
    for ours, side in ((loss.treatment, -sign), (loss.baseline, sign)):
        density = stats.norm(side * mean, sd).pdf
        theirs = integrate.quad(lambda d, f=density: d * f(d), 0, 12 * sd + abs(mean), epsabs=0, epsrel=1e-10)[0]
        assert ours == pytest.approx(theirs, rel=1e-7)
    assert loss.baseline - loss.treatment == pytest.approx(sign * mean, abs=1e-14)


@pytest.mark.parametrize("z", [5.0, 20.0, 37.0])
def test_tiny_losses_keep_their_digits(z: float) -> None:
    """∫ of the normal's tail from z on, scaled by φ(z) so that quadrature can see it."""
    scaled = integrate.quad(lambda u: u * np.exp(-u * z - u * u / 2), 0, np.inf, epsabs=0, epsrel=1e-12)[0]
    assert expected_loss(normal(z, 1.0), 1).treatment == pytest.approx(scaled * stats.norm.pdf(z), rel=1e-9)


def test_rope_by_hand_and_in_the_far_tail() -> None:
    assert rope_probability(normal(0, 1), -1.0, 1.0) == pytest.approx(0.6826894921370859, rel=1e-12)
    for mean in (30.0, -30.0):
        assert rope_probability(normal(mean, 1), -1.0, 1.0) == pytest.approx(stats.norm.sf(29), rel=1e-10)


def test_thresholds_need_a_number() -> None:
    assert is_acceptable(np.array([1e-4, 2e-4, np.nan]), 1e-4).tolist() == [True, False, False]


@pytest.mark.parametrize("prior", [{"sd": 0}, {"sd": -1}, {"sd": np.nan}, {"mean": np.inf}])
def test_priors_that_are_none(prior: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="prior"):
        Prior(**prior)


def test_what_has_no_test_has_no_posterior() -> None:
    nothing = Contrast(*(np.array([np.nan]) for _ in range(3)), np.full(1, 7, dtype=np.int8))
    result = posterior(nothing, Prior(0, 1))
    loss = expected_loss(result, 1.0)
    assert result.status == 7
    assert np.isnan([result.mean, result.sd, chance_to_beat(result, 1.0), loss.treatment, loss.baseline]).all()


@settings(deadline=None)
@given(st.floats(-1e9, 1e9), st.floats(1e-3, 1e6), st.floats(-1e3, 1e3), st.floats(1e-3, 1e9))
def test_swapping_arms_mirrors_everything(value: float, se: float, mean: float, sd: float) -> None:
    here = posterior(contrast(value, se), Prior(mean, sd))
    there = posterior(contrast(-value, se), Prior(-mean, sd))
    assert chance_to_beat(here, 1.0) == pytest.approx(chance_to_beat(there, -1.0), rel=1e-12)
    loss, mirrored = expected_loss(here, 1.0), expected_loss(there, -1.0)
    assert (loss.treatment, loss.baseline) == (mirrored.treatment, mirrored.baseline)
    assert min(value, mean) - 1e-6 * abs(value) <= here.mean <= max(value, mean) + 1e-6 * abs(value)
    assert here.sd <= min(se, sd) * (1 + 1e-12)


def test_coverage_averaged_over_an_informative_prior() -> None:
    """10,000 effects drawn from the prior .1 ± .2, SE .3, seed 81: [.9427, .9570]; the chance is calibrated."""
    rng = np.random.default_rng(81)
    effect = rng.normal(0.1, 0.2, 10_000)
    result = posterior(contrast(rng.normal(effect, 0.3), np.full(10_000, 0.3)), Prior(0.1, 0.2))
    ci, chance = credible_interval(result, 0.05), chance_to_beat(result, 1.0)
    assert 0.9427 <= np.mean((ci.low < effect) & (effect < ci.high)) <= 0.9570
    sure = chance > 0.8
    assert np.mean(effect[sure] > 0) == pytest.approx(chance[sure].mean(), abs=3.29 * 0.4 / np.sqrt(sure.sum()))
    loss = expected_loss(result, 1.0).treatment
    assert np.maximum(0, -effect).mean() == pytest.approx(loss.mean(), abs=3.29 * 0.1 / 100)
