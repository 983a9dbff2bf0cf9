"""When a t test's tails are off because the metric is skewed and the arms unequal."""

import numpy as np
from numpy.typing import NDArray
from scipy import special

from analysis.statistics.estimate import Arm, Estimate
from analysis.statistics.status import Floats

# Largest tolerated shift of a tail probability.
TOLERANCE = 0.005


def tail_shift(estimate: Estimate, alpha: Floats | float) -> Floats:
    """First-order error of each tail's probability in a two-sided level-alpha Welch test, at least 0.

    (2z² + 1)/6 · |κ₃(t)| · φ(z) with κ₃(t) = (m₃_T/n_T² - m₃_B/n_B²)/se³, on unadjusted values: the table
    holds no third moment of adjusted ones. Equal arms cancel. Where a third moment is unknown, NaN.
    Reference: Hall 1992, The Bootstrap and Edgeworth Expansion, section 2.6.
    """
    z = -special.ndtri(np.asarray(alpha) / 2)
    density = np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi)
    baseline, treatment = estimate.baseline, estimate.treatment
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        se = np.sqrt(baseline.variance + treatment.variance)
        cumulant = _third_cumulant(treatment, se) - _third_cumulant(baseline, se)
        return np.asarray((2 * z**2 + 1) / 6 * np.abs(cumulant) * density)


def _third_cumulant(arm: Arm, se: Floats) -> Floats:
    """Of the arm's mean in units of se³, scaled step by step so that no power leaves a double's range."""
    return np.asarray(arm.third_central_moment / (arm.n**2 * se) / se / se)


def is_skewed(shift: Floats) -> NDArray[np.bool_]:
    """Whether a tail shift is large enough to warn about; False where it is unknown."""
    return np.asarray(shift > TOLERANCE)
