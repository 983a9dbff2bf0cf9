"""Every registered estimator, from units: shifted, scaled, with swapped arms, and with a day's units split in two."""

import numpy as np
import pytest

from analysis.statistics.moments import JointMoments, MeanMoments
from analysis.statistics.registry import ESTIMATORS, STRATUM_MOMENTS

NAMES = [
    (0, "mean", "variance"),
    (1, "denominator_mean", "denominator_variance"),
    (2, "covariate_mean", "covariate_variance"),
]
COVARIANCES = {
    "denominator_covariance": (0, 1),
    "covariate_covariance": (0, 2),
    "no_history_covariance": (0, 3),
    "denominator_covariate_covariance": (1, 2),
    "denominator_no_history_covariance": (1, 3),
    "covariate_no_history_covariance": (2, 3),
}
RATIOS = sorted(name for name in ESTIMATORS if "ratio" in name)
MEANS = sorted(set(ESTIMATORS) - set(RATIOS))


def units(seed: int, n: int) -> np.ndarray:
    """Value, denominator, covariate (0 without history), no history; a third of the units is new."""
    rng = np.random.default_rng(seed)
    level, is_new = rng.gamma(2, 5, n), rng.random(n) < 1 / 3
    before = np.where(is_new, 0.0, level + rng.normal(0, 3, n))
    return np.stack([level + rng.normal(0, 3, n), rng.poisson(2, n) + 1.0, before, is_new])


def columns(values: np.ndarray) -> dict[str, np.ndarray]:
    """One arm's row of fct_metric_moments, and its rows by stratum: with history and without."""
    strata = [moments(values[:, values[3] == is_new]) for is_new in (0, 1)]
    by_stratum = {f"stratum_{name}": np.array([[one[name] for one in strata]]) for name in STRATUM_MOMENTS}
    return {name: np.array([value]) for name, value in moments(values).items()} | by_stratum


def moments(values: np.ndarray) -> dict[str, float]:
    joint = JointMoments.from_values(*values)
    row = {"n_units": values.shape[1], "no_history_share": joint.mean[3]}
    row["third_central_moment"] = MeanMoments.from_values(values[0]).third_central_moment
    row |= {name: joint.mean[i] for i, name, _ in NAMES}
    row |= {name: joint.covariance[i, i] for i, _, name in NAMES}
    row |= {name: joint.covariance[at] for name, at in COVARIANCES.items()}
    return {name: float(value) for name, value in row.items()}


def found(name: str, baseline: np.ndarray, treatment: np.ndarray) -> tuple[float, float, float]:
    difference = ESTIMATORS[name](columns(baseline), columns(treatment)).difference
    return float(difference.value[0]), float(difference.se[0]), float(difference.df[0])


ARMS = units(1, 400), units(2, 700)


@pytest.mark.parametrize("name", ESTIMATORS)
def test_swapped_arms_turn_the_effect(name: str) -> None:
    value, se, df = found(name, *ARMS)
    assert found(name, *ARMS[::-1]) == pytest.approx((-value, se, df), rel=1e-9)


@pytest.mark.parametrize("name", ESTIMATORS)
@pytest.mark.parametrize("scale", [1e-6, 3.0, 1e5])
def test_another_unit_of_the_value_scales_effect_and_error(name: str, scale: float) -> None:
    """The covariate keeps its own unit."""
    value, se, df = found(name, *ARMS)
    scaled = [arm * np.array([[scale], [1], [1], [1]]) for arm in ARMS]
    assert found(name, *scaled) == pytest.approx((value * scale, se * scale, df), rel=1e-8)


@pytest.mark.parametrize("name", RATIOS)
def test_another_unit_of_the_denominator_scales_the_other_way(name: str) -> None:
    value, se, df = found(name, *ARMS)
    scaled = [arm * np.array([[1], [8.0], [1], [1]]) for arm in ARMS]
    assert found(name, *scaled) == pytest.approx((value / 8, se / 8, df), rel=1e-8)


@pytest.mark.parametrize("name", MEANS)
@pytest.mark.parametrize("shift", [-40.0, 1e6])
def test_a_shift_of_all_values_changes_nothing(name: str, shift: float) -> None:
    """A mean of 1e6 with a standard error of .3 leaves ten digits of the effect."""
    shifted = [arm + np.array([[shift], [0], [0], [0]]) for arm in ARMS]
    assert found(name, *shifted) == pytest.approx(found(name, *ARMS), rel=1e-6)


@pytest.mark.parametrize("name", MEANS)
def test_what_is_added_to_the_treatment_is_the_effect(name: str) -> None:
    value, se, df = found(name, *ARMS)
    lifted = ARMS[1] + np.array([[2.5], [0], [0], [0]])
    assert found(name, ARMS[0], lifted) == pytest.approx((value + 2.5, se, df), rel=1e-8)


@pytest.mark.parametrize("name", ESTIMATORS)
def test_units_in_another_order_of_days_change_nothing(name: str) -> None:
    """Two days' units together, whichever is read first."""
    merged = [np.concatenate([arm[:, 150:], arm[:, :150]], axis=1) for arm in ARMS]
    assert found(name, *merged) == pytest.approx(found(name, *ARMS), rel=1e-9)


@pytest.mark.parametrize("name", ESTIMATORS)
def test_twice_the_same_units_halve_the_variance(name: str) -> None:
    value, se, _ = found(name, *ARMS)
    doubled = [np.concatenate([arm, arm], axis=1) for arm in ARMS]
    assert found(name, *doubled)[:2] == pytest.approx((value, se / np.sqrt(2)), rel=5e-3)
