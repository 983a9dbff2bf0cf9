"""Values of other policies against statsmodels on unit-level logs, and their double robustness."""

from dataclasses import replace

import numpy as np
import pytest
import statsmodels.api as sm

from analysis.bandits.off_policy import (
    LoggedRewards,
    doubly_robust,
    inverse_propensity,
    is_thin,
    self_normalised,
)
from analysis.statistics.status import Status

CELLS, ARMS = 4, 3


def unit_log(seed: int = 2, units: int = 3_000) -> tuple[np.ndarray, ...]:
    rng = np.random.default_rng(seed)
    propensity = rng.dirichlet(np.full(ARMS, 5.0), CELLS)
    target = rng.dirichlet(np.full(ARMS, 5.0), CELLS)
    cell = rng.integers(CELLS, size=units)
    arm = np.array([rng.choice(ARMS, p=propensity[c]) for c in cell])
    reward = rng.gamma(2.0, 1.0 + arm + cell)
    return cell, arm, reward, propensity, target


def logged(cell: np.ndarray, arm: np.ndarray, reward: np.ndarray, e: np.ndarray, target: np.ndarray) -> LoggedRewards:
    groups = [[reward[(cell == c) & (arm == k)] for k in range(ARMS)] for c in range(CELLS)]
    n, mean, variance = (
        np.array([[f(g) for g in row] for row in groups]) for f in (len, np.mean, lambda g: g.var(ddof=1))
    )
    return LoggedRewards.of(n, mean, variance, e, target)


def test_all_three_equal_regressions_on_units() -> None:
    cell, arm, reward, propensity, target = unit_log()
    log = logged(cell, arm, reward, propensity, target)
    weight = (target / propensity)[cell, arm]
    ones = np.ones_like(reward)

    plain = sm.OLS(weight * reward, ones).fit()
    ips = inverse_propensity(log)
    assert (ips.value, ips.se) == pytest.approx((plain.params[0], plain.bse[0]), rel=1e-10)

    weighted = sm.WLS(reward, ones, weights=weight).fit(cov_type="HC0")
    snips = self_normalised(log)
    assert (snips.value, snips.se) == pytest.approx((weighted.params[0], weighted.bse[0]), rel=1e-10)

    model = np.add.outer(np.arange(CELLS), np.arange(ARMS)) + 1.0
    score = (target * model).sum(axis=1)[cell] + weight * (reward - model[cell, arm])
    scores = sm.OLS(score, ones).fit()
    robust = doubly_robust(log, model)
    assert (robust.value, robust.se) == pytest.approx((scores.params[0], scores.bse[0]), rel=1e-10)
    assert log.effective_units == pytest.approx(weight.sum() ** 2 / (weight**2).sum(), rel=1e-12)


def test_the_logging_policy_itself_is_worth_the_mean() -> None:
    cell, arm, reward, propensity, _ = unit_log()
    log = logged(cell, arm, reward, propensity, propensity)
    for found in (inverse_propensity(log), self_normalised(log), doubly_robust(log, np.full((CELLS, ARMS), 7.0))):
        assert found.value == pytest.approx(reward.mean(), rel=1e-10)
        assert found.se == pytest.approx(reward.std() / np.sqrt(reward.size), rel=1e-3)


def test_a_model_makes_it_sharper_and_a_wrong_one_does_not_bias() -> None:
    cell, arm, reward, propensity, target = unit_log(units=20_000)
    log = logged(cell, arm, reward, propensity, target)
    truth_model = 2.0 * (1.0 + np.add.outer(np.arange(CELLS), np.arange(ARMS)))
    truth = np.mean((target * truth_model).sum(axis=1))
    good, none, wrong = (doubly_robust(log, m) for m in (truth_model, np.zeros((CELLS, ARMS)), truth_model * 3))
    assert good.se < none.se < wrong.se
    for found in (good, none, wrong):
        assert abs(found.value - truth) < 4 * found.se


def test_a_shift_of_rewards_moves_self_normalised_values_by_it() -> None:
    cell, arm, reward, propensity, target = unit_log()
    plain, shifted = (self_normalised(logged(cell, arm, reward + c, propensity, target)) for c in (0.0, 1e9))
    assert shifted.value - 1e9 == pytest.approx(plain.value, abs=1e-5)
    assert shifted.se == pytest.approx(plain.se, rel=1e-6)


def test_a_policy_that_plays_what_was_never_played_has_no_value() -> None:
    cell, arm, reward, propensity, target = unit_log()
    log = logged(cell, arm, reward, propensity, target)
    never = propensity.copy()
    never[1, 2] = 0.0
    counts = log.n.copy()
    counts[1, 2] = 0
    for method in (inverse_propensity, self_normalised, doubly_robust):
        assert method(replace(log, propensity=never, n=counts)).status == Status.FAILED
        assert method(replace(log, n=np.zeros_like(log.n))).status == Status.NO_UNITS
        assert method(replace(log, propensity=np.full_like(never, np.nan))).status == Status.NOT_COMPUTED
        # An arm that neither policy plays is no obstacle.
        silent = target.copy()
        silent[1] = [0.5, 0.5, 0.0]
        assert method(replace(log, propensity=never, n=counts, target=silent)).status == Status.OK


def test_a_log_of_few_effective_units_is_thin() -> None:
    n = np.array([[9_900.0, 100.0]])
    log = LoggedRewards.of(n, np.zeros((1, 2)), np.ones((1, 2)), np.array([[0.99, 0.01]]), np.array([[0.1, 0.9]]))
    assert log.effective_units == pytest.approx(123.0, abs=0.5)
    assert not is_thin(log)
    assert is_thin(replace(log, n=n / 10))
