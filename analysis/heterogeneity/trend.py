"""Whether an effect changes with the days since a unit's exposure: novelty wears off, primacy is overcome."""

from dataclasses import dataclass

import numpy as np

from analysis.statistics.estimate import Contrast, contrast, satterthwaite
from analysis.statistics.relative import WEAK_BASELINE
from analysis.statistics.status import Floats, Status, first_status

WEEK = 7
FEWEST_DAYS = 3


@dataclass(frozen=True)
class DayMoments:
    """An arm's units on each day since exposure: n (...), mean (..., days), covariance (..., days, days) with n - 1."""

    n: Floats
    mean: Floats
    covariance: Floats


@dataclass(frozen=True)
class DayEffects:
    """Effects by day (..., days), and each arm's part of their covariance (..., days, days)."""

    effect: Floats
    baseline: Floats
    treatment: Floats
    freedom: tuple[Floats, Floats]

    @property
    def se(self) -> Floats:
        """Standard error of each day's effect."""
        return np.sqrt(np.diagonal(self.baseline + self.treatment, axis1=-2, axis2=-1))


@np.errstate(invalid="ignore", divide="ignore", over="ignore")
def absolute_effects(baseline: DayMoments, treatment: DayMoments) -> DayEffects:
    """Difference of the arms' means on each day; days of the same units go together by their covariance."""
    with np.errstate(invalid="ignore", divide="ignore"):
        of_baseline, of_treatment = (arm.covariance / arm.n[..., None, None] for arm in (baseline, treatment))
    effect = treatment.mean - baseline.mean
    return DayEffects(effect, of_baseline, of_treatment, (baseline.n - 1, treatment.n - 1))


@np.errstate(invalid="ignore", divide="ignore", over="ignore")
def relative_effects(baseline: DayMoments, treatment: DayMoments) -> DayEffects:
    """The effect over |baseline mean| on each day, by the delta method with the covariances between days."""
    plain = absolute_effects(baseline, treatment)
    with np.errstate(invalid="ignore", divide="ignore"):
        scale = 1 / np.abs(baseline.mean)
        ratio = treatment.mean / baseline.mean * scale
        both = scale[..., :, None] * scale[..., None, :]
        ratios = ratio[..., :, None] * ratio[..., None, :]
        return DayEffects(plain.effect * scale, plain.baseline * ratios, plain.treatment * both, plain.freedom)


@np.errstate(invalid="ignore", divide="ignore", over="ignore")
def is_weak_on_a_day(baseline: DayMoments) -> Floats:
    """Whether the baseline's mean of some day lies within 5 of its standard errors of 0: relative effects are rough."""
    with np.errstate(invalid="ignore", divide="ignore"):
        error = np.sqrt(np.diagonal(baseline.covariance, axis1=-2, axis2=-1) / baseline.n[..., None])
    return np.asarray((np.abs(baseline.mean) <= WEAK_BASELINE * error).any(axis=-1))


def slope(effects: DayEffects) -> Contrast:
    """Change of the effect by a day: least squares of the days' effects on the day, at least three of them.

    Days weigh alike, and the error comes from their whole covariance, for a unit's days go together: it is that of each
    unit's own slope. Weights 1/se² would gain a few percent of precision and lose the level: the error of a
    day with large values is large, so that it counts little, and a skewed metric's trend is biased.
    Degrees of freedom are Satterthwaite's. TOO_FEW_UNITS below three days.
    """
    days = effects.effect.shape[-1]
    apart = np.arange(days) - (days - 1) / 2
    return _contrast(effects, apart / max(np.sum(apart**2), 1.0), is_long=days >= FEWEST_DAYS)


def last_week_less_first(effects: DayEffects) -> Contrast:
    """Mean effect of the last seven days less that of the first seven; at least 14 days, or TOO_FEW_UNITS."""
    days = effects.effect.shape[-1]
    return _contrast(effects, _week(days, last=True) - _week(days, last=False), is_long=days >= 2 * WEEK)


def first_and_last_week(effects: DayEffects) -> tuple[Contrast, Contrast]:
    """Mean effects of the first seven days and of the last seven, or of all where there are fewer."""
    days = effects.effect.shape[-1]
    first, last = (_contrast(effects, _week(days, last=last), is_long=True) for last in (False, True))
    return first, last


def _week(days: int, *, last: bool) -> Floats:
    loads = np.zeros(days)
    span = slice(max(0, days - WEEK), days) if last else slice(0, min(WEEK, days))
    loads[span] = 1 / (span.stop - span.start)
    return loads


@np.errstate(invalid="ignore", divide="ignore", over="ignore")
def _contrast(effects: DayEffects, loads: Floats, *, is_long: bool) -> Contrast:
    loads = np.broadcast_to(loads, effects.effect.shape)
    of_baseline, of_treatment = (
        np.einsum("...i,...ij,...j->...", loads, part, loads) for part in (effects.baseline, effects.treatment)
    )
    value = np.sum(loads * effects.effect, axis=-1)
    df_b, df_t = effects.freedom
    status = first_status(
        (~((df_b >= 1) & (df_t >= 1) & np.asarray(is_long)), Status.TOO_FEW_UNITS),
        (np.isnan(value) | np.isnan(of_baseline + of_treatment), Status.NOT_COMPUTED),
    )
    with np.errstate(invalid="ignore"):
        se = np.sqrt(np.maximum(of_baseline + of_treatment, 0.0))
    return contrast(value, se, satterthwaite(of_treatment, df_t, of_baseline, df_b), status)
