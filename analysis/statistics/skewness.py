"""When a t test's tails are off because the metric is skewed and the arms unequal, or weighted unequally."""

from dataclasses import replace

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
    return np.abs(_shift(estimate, 1.0, np.asarray(alpha) / 2))


def alike(estimate: Estimate) -> Estimate:
    """The same comparison if a unit were distributed alike in both arms: variance and third moment pooled within arms.

    A small arm's own moments are the smallest where its tail has not shown yet, and there its test rejects; the
    larger arm knows that tail. Of arms of equal size nothing is left of the skewness of a difference.
    """
    baseline, treatment = estimate.baseline, estimate.treatment
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        share = baseline.n / (baseline.n + treatment.n)
        of_unit = share * (baseline.n * baseline.variance) + (1 - share) * (treatment.n * treatment.variance)
        third = share * baseline.third_central_moment + (1 - share) * treatment.third_central_moment
        arms = [replace(arm, variance=of_unit / arm.n, third_central_moment=third) for arm in (baseline, treatment)]
    return replace(estimate, baseline=arms[0], treatment=arms[1])


def is_difference_skewed(estimate: Estimate, alpha: Floats | float) -> NDArray[np.bool_]:
    """Whether to warn about a two-sided level-alpha test of the effect: by the arms' own moments, or by pooled ones."""
    return is_skewed(tail_shift(estimate, alpha)) | is_skewed(tail_shift(alike(estimate), alpha))


def is_margin_test_skewed(
    estimate: Estimate, sign: Floats | float, keep: Floats | float, alpha: Floats | float
) -> NDArray[np.bool_]:
    """The same of a one-sided test of a margin, see `margin_excess`; a level concerns the treatment's moments alone."""
    pooled = is_skewed(margin_excess(alike(estimate), sign, keep, alpha)) & (np.asarray(keep) != 0)
    return is_skewed(margin_excess(estimate, sign, keep, alpha)) | pooled


def tail_shift_of(third_cumulant: Floats, alpha: Floats | float) -> Floats:
    """The same of any statistic with a standard error of 1, by its third cumulant."""
    return np.abs(_first_order(third_cumulant, np.asarray(alpha) / 2))


def margin_excess(estimate: Estimate, sign: Floats | float, keep: Floats | float, alpha: Floats | float) -> Floats:
    """By how much P(t > z_α) exceeds alpha in a one-sided test of L = sign·(T - keep·B), to first order.

    What a test of a margin is made of: `keep` is 1 with an absolute margin, 1 - sign·margin·sgn(B) with a
    relative one (`non_inferiority.relative_margin`), 0 with a level of one arm. -(2z² + 1)/6 · κ₃(L) · φ(z) at the
    test's own z_α, so negative where it passes too rarely. Unadjusted values and reference as above.
    """
    return -np.asarray(sign) * _shift(estimate, keep, alpha)


def _shift(estimate: Estimate, keep: Floats | float, tail: Floats | float) -> Floats:
    """(2z² + 1)/6 · κ₃(T - keep·B) · φ(z) where the normal's upper tail is `tail`."""
    baseline, treatment = estimate.baseline, estimate.treatment
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        se = np.sqrt(np.square(keep) * baseline.variance + treatment.variance)
        of_baseline = np.where(np.asarray(keep) == 0, 0.0, np.power(keep, 3) * _third_cumulant(baseline, se))
        return _first_order(_third_cumulant(treatment, se) - of_baseline, tail)


def _first_order(third_cumulant: Floats, tail: Floats | float) -> Floats:
    z = -special.ndtri(np.asarray(tail))
    density = np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi)
    return np.asarray((2 * z**2 + 1) / 6 * third_cumulant * density)


def _third_cumulant(arm: Arm, se: Floats) -> Floats:
    """Of the arm's mean in units of se³, scaled step by step so that no power leaves a double's range."""
    return np.asarray(arm.third_central_moment / (arm.n**2 * se) / se / se)


def is_skewed(shift: Floats) -> NDArray[np.bool_]:
    """Whether a tail's shift or excess is large enough to warn about; False where it is unknown."""
    return np.asarray(shift > TOLERANCE)
