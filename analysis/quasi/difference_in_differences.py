"""Groups that adopt a change on different days, against those that have not adopted it yet."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from analysis.quasi.event_study import event_study, leads_check
from analysis.quasi.pyfixest_models import Fit, two_stage, two_way, within
from analysis.quasi.staggered import Staggered, comparable, refusal
from analysis.quasi.study import (
    FOR_COMPARISON,
    LEVEL,
    ZERO_VARIANCE,
    Check,
    Estimate,
    Floats,
    Integers,
    Study,
    failure,
    tested,
    two_sided,
    unjudged,
)

PRE_TREND, PLACEBO, ENOUGH_GROUPS = "pre_trend", "placebo_adoption", "enough_groups"
TRUSTED_GROUPS = 5
"""Adopting groups, and others, from which clustered errors hold their level; see docs/error_rates.md."""

LEAST_DAYS_BEFORE = 4
"""Days before adoption that are needed to look for a trend, or to place a placebo."""


def difference_in_differences(value: Floats, adoption: Integers, lead_lag_days: int) -> Study:
    """The average effect on adopting groups' days with the change, with its event study and checks.

    `value` is groups × days, NaN where unknown; `adoption` the index of a group's first day with the change, their
    number or more where it has none. Two-stage estimate (Gardner 2022), errors clustered by group, Student's t with
    one degree of freedom less than the smaller of adopting and other groups.
    """
    panel, note = comparable(value, adoption)
    counts: dict[str, Any] = {"counted": "groups", "n_treatment": int(panel.is_adopter.sum())}
    counts |= {"n_baseline": int((~panel.is_adopter).sum()), "n_observations": int((~np.isnan(panel.value)).sum())}
    refused = refusal(panel)
    if refused is not None:
        status, reason = refused
        return failure(status, "; ".join(part for part in (reason, note) if part), method="did2s", **counts)
    rows = panel.shown()
    fit = two_stage(rows)
    effect = _estimate(fit, panel, "did2s", counts, reason=note)
    if not effect.se > 0:
        return failure(ZERO_VARIANCE, "groups do not vary around their days and levels", method="did2s", **counts)
    points = event_study(panel, lead_lag_days)
    checks = (_enough_groups(panel), _pre_trend(panel, effect), leads_check(points), _placebo(panel))
    compared = _estimate(
        two_way(rows),
        panel,
        "two_way_fixed_effects",
        counts,
        kind="two_way_fixed_effects",
        status=FOR_COMPARISON,
        reason=_two_way_warning(panel),
    )
    return Study((effect, compared, *points), checks)


def _estimate(fit: Fit, panel: Staggered, method: str, counts: Mapping[str, Any], **said: Any) -> Estimate:
    effect, se = fit.first
    return Estimate(
        method=method,
        effect=effect,
        se=se,
        df=panel.df,
        treatment_mean=float(np.nanmean(panel.value[panel.is_treated])),
        **counts,
        **said,
    )


def _two_way_warning(panel: Staggered) -> str:
    if len(panel.cohorts) > 1:
        return (
            "biased where effects differ by group or grow: it compares adopters with earlier ones; for comparison only"
        )
    return "for comparison only"


def _enough_groups(panel: Staggered) -> Check:
    smaller = int(min(panel.is_adopter.sum(), (~panel.is_adopter).sum()))
    return Check(
        ENOUGH_GROUPS,
        passed=smaller >= TRUSTED_GROUPS,
        statistic=smaller,
        threshold=TRUSTED_GROUPS,
        message=f"{int(panel.is_adopter.sum())} adopting and {int((~panel.is_adopter).sum())} other groups; with fewer"
        f" than {TRUSTED_GROUPS} of either the standard error is too small",
    )


def _pre_trend(panel: Staggered, effect: Estimate) -> Check:
    """Whether adopters had been drifting away from the others, by a straight line over the days without the change."""
    rows = panel.shown(~panel.is_treated)
    if int(panel.cohorts.min()) < LEAST_DAYS_BEFORE:
        return unjudged(PRE_TREND, f"fewer than {LEAST_DAYS_BEFORE} days before the first adoption")
    rows["drift"] = rows["day"].where(rows["cohort"] > 0, 0).astype(float)
    fit = within(rows, ["drift"])
    slope, se = fit.first
    p_value = two_sided(slope, se, panel.df)
    reach = _mean_distance(panel)
    widest = (abs(slope) + float(stats.t.isf(LEVEL / 2, panel.df)) * se) * reach
    return tested(
        PRE_TREND,
        slope,
        p_value,
        f"before adoption the groups drifted apart by {slope:+.3g} a day (p {p_value:.2g}); a drift that"
        f" this does not rule out would make up to {widest:.3g} of the estimate of {effect.effect:+.4g}",
    )


def _mean_distance(panel: Staggered) -> float:
    """Days between the middle of the treated days and the middle of those before, of adopters."""
    since = panel.since[panel.is_adopter]
    return float(since[since >= 0].mean() - since[since < 0].mean())


def _placebo(panel: Staggered) -> Check:
    """The effect of an adoption that never was: as much earlier as is half of the shortest time before adoption."""
    shift = int(panel.cohorts.min()) // 2
    if shift < LEAST_DAYS_BEFORE // 2:
        return unjudged(PLACEBO, f"fewer than {LEAST_DAYS_BEFORE} days before the first adoption")
    earlier = np.where(panel.is_adopter, panel.adoption - shift, panel.adoption)
    rows: pd.DataFrame = Staggered(panel.value, earlier).shown(~panel.is_treated)
    fit = two_stage(rows)
    effect, se = fit.first
    p_value = two_sided(effect, se, panel.df)
    return tested(
        PLACEBO,
        effect,
        p_value,
        f"had adoption been {shift} days earlier, its effect before the true day would be {effect:+.4g}"
        f" (p {p_value:.2g})",
    )
