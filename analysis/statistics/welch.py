"""Difference of two means with unequal variances (Welch 1947)."""

from analysis.statistics.estimate import Arm, Estimate, compare
from analysis.statistics.moments import MeanMoments
from analysis.statistics.sampling import variance_of_mean


def welch(baseline: MeanMoments, treatment: MeanMoments) -> Estimate:
    """Estimate treatment mean - baseline mean, for means and proportions.

    Takes moments of any broadcastable shapes, in the metric's unit; n from 2 on. The standard error is
    √(s²_T/n_T + s²_B/n_B), the degrees of freedom Satterthwaite's. Raises nothing: what is undefined is
    NaN with a status. Reference: Welch 1947, Biometrika 34, eqs. 13 and 28.
    """
    return compare(_arm(baseline), _arm(treatment))


def _arm(moments: MeanMoments) -> Arm:
    return Arm(
        moments.n,
        moments.mean,
        variance_of_mean(moments.variance, moments.n),
        third_central_moment=moments.third_central_moment,
    )
