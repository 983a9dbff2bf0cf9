"""One series before and after a day on which something changed for everyone: segmented regression."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from analysis.quasi.study import (
    NOT_BEGUN,
    TOO_FEW_DAYS,
    ZERO_VARIANCE,
    Check,
    Estimate,
    Floats,
    Study,
    failure,
    tested,
    two_sided,
    unjudged,
)

AUTOCORRELATION, PLACEBO, ENOUGH_DAYS = "autocorrelation", "placebo_breaks", "enough_days_before"
SPARE_DAYS = 5
"""Days before, and in all after the model's parameters, below which nothing is estimated."""

TRUSTED_DAYS = 28
"""Days before the break from which a trend can be told from chance; see docs/error_rates.md."""

TRUSTED_CORRELATION = 0.5
"""Of one day's error with the next one's, up to which the standard errors hold; see docs/error_rates.md."""

LARGEST_CORRELATION = 0.9

MOST_PLACEBOS = 8


@dataclass(frozen=True)
class _Fit:
    effect: float
    se: float
    level: tuple[float, float]
    slope: tuple[float, float]
    df: int
    correlation: float


def interrupted_time_series(value: Floats, break_at: int, season_days: int) -> Study:
    """The mean change after a break, against the trend and the season of the days before it.

    `value` has a day's value each, NaN where unknown; `break_at` is the index of the first day with the change. A
    trend, a change of level and of slope, and days of the season (Wagner et al. 2002, J. Clin. Pharm. Ther. 27), by
    generalised least squares with errors that follow one another (AR(1)), Student's t. Their correlation is taken a
    standard error larger than it seems: with so few days Newey & West's errors reject 13 to 25 % at level 5 %.
    """
    n_before = int((~np.isnan(value[:break_at])).sum())
    n_after = int((~np.isnan(value[break_at:])).sum())
    counts: dict[str, Any] = {
        "counted": "days",
        "n_treatment": n_after,
        "n_baseline": n_before,
        "n_observations": n_before + n_after,
    }
    method = "segmented_regression"
    if n_after == 0:
        return failure(NOT_BEGUN, "no day with the change yet", method=method, **counts)
    least = season_days - 1 + 2 + SPARE_DAYS
    if n_before < least or n_after < 2:
        reason = f"{n_before} days before the change and {n_after} with it; it takes {least} and 2"
        return failure(TOO_FEW_DAYS, reason, method=method, **counts)
    fit = _segmented(value, break_at, season_days)
    if not fit.se > 0:
        return failure(ZERO_VARIANCE, "the series does not vary around its trend", method=method, **counts)
    said: dict[str, Any] = {
        "method": method,
        "df": fit.df,
        "treatment_mean": float(np.nanmean(value[break_at:])),
        **counts,
    }
    estimates = [Estimate(effect=fit.effect, se=fit.se, **said)]
    for kind, (effect, se) in (("level_change", fit.level), ("slope_change", fit.slope)):
        estimates.append(Estimate(kind=kind, effect=effect, se=se, **said))
    checks = (_enough_days(n_before), _autocorrelation(fit), _placebos(value[:break_at], n_after, season_days))
    return Study(tuple(estimates), checks)


def _segmented(value: Floats, break_at: int, season_days: int) -> _Fit:
    """The regression; the change of slope turns in the middle of the days after, so that the effect is their mean."""
    from statsmodels.regression.linear_model import GLS, OLS

    day = np.flatnonzero(~np.isnan(value))
    is_after = day >= break_at
    since = np.where(is_after, day - break_at, 0).astype(float)
    middle = since[is_after].mean()
    columns = [np.ones(len(day)), day - day.mean(), is_after.astype(float), np.where(is_after, since - middle, 0.0)]
    columns += [(day % season_days == which).astype(float) for which in range(1, season_days)]
    model = np.column_stack(columns)
    correlation = _correlation(np.asarray(OLS(value[day], model).fit().resid), season_days)
    assumed = min(max(correlation + 1 / np.sqrt(len(day)), 0.0), LARGEST_CORRELATION)
    fit = GLS(value[day], model, sigma=assumed ** np.abs(day[:, None] - day[None, :])).fit()
    covariance = np.asarray(fit.cov_params())
    at_break = np.array([1.0, -middle])  # the jump on the first day with the change
    level = float(at_break @ fit.params[2:4]), float(np.sqrt(at_break @ covariance[2:4, 2:4] @ at_break))
    return _Fit(
        effect=float(fit.params[2]),
        se=float(np.sqrt(covariance[2, 2])),
        level=level,
        slope=(float(fit.params[3]), float(np.sqrt(covariance[3, 3]))),
        df=len(day) - model.shape[1],
        correlation=correlation,
    )


def _correlation(residuals: Floats, season_days: int) -> float:
    """Of one day's error with the next one's; residuals of a fit with trend, breaks and season show less of it."""
    total = float((residuals**2).sum())
    if total == 0:
        return 0.0
    seen = float((residuals[1:] * residuals[:-1]).sum()) / total
    return seen + (3 if season_days > 1 else 4) / len(residuals) * (1 + seen)


def _enough_days(n_before: int) -> Check:
    return Check(
        ENOUGH_DAYS,
        passed=n_before >= TRUSTED_DAYS,
        statistic=n_before,
        threshold=TRUSTED_DAYS,
        message=f"{n_before} days before the change; a trend of fewer than {TRUSTED_DAYS} may be chance",
    )


def _autocorrelation(fit: _Fit) -> Check:
    return Check(
        AUTOCORRELATION,
        passed=abs(fit.correlation) <= TRUSTED_CORRELATION,
        statistic=fit.correlation,
        threshold=TRUSTED_CORRELATION,
        message=f"one day's error correlates by {fit.correlation:+.2f} with the next one's; beyond"
        f" {TRUSTED_CORRELATION} the standard error is too small",
    )


def _placebos(before: Floats, n_after: int, season_days: int) -> Check:
    """The effect of breaks that never were, before the true one: none should be found."""
    least = season_days - 1 + 2 + SPARE_DAYS
    last = len(before) - max(2, min(n_after, len(before) // 3))
    places = sorted(set(np.linspace(least, last, MOST_PLACEBOS).astype(int).tolist())) if last >= least else []
    found = []
    for place in places:
        shown = before[: place + n_after]
        if (~np.isnan(shown[:place])).sum() >= least and (~np.isnan(shown[place:])).sum() >= 2:
            fit = _segmented(shown, place, season_days)
            if fit.df > 0 and fit.se > 0:
                found.append((two_sided(fit.effect, fit.se, fit.df), fit.effect, place))
    if not found:
        return unjudged(PLACEBO, "too few days before the change to place another one among them")
    p_value, effect, place = min(found)
    p_value = float(np.minimum(1.0, p_value * len(found)))
    return tested(
        PLACEBO,
        effect,
        p_value,
        f"of {len(found)} breaks that never were, the one on day {place + 1} stands out most: {effect:+.4g}"
        f" (p {p_value:.2g} over all)",
    )
