"""Adaptively weighted AIPW: values of arms, and effects, from logged propensities of an adaptive allocation."""

from dataclasses import dataclass

import numpy as np

from analysis.bandits.batches import Batches
from analysis.statistics.estimate import Contrast, contrast
from analysis.statistics.status import Floats, Status, first_status


@dataclass(frozen=True)
class Scores:
    """Scores of a batch's units, arrays (..., batches, arms): their number and mean, and where they lie.

    `apart` lists groups of units and the level of their scores, `within` is the sum of squares about these levels.
    """

    units: Floats
    mean: Floats
    within: Floats
    apart: list[tuple[Floats, Floats]]

    def squares(self, centre: Floats) -> Floats:
        """Σ over a batch's units of (score - centre)²."""
        return self.within + sum(n * (level - centre[..., None, :]) ** 2 for n, level in self.apart)


def arm_values(batches: Batches) -> Contrast:
    """The mean reward of each arm (..., arms), weighted by √e_b so that every unit's score has the same noise.

    A unit's score is m + 1{arm}(y - m)/e with m the arm's mean in earlier batches; in the first batch, whose
    propensities followed from nothing, its own mean. The weighted mean is normal in large samples though arms were
    given up on because of their rewards. With a floor that stays the same the paper's two-point weights are these.
    Reference: Hadad, Hirshberg, Zhan, Wager & Athey 2021, PNAS 118 (15) e2014602118, constant allocation rate.
    """
    with np.errstate(invalid="ignore"):
        scores = _of_arms(batches, _plug_in(batches))
        units = batches.n.sum(axis=-2)
    return _weighted(batches, scores, np.sqrt(batches.propensity), units)


def effects(batches: Batches, baseline: int = 0) -> Contrast:
    """Each arm's effect against the baseline (..., arms), from differences of scores with one weight a batch.

    Weights are (1/e_b + 1/e_b0)^-½. One weight for both arms, so that days on which everybody buys more do not look
    like an effect. The baseline's own column is NaN with ZERO_VARIANCE.
    Reference: Hadad et al. 2021, on treatment effects.
    """
    base = slice(baseline, baseline + 1)
    is_baseline = np.arange(batches.n.shape[-1]) == baseline
    propensity, other = batches.propensity, batches.propensity[..., base]
    with np.errstate(divide="ignore", invalid="ignore"):
        scores = _differences(batches, _plug_in(batches), base)
        least = 1 / (1 / propensity + 1 / other)
    units = np.where(least > 0, np.minimum(batches.n, batches.n[..., base]), 0).sum(axis=-2)
    return _weighted(batches, scores, np.sqrt(least), np.where(is_baseline, np.inf, units))


def _plug_in(batches: Batches) -> Floats:
    """Means of arms in earlier batches; an arm never seen: of all arms in them; the first batch: its own."""
    n = batches.n
    sums = n * batches.mean
    before_n, before = np.cumsum(n, axis=-2) - n, np.cumsum(sums, axis=-2) - sums
    all_n, everyone = before_n.sum(axis=-1, keepdims=True), before.sum(axis=-1, keepdims=True)
    fallback = everyone / np.maximum(all_n, 1)
    earlier = np.where(before_n > 0, before / np.maximum(before_n, 1), fallback)
    return np.where(all_n > 0, earlier, batches.mean)


def _of_arms(batches: Batches, plug_in: Floats) -> Scores:
    """Scores of the units of an arm lie around m + (ȳ - m)/e, of all others at m."""
    n, units, inverse = batches.n, batches.units[..., None], _inverse(batches.propensity)
    own = plug_in + (batches.mean - plug_in) * inverse
    mean = plug_in + n * (own - plug_in) / np.maximum(units, 1)
    return Scores(units, mean, _within(batches) * inverse**2, [(n, own), (units - n, plug_in)])


def _differences(batches: Batches, plug_in: Floats, base: slice) -> Scores:
    """The same of m - m_0, which the arm's units move up by (y - m)/e, and the baseline's down by theirs."""
    n, units, inverse = batches.n, batches.units[..., None], _inverse(batches.propensity)
    gap = plug_in - plug_in[..., base]
    moved = (batches.mean - plug_in) * inverse
    spread = _within(batches) * inverse**2
    mean = gap + (n * moved - (n * moved)[..., base]) / np.maximum(units, 1)
    apart = [(n, gap + moved), (n[..., base], gap - moved[..., base]), (units - n - n[..., base], gap)]
    return Scores(units, mean, spread + spread[..., base], apart)


def _weighted(batches: Batches, scores: Scores, weight: Floats, units: Floats) -> Contrast:
    """Σ h·score / Σ h over units, with the error of a martingale: √Σ h²(score - estimate)² / Σ h.

    `units` (..., arms) are those whose rewards enter; infinite for an arm against itself.
    """
    used = batches.is_used[..., None]
    weight = np.where(used, weight, 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        total = (weight * scores.units).sum(axis=-2)
        value = (weight * scores.units * scores.mean).sum(axis=-2) / total
        squares = np.where(used, weight**2 * scores.squares(value), 0.0).sum(axis=-2)
        se = np.sqrt(squares) / total
    status = first_status(
        (~(units > 0), Status.NO_UNITS),
        (units < 2, Status.TOO_FEW_UNITS),
        (~(se > 0) | np.isinf(units), Status.ZERO_VARIANCE),
    )
    return contrast(value, se, units - 1, batches.status_of_arms(status))


def _within(batches: Batches) -> Floats:
    """Sums of squares about the means of batches and arms."""
    return np.maximum(batches.n - 1, 0) * batches.variance


def _inverse(propensity: Floats) -> Floats:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(propensity > 0, 1 / propensity, 0.0)
