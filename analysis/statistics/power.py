"""Power, sample size and minimum detectable effect of two-arm comparisons.

Arrays in, arrays out; everything broadcasts. `alpha` is the level of the whole test, `sides` 1 or 2; with two
sides the rejections on the wrong side are not counted as power. Sample sizes are real numbers: round them up.
What cannot be reached by any sample size is NaN.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import nctdtr, ndtr, ndtri, stdtrit

Floats = NDArray[np.float64]

# 64 halvings of a span of at most 40 in the logarithm leave less than the spacing of doubles.
_HALVINGS = 64
_LARGEST_N = 1e15


def power_at(effect: ArrayLike, standard_error: ArrayLike, alpha: ArrayLike, sides: ArrayLike = 2) -> Floats:
    """Chance that a normal test at `alpha` finds an effect of this size, given its standard error."""
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.abs(np.asarray(effect, dtype=float)) / np.asarray(standard_error, dtype=float)
    return ndtr(ratio - _critical(alpha, sides))


def per_test_power(power: ArrayLike, deterioration_alpha: ArrayLike, n_guardrails: ArrayLike) -> Floats:
    """Power each primary and guardrail needs so that the whole decision has `power`.

    1 − (β − α_d)/(G + 1): any of the G guardrails, the winning primary or a false deterioration can keep a
    good treatment back. NaN where β ≤ α_d: the deterioration test alone uses the risk up.
    Reference: Schultzberg, Ankargren, Frånberg 2024, arXiv:2402.11609, corollary on type II risk.
    """
    wanted, reachable = np.asarray(power, dtype=float), 1 - np.asarray(deterioration_alpha, dtype=float)
    needed = 1 - (reachable - wanted) / (np.asarray(n_guardrails, dtype=float) + 1)
    return np.where(wanted < reachable, needed, np.nan)


def mean_power(
    effect: ArrayLike,
    variance_baseline: ArrayLike,
    variance_treatment: ArrayLike,
    n_baseline: ArrayLike,
    n_treatment: ArrayLike,
    alpha: ArrayLike,
    sides: ArrayLike = 2,
) -> Floats:
    """Power of Welch's test, by the noncentral t distribution; with equal arms R's `power.t.test`."""
    v_b, v_t, n_b, n_t = (
        np.asarray(x, dtype=float) for x in (variance_baseline, variance_treatment, n_baseline, n_treatment)
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        share_b, share_t = v_b / n_b, v_t / n_t
        df = (share_b + share_t) ** 2 / (share_b**2 / (n_b - 1) + share_t**2 / (n_t - 1))
        noncentrality = np.abs(np.asarray(effect, dtype=float)) / np.sqrt(share_b + share_t)
        critical = stdtrit(df, 1 - np.asarray(alpha, dtype=float) / np.asarray(sides))
        return 1 - _noncentral_t(critical, df, noncentrality)


def mean_sample_size(
    effect: ArrayLike,
    variance_baseline: ArrayLike,
    variance_treatment: ArrayLike,
    alpha: ArrayLike,
    power: ArrayLike,
    *,
    treatment_per_baseline: ArrayLike = 1.0,
    sides: ArrayLike = 2,
) -> Floats:
    """Units of the baseline that Welch's test needs; the treatment has `treatment_per_baseline` times as many."""
    ratio = np.asarray(treatment_per_baseline, dtype=float)

    def reached(n: Floats) -> Floats:
        return mean_power(effect, variance_baseline, variance_treatment, n, n * ratio, alpha, sides)

    smallest = 2 / np.minimum(ratio, 1.0)
    return smallest_on_log_scale(reached, power, smallest * (1 + 1e-9), np.full(np.shape(ratio), _LARGEST_N))


def proportion_power(
    share_baseline: ArrayLike,
    share_treatment: ArrayLike,
    n_baseline: ArrayLike,
    n_treatment: ArrayLike,
    alpha: ArrayLike,
    sides: ArrayLike = 2,
) -> Floats:
    """Power of the normal test of two shares with pooled variance; with equal arms R's `power.prop.test`.

    The rejections on the wrong side are not counted. Reference: Fleiss, Levin, Paik 2003, eq. 4.14.
    """
    p_b, p_t, n_b, n_t = (
        np.asarray(x, dtype=float) for x in (share_baseline, share_treatment, n_baseline, n_treatment)
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        pooled = (n_b * p_b + n_t * p_t) / (n_b + n_t)
        null_se = np.sqrt(pooled * (1 - pooled) * (1 / n_b + 1 / n_t))
        se = np.sqrt(p_b * (1 - p_b) / n_b + p_t * (1 - p_t) / n_t)
        return ndtr((np.abs(p_t - p_b) - _critical(alpha, sides) * null_se) / se)


def proportion_sample_size(
    share_baseline: ArrayLike,
    share_treatment: ArrayLike,
    alpha: ArrayLike,
    power: ArrayLike,
    *,
    treatment_per_baseline: ArrayLike = 1.0,
    sides: ArrayLike = 2,
) -> Floats:
    """Units of the baseline that the pooled test of two shares needs.

    The scorecard's own test does not pool: for its plan take `mean_sample_size` with variances p(1 − p).
    """
    ratio = np.asarray(treatment_per_baseline, dtype=float)

    def reached(n: Floats) -> Floats:
        return proportion_power(share_baseline, share_treatment, n, n * ratio, alpha, sides)

    return smallest_on_log_scale(reached, power, 1 / np.minimum(ratio, 1.0), np.full(np.shape(ratio), _LARGEST_N))


def mean_detectable_effect(
    variance_baseline: ArrayLike,
    variance_treatment: ArrayLike,
    n_baseline: ArrayLike,
    n_treatment: ArrayLike,
    alpha: ArrayLike,
    power: ArrayLike,
    sides: ArrayLike = 2,
) -> Floats:
    """The smallest absolute effect that Welch's test finds with `power`."""
    with np.errstate(divide="ignore", invalid="ignore"):
        se = np.sqrt(
            np.asarray(variance_baseline, dtype=float) / n_baseline
            + np.asarray(variance_treatment, dtype=float) / n_treatment
        )

    def reached(effect: Floats) -> Floats:
        return mean_power(effect, variance_baseline, variance_treatment, n_baseline, n_treatment, alpha, sides)

    return smallest_on_log_scale(reached, power, se * 1e-6, se * 1e4)


def _noncentral_t(t: Floats, df: Floats, noncentrality: Floats) -> Floats:
    """P(T ≤ t). Far in the lower tail, where the library gives up with NaN, Abramowitz & Stegun 26.7.10."""
    normal = ndtr((t * (1 - 1 / (4 * df)) - noncentrality) / np.sqrt(1 + t * t / (2 * df)))
    exact = nctdtr(df, noncentrality, t)
    return np.where(np.isnan(exact), normal, exact)


def _critical(alpha: ArrayLike, sides: ArrayLike) -> Floats:
    return -ndtri(np.asarray(alpha, dtype=float) / np.asarray(sides))


def smallest_on_log_scale(
    reached: Callable[[Floats], Floats],
    target: ArrayLike,
    low: ArrayLike,
    high: ArrayLike,
    halvings: int = _HALVINGS,
) -> Floats:
    """The smallest x in [low, high] with reached(x) ≥ target, by bisection of log x; NaN where none is.

    `reached` must not fall as x grows.
    """
    goal = np.asarray(target, dtype=float)
    with np.errstate(divide="ignore", invalid="ignore"):
        start, end = np.log(np.asarray(low, dtype=float)), np.log(np.asarray(high, dtype=float))
    shape = np.broadcast_shapes(np.shape(reached(np.exp(end))), goal.shape, start.shape)
    left, right = (np.array(np.broadcast_to(x, shape), dtype=float) for x in (start, end))
    possible = reached(np.exp(right)) >= goal
    for _ in range(halvings):
        middle = (left + right) / 2
        enough = reached(np.exp(middle)) >= goal
        left, right = np.where(enough, left, middle), np.where(enough, middle, right)
    return np.where(possible, np.exp(right), np.nan)
