"""Interval of a relative effect that holds its level however weak the baseline is."""

from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from analysis.statistics.estimate import Estimate, satterthwaite
from analysis.statistics.status import Codes, Floats, Status
from analysis.statistics.student_t import upper_quantile

_REFINEMENTS = 20


class FiellerShape(IntEnum):
    """What the set of relative effects that the test does not reject looks like.

    Only an INTERVAL has ends. The other shapes arise where the baseline mean does not differ from 0 at
    level alpha: then its sign, and with it the direction of a relative effect, is unknown.
    """

    INTERVAL = 0
    COMPLEMENT = 1
    WHOLE_LINE = 2
    UNDEFINED = 3


FIELLER_REASONS: dict[FiellerShape, str] = {
    FiellerShape.INTERVAL: "",
    FiellerShape.COMPLEMENT: "the baseline mean does not differ from 0: the relative effect is unbounded",
    FiellerShape.WHOLE_LINE: "the baseline mean does not differ from 0: every relative effect is possible",
    FiellerShape.UNDEFINED: "the effect has no test",
}


@dataclass(frozen=True)
class FiellerSet:
    """Ends as shares of |baseline mean|, NaN unless `shape` is INTERVAL."""

    low: Floats
    high: Floats
    shape: Codes


def fieller(estimate: Estimate, alpha: Floats | float) -> FiellerSet:
    """The relative effects r whose contrast effect - r·|b| a two-sided level-alpha Welch test does not reject.

    With s the baseline's sign and θ = s·r the ends solve (d - θb)² = t²·Var(d - θb); the covariance of the
    (adjusted) effect d and the raw baseline b is that of `Estimate.plus_baseline`. Each end uses the
    degrees of freedom of its own contrast, so an end is 0 exactly where `two_sided_p` is alpha.
    Reference: Fieller 1954, Journal of the Royal Statistical Society B 16, section 2.
    """
    base = estimate.baseline
    alpha = np.asarray(alpha, dtype=float)
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        tested = estimate.difference.status == Status.OK
        # No contrast d - θb has fewer degrees of freedom than the smaller arm.
        limit_t = upper_quantile(alpha / 2, np.minimum(base.n, estimate.treatment.n) - 1)
        bounded = tested & (np.abs(base.mean) > limit_t * np.sqrt(base.variance))
        ends = [_end(estimate, alpha, side, bounded) for side in (-1.0, 1.0)]
        flip = base.mean < 0
        low, high = np.where(flip, -ends[1], ends[0]), np.where(flip, -ends[0], ends[1])
        whole = _discriminant(estimate, limit_t) < 0
    shape = np.select(
        [~tested, bounded, whole],
        [FiellerShape.UNDEFINED, FiellerShape.INTERVAL, FiellerShape.WHOLE_LINE],
        FiellerShape.COMPLEMENT,
    )
    return FiellerSet(low, high, shape.astype(np.int8))


def _end(estimate: Estimate, alpha: Floats, side: float, bounded: Floats) -> Floats:
    """One root in θ, its degrees of freedom refined until they are those at the root."""
    theta = np.where(bounded, estimate.effect / estimate.baseline.mean, np.nan)
    settled = np.zeros(theta.shape, dtype=bool)
    for _ in range(_REFINEMENTS):
        root = _root(estimate, upper_quantile(alpha / 2, _df(estimate, theta)), side)
        closed = ~(np.abs(root - theta) > 1e-13 * np.abs(root))
        theta = np.where(settled, theta, root)  # each as if it were alone: not refined on while others settle
        settled |= closed
        if settled.all():
            break
    return theta


def _root(estimate: Estimate, t: Floats, side: float) -> Floats:
    """The smaller (side -1) or larger root for a given t, in parts relative to b so that units cancel."""
    b = estimate.baseline.mean
    theta = estimate.effect / b
    variance_d, covariance, variance_b = (part / b / b for part in _second_moments(estimate))
    at_estimate = variance_d - 2 * theta * covariance + theta**2 * variance_b
    inner = at_estimate - t**2 * (variance_d * variance_b - covariance**2)
    return (theta - t**2 * covariance + side * t * np.sqrt(np.maximum(inner, 0))) / (1 - t**2 * variance_b)


def _discriminant(estimate: Estimate, t: Floats) -> Floats:
    """Of the quadratic in θ, over t²; negative where no θ is rejected. In parts relative to the effect's SE."""
    variance_d, covariance, variance_b = _second_moments(estimate)
    se = np.sqrt(variance_d)
    d, b = estimate.effect / se, estimate.baseline.mean / se
    covariance, variance_b = covariance / se / se, variance_b / se / se
    return b**2 - 2 * d * b * covariance + d**2 * variance_b - t**2 * (variance_b - covariance**2)


def _second_moments(estimate: Estimate) -> tuple[Floats, Floats, Floats]:
    """Variance of the effect, its covariance with the raw baseline mean, variance of that mean."""
    base, treatment = estimate.baseline, estimate.treatment
    covariance = base.adjustment_covariance - base.variance
    return base.adjusted_variance + treatment.adjusted_variance, covariance, base.variance


def _df(estimate: Estimate, theta: Floats) -> Floats:
    """Degrees of freedom of d - θb."""
    base, keep = estimate.baseline, 1 + theta
    part = keep**2 * base.variance - 2 * keep * base.adjustment_covariance + base.adjustment_variance
    treatment = estimate.treatment
    return satterthwaite(treatment.adjusted_variance, treatment.n - 1, np.maximum(part, 0), base.n - 1)
