"""The value of another policy, from rewards logged with their propensities."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.bandits.flags import anywhere
from analysis.statistics.estimate import Contrast, contrast
from analysis.statistics.status import Floats, Status, first_status

# Below this many units' worth of weights, normal intervals are not to be trusted.
FEWEST_EFFECTIVE = 100.0


@dataclass(frozen=True)
class LoggedRewards:
    """Moments of rewards, arrays (..., cells, arms): a cell is where propensities and target are constant.

    Cells are batches, contexts (segments a policy tells apart), or both. `propensity` is the logged chance of an arm,
    `target` that under the policy to be valued. `variance` has the divisor n - 1.
    """

    n: Floats
    mean: Floats
    variance: Floats
    propensity: Floats
    target: Floats

    @classmethod
    def of(cls, n: Floats, mean: Floats, variance: Floats, propensity: Floats, target: Floats) -> "LoggedRewards":
        """Broadcast to one shape, 0 where a figure is undefined for want of units."""
        arrays = (np.asarray(x, dtype=float) for x in (n, mean, variance, propensity, target))
        n, mean, variance, propensity, target = np.broadcast_arrays(*arrays)
        return cls(n, np.where(n > 0, mean, 0.0), np.where(n > 1, variance, 0.0), propensity, target)

    @property
    def weight(self) -> Floats:
        """Importance of a unit, target over propensity; 0 for an arm that was never played."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(self.propensity > 0, self.target / self.propensity, 0.0)

    @property
    def effective_units(self) -> Floats:
        """(Σw)²/Σw²: how many units of the target policy the log is worth (Kish 1965)."""
        weight = self.weight
        first, second = (_total(self.n * power) for power in (weight, weight**2))
        return np.where(second > 0, first**2 / np.where(second > 0, second, 1), 0.0)

    def squares(self, centre: Floats | float) -> Floats:
        """Σ over a cell's units of (y - centre)²."""
        return np.maximum(self.n - 1, 0) * self.variance + self.n * (self.mean - centre) ** 2


def inverse_propensity(logged: LoggedRewards) -> Contrast:
    """Mean of w·y over units (...): unbiased, however rewards behave; noisy, and not invariant to a shift of rewards.

    Reference: Horvitz & Thompson 1952, JASA 47; Dudík, Langford & Li 2011, ICML 28.
    """
    units, weight = _total(logged.n), logged.weight
    with np.errstate(divide="ignore", invalid="ignore"):
        value = _total(weight * logged.n * logged.mean) / units
        squares = _total(weight**2 * logged.squares(0.0)) - units * value**2
        se = np.sqrt(np.maximum(squares, 0) / (units - 1) / units)
    return _judged(logged, value, se)


def self_normalised(logged: LoggedRewards) -> Contrast:
    """Σw·y/Σw (...): what most logs should be read with; its bias falls as 1/units.

    The standard error is the delta method's, √Σw²(y - V)²/Σw.
    Reference: Swaminathan & Joachims 2015, NeurIPS 28; Owen 2013, Monte Carlo theory, chapter 9.
    """
    weight = logged.weight
    with np.errstate(divide="ignore", invalid="ignore"):
        total = _total(weight * logged.n)
        value = _total(weight * logged.n * logged.mean) / total
        se = np.sqrt(_total(weight**2 * logged.squares(value[..., None, None]))) / total
    return _judged(logged, value, se)


def doubly_robust(logged: LoggedRewards, model: Floats | None = None) -> Contrast:
    """Mean of Σ_k π_k·m_k + w·(y - m) over units (...): right if the propensities or the model are.

    `model` (..., cells, arms) predicts rewards from other data, or from earlier cells. Without one it is each arm's
    mean over all cells: the same data, which biases by 1/units and is harmless in large logs.
    Reference: Dudík, Erhan, Langford & Li 2014, Statistical Science 29.
    """
    arm_means = (logged.n * logged.mean).sum(axis=-2) / np.maximum(logged.n.sum(axis=-2), 1)
    m = np.broadcast_to(arm_means[..., None, :] if model is None else model, logged.n.shape)
    weight, n = logged.weight, logged.n
    of_cell, direct = n.sum(axis=-1), (logged.target * m).sum(axis=-1)
    units = of_cell.sum(axis=-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        shift = weight * (logged.mean - m)
        value = ((of_cell * direct).sum(axis=-1) + _total(n * shift)) / units
        apart = direct[..., None] + shift - value[..., None, None]
        squares = _total(weight**2 * np.maximum(n - 1, 0) * logged.variance + n * apart**2)
        se = np.sqrt(squares / (units - 1) / units)
    return _judged(logged, value, se)


def is_thin(logged: LoggedRewards) -> NDArray[np.bool_]:
    """Whether the log is worth so few units of the target policy (...) that intervals are rough: to be warned of."""
    return np.asarray(logged.effective_units < FEWEST_EFFECTIVE)


def _judged(logged: LoggedRewards, value: Floats, se: Floats) -> Contrast:
    used = logged.n.sum(axis=-1, keepdims=True) > 0
    figures = logged.mean + logged.variance
    unknown = used & np.isnan(figures + logged.n + logged.propensity + logged.target)
    # A policy that plays what was never played cannot be valued; nor can a log that contradicts its propensities.
    unsupported = used & ((logged.propensity <= 0) & (logged.target > 0) | (logged.target < 0))
    impossible = (logged.n > 0) & (logged.propensity <= 0) | (logged.variance < 0)
    units = _total(logged.n)
    status = first_status(
        (~(units >= 1), Status.NO_UNITS),
        (anywhere(np.isinf(figures), (-2, -1)), Status.OVERFLOW),
        (anywhere(unknown, (-2, -1)), Status.NOT_COMPUTED),
        (anywhere(unsupported | impossible, (-2, -1)), Status.FAILED),
        (units < 2, Status.TOO_FEW_UNITS),
        (~(se > 0), Status.ZERO_VARIANCE),
    )
    return contrast(value, se, units - 1, status)


def _total(values: Floats) -> Floats:
    return np.asarray(values.sum(axis=(-2, -1)))
