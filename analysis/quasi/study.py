"""What every design hands back: estimates, and checks of the assumptions that they stand on."""

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray
from scipy import stats

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

OK = "ok"
ASSUMPTION_FAILED = "assumption_failed"
FOR_COMPARISON = "for_comparison"
WARNINGS = (ASSUMPTION_FAILED, FOR_COMPARISON)
"""Statuses with an effect and its interval; every other one but `ok` has none."""

NOT_BEGUN = "not_begun"
NO_COMPARISON = "no_comparison"
TOO_FEW_GROUPS = "too_few_groups"
TOO_FEW_DAYS = "too_few_days"
TOO_FEW_UNITS = "too_few_units"
ZERO_VARIANCE = "zero_variance"
FAILED = "failed"

EFFECT = "effect"
"""The estimate that decides; others (of an event study, say) explain it."""

ALL = "all"


@dataclass(frozen=True)
class Estimate:
    """An effect on the treated, in the metric's unit; `days` since the change that it is of, or `all`.

    `df` are the degrees of freedom of its t test. Counts are of what `counted` says: groups, days or units. A failure
    has a status and a reason, and NaN for what it could not find.
    """

    kind: str = EFFECT
    days: str = ALL
    method: str = ""
    counted: str = ""
    n_treatment: int = 0
    n_baseline: int = 0
    n_observations: int = 0
    effect: float = np.nan
    se: float = np.nan
    df: float = np.nan
    treatment_mean: float = np.nan
    status: str = OK
    reason: str = ""

    @property
    def has_effect(self) -> bool:
        """Whether it carries a standard error, and so tests and intervals."""
        return self.status == OK or self.status in WARNINGS

    @property
    def baseline_mean(self) -> float:
        """What the treated would have been on average without the change."""
        return self.treatment_mean - self.effect

    @property
    def p_value(self) -> float:
        """Two-sided, about zero."""
        return two_sided(self.effect, self.se, self.df) if self.has_effect else np.nan

    def half_width(self, alpha: float) -> float:
        """Half of the interval at level 1 − alpha."""
        return float(stats.t.isf(alpha / 2, self.df) * self.se) if self.has_effect else np.nan


@dataclass(frozen=True)
class Check:
    """An assumption, the figure that speaks for or against it, and whether it passed its threshold.

    One that could not be computed has not passed, and says why.
    """

    name: str
    passed: bool
    message: str
    statistic: float = np.nan
    threshold: float = np.nan
    p_value: float = np.nan


@dataclass(frozen=True)
class Study:
    """The estimates of one metric, the deciding one first, and its checks."""

    estimates: tuple[Estimate, ...]
    checks: tuple[Check, ...] = field(default=())

    @property
    def effect(self) -> Estimate:
        """The estimate that decides."""
        return self.estimates[0]

    def judged(self) -> "Study":
        """The study with the failed checks named beside the effect."""
        failed = [check.name for check in self.checks if not check.passed]
        if not failed or not self.effect.has_effect:
            return self
        reason = f"assumptions that fail: {', '.join(failed)}"
        reasons = "; ".join(part for part in (reason, self.effect.reason) if part)
        effect = replace(self.effect, status=ASSUMPTION_FAILED, reason=reasons)
        return replace(self, estimates=(effect, *self.estimates[1:]))


def failure(status: str, reason: str, **known: str | int | float) -> Study:
    """A study without an effect."""
    return Study((Estimate(status=status, reason=reason, **known),))  # type: ignore[arg-type]


def two_sided(effect: float, se: float, df: float) -> float:
    """The p-value of a t test about zero; 1 where nothing varies and nothing changed."""
    if se > 0:
        return float(2 * stats.t.sf(abs(effect) / se, df))
    return np.nan


LEVEL = 0.05
"""At which an assumption is tested."""


def tested(name: str, statistic: float, p_value: float, message: str) -> Check:
    """A check that fails where its p-value is below `LEVEL`."""
    passed = bool(p_value >= LEVEL)
    return Check(name, passed=passed, statistic=statistic, threshold=LEVEL, p_value=p_value, message=message)


def unjudged(name: str, why: str) -> Check:
    """A check that could not be computed."""
    return Check(name, passed=False, message=f"could not be checked: {why}")
