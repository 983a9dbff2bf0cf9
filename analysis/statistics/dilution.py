"""From the effect on triggered units, whom the treatment could touch, to the effect on everybody."""

from dataclasses import dataclass

import numpy as np

from analysis.statistics.estimate import Contrast, Estimate, contrast
from analysis.statistics.status import Floats, Status, first_status


@dataclass(frozen=True)
class Everybody:
    """All units of both arms, triggered or not, and the baseline's raw mean over all of its own with its variance."""

    n: Floats
    baseline_mean: Floats
    baseline_variance: Floats


@dataclass(frozen=True)
class Diluted:
    """The effect on everybody, and as a share of the baseline's mean of everybody."""

    effect: Contrast
    relative: Contrast
    share: Floats


def diluted(triggered: Estimate, everybody: Everybody) -> Diluted:
    """Estimate share · effect, where the treatment cannot touch a unit that is not triggered.

    `triggered` compares triggered units, which both arms must know alike (a counterfactual trigger, logged whatever the
    variant); share is theirs of all units, of both arms together. Variance: share²·V + effect²·share·(1 - share)/N, for
    how many are triggered is drawn too. A ratio's effect does not dilute by a share of units: not for ratios.
    The relative effect's variance holds the covariance with the baseline's mean, share²·V_B of the triggered.
    Reference: Deng & Hu 2015, Diluted treatment effect estimation for trigger analysis, WSDM, section 3.
    """
    difference = triggered.difference
    with np.errstate(invalid="ignore", divide="ignore"):
        n = np.asarray(everybody.n, dtype=float)
        share = (triggered.baseline.n + triggered.treatment.n) / n
        value = share * difference.value
        variance = share**2 * difference.se**2 + difference.value**2 * share * (1 - share) / n
        status = np.where(share > 1, np.int8(Status.FAILED), difference.status)
        mean = everybody.baseline_mean
        scale = np.where(mean == 0, np.nan, 1 / np.abs(mean))
        turned = np.sign(mean) * value * scale
        base = triggered.baseline
        # What the effect and the mean of the baseline have in common: its triggered units, less their adjustment.
        common = -(share**2) * (base.variance - base.adjustment_covariance)
        spread = np.maximum(variance - 2 * turned * common + turned**2 * everybody.baseline_variance, 0.0)
        is_zero = (mean == 0) & (status == Status.OK)
        relative_status = np.where(is_zero, np.int8(Status.ZERO_BASELINE), status)
    relative_status = np.maximum(
        relative_status, first_status((np.isnan(spread) & (relative_status == Status.OK), Status.NOT_COMPUTED))
    )
    return Diluted(
        contrast(value, np.sqrt(variance), difference.df, status),
        contrast(value * scale, np.sqrt(spread) * scale, difference.df, relative_status.astype(np.int8)),
        np.where(share <= 1, share, np.nan),
    )
