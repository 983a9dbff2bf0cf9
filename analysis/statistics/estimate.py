"""The difference of two arms, and the linear contrasts that tests and intervals are made of."""

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from analysis.statistics.status import Codes, Floats, Status, first_status

# The two means are rounded to a double each, so their difference can be off by one spacing of the larger.
# Beyond an eighth of a standard error that would move tests and intervals visibly.
RESOLUTION = 8.0


@dataclass(frozen=True)
class Arm:
    """An arm's mean (or ratio of means) as published, and its sampling variance.

    Covariate adjustment subtracts θ'x̄ from the mean: `adjustment_variance` is the variance of θ'x̄,
    `adjustment_covariance` its covariance with the mean; both are 0 without adjustment. Keeping them
    apart from `variance` makes every contrast exact, not a difference of nearly equal numbers.
    `third_central_moment` is that of the unadjusted value (of a ratio: the linearised one), NaN if unknown.
    """

    n: Floats
    mean: Floats
    variance: Floats
    adjustment_variance: Floats | float = 0.0
    adjustment_covariance: Floats | float = 0.0
    third_central_moment: Floats | float = np.nan

    @property
    def adjusted_variance(self) -> Floats:
        """Variance of the adjusted mean."""
        return self.variance - 2 * self.adjustment_covariance + self.adjustment_variance

    def take(self, index: NDArray) -> "Arm":
        """The arms of some comparisons, by a mask or by positions; all fields have one shape or none."""
        values = (np.asarray(getattr(self, field.name)) for field in fields(self))
        return Arm(*(value[index] if value.ndim else value for value in values))


@dataclass(frozen=True)
class Contrast:
    """A linear combination of the arms: value, standard error, Welch-Satterthwaite degrees of freedom.

    All three are NaN where `status` is not OK.
    """

    value: Floats
    se: Floats
    df: Floats
    status: Codes


@dataclass(frozen=True)
class Estimate:
    """Treatment minus baseline. `effect` is adjusted where a covariate was used; the arms' means are raw.

    `effect` stays a number where only its variance is undefined (`status` TOO_FEW_UNITS, ZERO_VARIANCE).
    """

    baseline: Arm
    treatment: Arm
    effect: Floats
    status: Codes

    @property
    def variance_reduction(self) -> Floats:
        """Share of the effect's variance that covariate adjustment took away; 0 without adjustment."""
        with np.errstate(invalid="ignore", divide="ignore"):
            raw = self.treatment.variance + self.baseline.variance
            adjusted = self.treatment.adjusted_variance + self.baseline.adjusted_variance
            return np.where(self.status == Status.OK, 1 - adjusted / raw, np.nan)

    @property
    def pooled_se(self) -> Floats:
        """Standard error of the effect if a unit varied alike in both arms; NaN where there is no test.

        √(s²_p·(1/n_T + 1/n_B)), s²_p the arms' (adjusted, linearised) variances of a unit pooled with n - 1.
        Variation is within arms, so the observed effect plays no part: what planned power is judged by.
        """
        n_b, n_t = self.baseline.n, self.treatment.n
        with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
            share_b = (n_b - 1) / (n_b + n_t - 2)
            of_unit_b = n_b * np.maximum(self.baseline.adjusted_variance, 0)
            of_unit_t = n_t * np.maximum(self.treatment.adjusted_variance, 0)
            pooled = share_b * of_unit_b + (1 - share_b) * of_unit_t
            return np.where(self.status == Status.OK, np.sqrt(pooled * (1 / n_b + 1 / n_t)), np.nan)

    def plus_baseline(self, k: Floats | float, scale: Floats | float = 1.0) -> Contrast:
        """The contrast scale · (effect + k · baseline mean), with the covariance of the two parts.

        The baseline's part is -(1 - k)·ȳ + θ'x̄, independent of the treatment's.
        """
        base, keep = self.baseline, 1 - np.asarray(k, dtype=float)
        with np.errstate(invalid="ignore", over="ignore"):
            value = self.effect + (1 - keep) * base.mean
            part = keep**2 * base.variance - 2 * keep * base.adjustment_covariance + base.adjustment_variance
            return self._contrast(value, self.treatment.adjusted_variance, np.maximum(part, 0), scale)

    def take(self, index: NDArray) -> "Estimate":
        """The estimates of some comparisons, by a mask or by positions."""
        return Estimate(self.baseline.take(index), self.treatment.take(index), self.effect[index], self.status[index])

    @property
    def difference(self) -> Contrast:
        """The effect itself."""
        return self.plus_baseline(0.0)

    def _contrast(self, value: Floats, treatment: Floats, baseline: Floats, scale: Floats | float) -> Contrast:
        se = np.sqrt(treatment + baseline) * np.abs(scale)
        df = satterthwaite(treatment, self.treatment.n - 1, baseline, self.baseline.n - 1)
        return contrast(value * scale, se, df, self.status)


def contrast(value: Floats, se: Floats, df: Floats, status: Codes) -> Contrast:
    """A contrast with NaN wherever its status, or a standard error of 0, rules a test out."""
    status = np.where((status == Status.OK) & (se == 0), np.int8(Status.ZERO_VARIANCE), status)
    ok = status == Status.OK
    return Contrast(np.where(ok, value, np.nan), np.where(ok, se, np.nan), np.where(ok, df, np.nan), status)


def satterthwaite(variance_a: Floats, df_a: Floats, variance_b: Floats, df_b: Floats) -> Floats:
    """Degrees of freedom of the sum of two independent variance estimates (Satterthwaite 1946, eq. 17).

    Written in variance shares, so that neither tiny nor huge variances underflow or overflow.
    """
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        share = variance_a / (variance_a + variance_b)
        return 1 / (share**2 / df_a + (1 - share) ** 2 / df_b)


def compare(
    baseline: Arm,
    treatment: Arm,
    *,
    shift: Floats | float = 0.0,
    zero_denominator: NDArray[np.bool_] | bool = False,
) -> Estimate:
    """The estimate treatment - baseline - shift, with the status of every element.

    `shift` is the covariate adjustment θ'(x̄_T - x̄_B); `zero_denominator` marks undefined ratios.
    """
    with np.errstate(invalid="ignore", over="ignore"):
        effect = treatment.mean - baseline.mean - shift
        status = _status(baseline, treatment, effect, np.asarray(zero_denominator))
    known = np.isin(status, (Status.OK, Status.TOO_FEW_UNITS, Status.ZERO_VARIANCE))
    return Estimate(baseline, treatment, np.where(known, effect, np.nan), status)


def _status(baseline: Arm, treatment: Arm, effect: Floats, zero_denominator: NDArray[np.bool_]) -> Codes:
    n = np.minimum(baseline.n, treatment.n)
    raw = treatment.variance + baseline.variance
    variance = treatment.adjusted_variance + baseline.adjusted_variance
    step = np.spacing(np.maximum(np.abs(baseline.mean), np.abs(treatment.mean)))
    infinite = np.isinf(baseline.mean) | np.isinf(treatment.mean) | np.isinf(effect)
    infinite = infinite | np.isinf(raw) | np.isinf(variance)
    return first_status(
        (~(n >= 1), Status.NO_UNITS),
        (zero_denominator & (n >= 1), Status.ZERO_DENOMINATOR),
        (infinite, Status.OVERFLOW),
        (np.isnan(effect) | np.isnan(variance) & (n >= 2), Status.NOT_COMPUTED),
        (np.minimum(treatment.variance, baseline.variance) < 0, Status.FAILED),
        (n < 2, Status.TOO_FEW_UNITS),
        # What is left of a variance below 1e-12 of it is the rounding of the subtraction.
        (variance <= 1e-12 * raw, Status.ZERO_VARIANCE),
        (RESOLUTION * step >= np.sqrt(np.abs(variance)), Status.IMPRECISE),
    )
