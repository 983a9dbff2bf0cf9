"""Batched OLS and adaptively weighted AIPW against unit-level computations by others, and what cannot be estimated."""

from dataclasses import replace

import numpy as np
import pytest
import statsmodels.api as sm

from analysis.bandits.adaptive_weights import arm_values, effects
from analysis.bandits.batched_ols import batched_ols
from analysis.bandits.batches import Batches, balanced, has_few_events, pooled
from analysis.bandits.regret import gain_over_uniform, regret
from analysis.statistics.status import Status
from analysis.statistics.student_t import two_sided_p

# Twenty units in three batches: arm, reward, and the propensities of each batch.
ARM = np.array([0, 0, 1, 1, 2, 2, 0, 1, 1, 1, 2, 2, 0, 0, 1, 2, 2, 2, 2, 2])
REWARD = np.array([1, 3, 2, 5, 4, 7, 2, 4, 3, 5, 6, 9, 0, 4, 3, 8, 6, 7, 5, 9.0])
BATCH = np.repeat([0, 1, 2], [6, 6, 8])
PROPENSITY = np.array([[1 / 3, 1 / 3, 1 / 3], [0.25, 0.25, 0.5], [0.2, 0.2, 0.6]])


def batches_of(arm: np.ndarray, reward: np.ndarray, batch: np.ndarray, propensity: np.ndarray) -> Batches:
    cells = [[reward[(batch == b) & (arm == k)] for k in range(propensity.shape[1])] for b in range(len(propensity))]
    n = np.array([[len(cell) for cell in row] for row in cells], dtype=float)
    mean = np.array([[cell.mean() if len(cell) else np.nan for cell in row] for row in cells])
    variance = np.array([[cell.var(ddof=1) if len(cell) > 1 else np.nan for cell in row] for row in cells])
    return Batches.of(n, mean, variance, propensity)


TWENTY = batches_of(ARM, REWARD, BATCH, PROPENSITY)


def simulated(seed: int = 5, units: int = 400) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    propensity = np.array([[0.5, 0.25, 0.25], [0.2, 0.3, 0.5], [0.1, 0.1, 0.8], [0.3, 0.6, 0.1]])
    batch = np.repeat(np.arange(4), units)
    arm = np.concatenate([rng.choice(3, units, p=row) for row in propensity])
    return arm, rng.gamma(2.0, 1 + 0.3 * arm) + batch, batch, propensity


def test_adaptive_weights_give_the_authors_figures() -> None:
    """Computed with aw_scores, aw_estimate and aw_stderr of the authors' package, unit by unit.

    gsbDBI/adaptive-confidence-intervals, adaptive_CI/inference.py, with evaluation weights √e and, of the
    contrasts, (1/e + 1/e_0)^-½ on differences of scores.
    """
    values = arm_values(TWENTY)
    np.testing.assert_allclose(values.value, [2.0, 3.72749466, 6.58469786], atol=5e-9)
    np.testing.assert_allclose(values.se, [0.67540909, 0.51832357, 0.52885709], atol=5e-9)
    found = effects(TWENTY)
    np.testing.assert_allclose(found.value[1:], [1.72749466, 4.49759294], atol=5e-9)
    np.testing.assert_allclose(found.se[1:], [0.85137346, 0.90258578], atol=5e-9)
    assert found.status[0] == Status.ZERO_VARIANCE and np.isnan(found.value[0])


def test_batched_ols_is_a_weighted_sum_of_regressions() -> None:
    """Per batch and pair of arms a regression by statsmodels; HC2 is then s²/n of each arm."""
    arm, reward, batch, propensity = simulated()
    found = batched_ols(batches_of(arm, reward, batch, propensity))
    for k in (1, 2):
        effect, error, planned = [], [], []
        within = [
            np.average(
                [reward[(batch == b) & (arm == a)].var(ddof=1) for b in range(4)],
                weights=[(np.sum((batch == b) & (arm == a)) - 1) for b in range(4)],
            )
            for a in (0, k)
        ]
        for b in range(4):
            here = (batch == b) & np.isin(arm, (0, k))
            fit = sm.OLS(reward[here], sm.add_constant((arm[here] == k).astype(float))).fit(cov_type="HC2")
            effect.append(fit.params[1])
            error.append(fit.bse[1])
            counts = [np.sum(here & (arm == a)) for a in (0, k)]
            planned.append(np.sqrt(sum(v / n for v, n in zip(within, counts, strict=True))))
        weight = 1 / np.array(planned)
        assert found.value[k] == pytest.approx(np.average(effect, weights=weight), rel=1e-10)
        assert found.se[k] == pytest.approx(np.sqrt(np.sum((weight * error) ** 2)) / weight.sum(), rel=1e-10)


def test_one_batch_is_welchs_test() -> None:
    from scipy import stats

    arm, reward, batch, propensity = simulated()
    here = batch == 0
    found = batched_ols(batches_of(arm[here], reward[here], batch[here], propensity[:1]))
    welch = stats.ttest_ind(reward[here & (arm == 2)], reward[here & (arm == 0)], equal_var=False)
    assert two_sided_p(found)[2] == pytest.approx(welch.pvalue, rel=1e-9)
    assert found.df[2] == pytest.approx(welch.df, rel=1e-9)


def test_a_shift_of_one_batch_moves_no_effect_of_batched_ols() -> None:
    """Weekends do not look like effects."""
    arm, reward, batch, propensity = simulated()
    plain = batches_of(arm, reward, batch, propensity)
    shifted = batches_of(arm, reward + 100.0 * (batch == 2), batch, propensity)
    for one, other in zip((plain, batched_ols(plain)), (shifted, batched_ols(shifted)), strict=True):
        if hasattr(one, "se"):
            np.testing.assert_allclose(one.value[1:], other.value[1:], rtol=1e-9)
            np.testing.assert_allclose(one.se[1:], other.se[1:], rtol=1e-9)
    np.testing.assert_allclose(balanced(shifted).mean - balanced(plain).mean, 25.0)
    assert np.ptp(pooled(shifted).mean - pooled(plain).mean) > 10


def test_batches_without_units_change_nothing() -> None:
    empty = Batches.of(
        *(np.insert(getattr(TWENTY, name), 1, np.nan if name == "mean" else 0.0, axis=0) for name in ("n", "mean")),
        np.insert(TWENTY.variance, 1, np.nan, axis=0),
        np.insert(TWENTY.propensity, 1, np.nan, axis=0),
    )
    for method in (batched_ols, effects, arm_values):
        with_empty, without = method(empty), method(TWENTY)
        np.testing.assert_allclose(with_empty.value, without.value, rtol=1e-12)
        np.testing.assert_allclose(with_empty.se, without.se, rtol=1e-12)


def test_runs_side_by_side_equal_runs_alone() -> None:
    arm, reward, batch, propensity = simulated()
    one, other = (batches_of(arm, r, batch, propensity) for r in (reward, reward**2))
    both = Batches(*(np.stack([getattr(b, f) for b in (one, other)]) for f in ("n", "mean", "variance", "propensity")))
    for method in (batched_ols, effects, arm_values, gain_over_uniform):
        together = method(both)
        for index, alone in enumerate((one, other)):
            np.testing.assert_array_equal(together.value[index], method(alone).value)
            np.testing.assert_array_equal(together.se[index], method(alone).se)


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"n": np.zeros((3, 3))}, Status.NO_UNITS),
        ({"propensity": np.full((3, 3), 0.5)}, Status.FAILED),
        ({"propensity": np.array([[0.5, 0.5, 0.0]] * 3)}, Status.FAILED),
        ({"variance": np.full((3, 3), -1.0)}, Status.FAILED),
        ({"propensity": np.full((3, 3), np.nan)}, Status.NOT_COMPUTED),
        ({"mean": np.full((3, 3), np.inf)}, Status.OVERFLOW),
        ({"variance": np.zeros((3, 3)), "mean": np.ones((3, 3))}, Status.ZERO_VARIANCE),
    ],
)
def test_what_cannot_be_estimated_has_a_status_and_no_number(change: dict, status: Status) -> None:
    broken = replace(TWENTY, **change)
    for method in (batched_ols, effects, arm_values):
        found = method(broken)
        assert (found.status[1:] == status).all()
        assert np.isnan(found.value).all() and np.isnan(found.se).all()
    assert gain_over_uniform(broken).status == status


def test_an_arm_without_units_fails_alone() -> None:
    n = TWENTY.n.copy()
    n[:, 1] = 0
    broken = replace(TWENTY, n=n)
    for method in (batched_ols, effects):
        found = method(broken)
        assert list(found.status[1:]) == [Status.NO_UNITS, Status.OK]


def test_regret_by_hand() -> None:
    """900 units at 0, 100 at 1 lose 900; an equal split loses 500. Fewer is better: 100 against 500."""
    lost = regret(np.array([900.0, 100.0]), np.array([0.0, 1.0]))
    assert (lost.bandit, lost.uniform, lost.saved) == (900, 500, pytest.approx(-0.8))
    fewer = regret(np.array([900.0, 100.0]), np.array([0.0, 1.0]), -1.0)
    assert (fewer.bandit, fewer.uniform, fewer.saved) == (100, 500, pytest.approx(0.8))
    assert np.isnan(regret(np.array([9.0, 1.0]), np.array([1.0, 1.0])).saved)


def test_the_gain_over_an_equal_split_by_hand() -> None:
    """Batch 1 is even and adds nothing; batch 2 of 100 units: 100·(.3·.2 - .3·.1) = 3."""
    batches = Batches.of(
        np.array([[50.0, 50], [20, 80]]),
        np.array([[0.9, 0.1], [0.1, 0.2]]),
        np.full((2, 2), 0.25),
        np.array([[0.5, 0.5], [0.2, 0.8]]),
    )
    found = gain_over_uniform(batches)
    assert found.value == pytest.approx(3.0)
    assert found.se == pytest.approx(np.sqrt(100**2 * 0.3**2 * 0.25 * (1 / 20 + 1 / 80)))


def test_arms_with_fewer_than_a_hundred_events_are_marked() -> None:
    """Two batches of 500 units at 20 %, 9.8 %, 95 %: 200 events; 98; 50 non-events."""
    mean = np.array([[0.2, 0.096, 0.95], [0.2, 0.1, 0.95]])
    batches = Batches.of(np.full((2, 3), 500.0), mean, mean * (1 - mean), np.full((2, 3), 1 / 3))
    assert list(has_few_events(batches)) == [False, True, True]
