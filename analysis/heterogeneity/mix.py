"""How much of a pooled effect comes from arms whose segments are mixed differently: Simpson's paradox."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

from analysis.heterogeneity.groups import Groups
from analysis.statistics.status import Floats


@dataclass(frozen=True)
class Arm:
    """An arm's segments: units, mean, and the mean and variance of a unit's weight (1 and 0 but for ratios)."""

    n: Floats
    mean: Floats
    weight_mean: Floats
    weight_variance: Floats


@dataclass(frozen=True)
class Mix:
    """Of each group the pooled effect = `standardised` + `mix_effect`, and a test of the latter.

    `p_value` is two-sided, of the difference between the arms' mixes in so far as it moves this metric. Of rows:
    `contribution` to the mix effect, and each arm's `share` of the group (of its denominator, of ratios).
    """

    pooled: Floats
    standardised: Floats
    mix_effect: Floats
    mix_effect_se: Floats
    p_value: Floats
    contribution: Floats
    baseline_share: Floats
    treatment_share: Floats


@np.errstate(invalid="ignore", divide="ignore", over="ignore")
def mix(baseline: Arm, treatment: Arm, groups: Groups) -> Mix:
    """Split the difference of pooled means into the segments' effects at one mix, and the difference of mixes.

    With shares p of each arm and W = (p_B + p_T)/2 it is Σ W·(ȳ_T - ȳ_B) + Σ (p_T - p_B)·(ȳ_B + ȳ_T)/2, exactly
    (Kitagawa 1955, JASA 50). Of ratios a segment's share is that of the arm's denominator. A share's noise is that of
    drawing units, so that the second part has variance Σ over arms of Σ (n_s/n)·(m_s - m)²·E[x²]/x̄²/n with m_s
    the mean of both arms and x a unit's weight. Rows of which an arm has no unit are left out (weight 0).
    """
    known = (baseline.n > 0) & (treatment.n > 0) & np.isfinite(baseline.mean) & np.isfinite(treatment.mean)
    arms = [_cleaned(arm, known) for arm in (baseline, treatment)]
    share_b, share_t = (_shares(arm, groups) for arm in arms)
    middle = (arms[0].mean + arms[1].mean) / 2
    standard = (share_b + share_t) / 2
    pooled = groups.sum(share_t * arms[1].mean) - groups.sum(share_b * arms[0].mean)
    centred = middle - groups.each(groups.sum(standard * middle))
    contribution = (share_t - share_b) * centred
    mix_effect = groups.sum(contribution)
    variance = sum(_noise(arm, centred, groups) for arm in arms)
    has_units = groups.sum(known) > 0
    with np.errstate(invalid="ignore", divide="ignore"):
        z = mix_effect / np.sqrt(variance)
    # Without differences between segments no mix moves anything.
    p = np.where(variance > 0, 2 * special.ndtr(-np.abs(z)), 1.0)

    def shown(values: Floats) -> Floats:
        return np.where(has_units, values, np.nan)

    return Mix(
        shown(pooled),
        shown(groups.sum(standard * (arms[1].mean - arms[0].mean))),
        shown(mix_effect),
        shown(np.sqrt(variance)),
        shown(p),
        np.where(known, contribution, np.nan),
        np.where(known, share_b, np.nan),
        np.where(known, share_t, np.nan),
    )


def _cleaned(arm: Arm, known: NDArray[np.bool_]) -> Arm:
    return Arm(*(np.where(known, values, 0.0) for values in (arm.n, arm.mean, arm.weight_mean, arm.weight_variance)))


def _shares(arm: Arm, groups: Groups) -> Floats:
    amount = arm.n * arm.weight_mean
    total = groups.each(groups.sum(amount))
    return np.where(total != 0, amount / np.where(total != 0, total, 1.0), 0.0)


def _noise(arm: Arm, centred: Floats, groups: Groups) -> Floats:
    """Variance of Σ p_s·m_s over draws of the arm's units, m_s centred at its own mean."""
    own = centred - groups.each(groups.sum(_shares(arm, groups) * centred))
    n, amount = groups.sum(arm.n), groups.sum(arm.n * arm.weight_mean)
    squares = groups.sum(arm.n * own**2 * (arm.weight_mean**2 + np.nan_to_num(arm.weight_variance)))
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(n > 0, squares / amount**2, 0.0)
