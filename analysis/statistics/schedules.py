"""Schedules of looks of group sequential tests, shared by comparisons, with their boundaries at any level."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from analysis.statistics.status import Floats


@dataclass(frozen=True)
class SpendingOptions:
    """Spending function of alpha, and of 1 - power for futility ("" without), with their gammas."""

    spending: str
    gamma: float
    futility_spending: str
    futility_gamma: float
    power: float


@dataclass(frozen=True)
class Schedules:
    """Distinct histories of looks: a row each of information fractions, NaN behind the last.

    `ends` says whether a row's last look is final and spends all that is left; `options` how it is spent.
    """

    fractions: Floats
    ends: NDArray[np.bool_]
    options: tuple[SpendingOptions, ...]
    _cache: dict[float, Floats] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def none(cls) -> "Schedules":
        """No schedule at all."""
        return cls(np.zeros((0, 1)), np.zeros(0, dtype=bool), ())
