"""The trend of each comparison's effect over the days since exposure, from complete cohorts alone."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.heterogeneity import trend
from analysis.heterogeneity.blocks import blocks
from analysis.heterogeneity.columns import TREND_COLUMNS, typed
from analysis.heterogeneity.trend import DayEffects, DayMoments
from analysis.statistics import student_t
from analysis.statistics.estimate import Contrast
from analysis.statistics.multiplicity import benjamini_hochberg
from analysis.statistics.status import REASONS, Floats, Status
from configs.schema import Experiment, Metric

DAY_COLUMNS = [
    "as_of_date",
    "experiment_id",
    "variant_id",
    "metric_id",
    "day",
    "other_day",
    "n_units",
    "mean",
    "covariance",
]
"""Of fct_day_moments: a row per arm, metric and two days since exposure, `day` <= `other_day`.

`mean` is that of `day`, `covariance` that of a unit's values on the two days, with n - 1.
"""
NOVELTY, PRIMACY, NONE = "novelty", "primacy", "none"
SLOPE, WEEKS = "slope", "last_week_less_first"
WEAK = "weak baseline: its mean is near 0 on a day, so the trend is of absolute effects"
NO_COHORT = "no complete cohort: no unit of an arm has been exposed for long enough"
UNSUPPORTED = "trends are of means, proportions and retentions alone, not of numbers of different values"
_NAMES = np.array([status.name.lower() for status in Status], dtype=object)
_REASONS = np.array([REASONS[status] for status in Status], dtype=object)
_GROUP = ["as_of_date", "experiment_id", "metric_id"]
_ORDER = ["as_of_date", "experiment_id", "metric_id", "variant_id", "term"]


def effect_trends(
    days: pd.DataFrame,
    experiments: Mapping[str, Experiment],
    metrics: Mapping[str, Metric],
    blocked: pd.DataFrame,
    as_of_dates: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Two rows per as-of date × experiment × metric it lists × treatment: `slope` and `last_week_less_first`.

    Dates are those in `days` and in `as_of_dates` (`as_of_date, experiment_id`); `blocked` is the scorecard's.
    Every unit must have been exposed long enough to be counted on all days: an arm whose days differ in units, or that
    lacks a day or a covariance, is `incomplete` and not tested. Effects are relative to the baseline's mean of
    the day, for activity falls with the days since exposure in both arms; absolute where that mean is weak on a day.
    `finding` follows the adjusted p-value (Benjamini & Hochberg by experiment, date, role and term): `novelty` if the
    effect moves in the worse direction, `primacy` if in the better. Raises ValueError for missing columns, rows twice.
    """
    days = _checked(days, experiments)
    plan = _plan(days, experiments, metrics, as_of_dates)
    plan["blocked_status"], plan["blocked_reason"] = blocks(plan, blocked)
    if plan.empty:
        return typed(dict.fromkeys(TREND_COLUMNS, pd.Series(dtype="object")), TREND_COLUMNS)
    parts = [_of_length(plan[plan["n_days"] == n], days, int(n)) for n in sorted(plan["n_days"].unique())]
    rows = pd.concat(parts, ignore_index=True)
    rows = rows.sort_values(_ORDER, kind="stable", ignore_index=True)
    family = rows.groupby(["as_of_date", "experiment_id", "role", "term"], sort=False).ngroup()
    adjusted = benjamini_hochberg(rows["p_value"].to_numpy(dtype=float), family.to_numpy(dtype=np.int64))
    is_significant = adjusted <= 1 - rows["confidence_level"].to_numpy(dtype=float)
    better = rows["change"].to_numpy(dtype=float) * rows["sign"].to_numpy(dtype=float) > 0
    named = np.select([is_significant & better, is_significant], [PRIMACY, NOVELTY], NONE)
    significant = pd.arrays.BooleanArray(is_significant, np.isnan(adjusted))
    found = {"p_value_adjusted": adjusted, "significant": significant}
    return typed(
        dict(rows.items()) | found | {"finding": np.where(np.isnan(adjusted), "", named)},
        TREND_COLUMNS,
    )


def _checked(days: pd.DataFrame, experiments: Mapping[str, Experiment]) -> pd.DataFrame:
    """The rows of these experiments, typed."""
    missing = [name for name in DAY_COLUMNS if name not in days.columns]
    if missing:
        raise ValueError(f"day moments lack the columns {', '.join(missing)}; build fct_day_moments again")
    types = dict.fromkeys(("experiment_id", "variant_id", "metric_id"), "str")
    types |= dict.fromkeys(("n_units", "mean", "covariance"), "float64") | dict.fromkeys(("day", "other_day"), "int64")
    frame = days.loc[days["experiment_id"].isin(list(experiments)), DAY_COLUMNS].astype(types)
    frame["as_of_date"] = pd.to_datetime(frame["as_of_date"]).astype("datetime64[us]")
    twice = frame.duplicated(DAY_COLUMNS[:6])
    if twice.any():
        raise ValueError(f"day moments hold a row twice: {frame.loc[twice, DAY_COLUMNS[:6]].iloc[0].to_dict()}")
    backwards = (frame["day"] < 0) | (frame["day"] > frame["other_day"])
    if backwards.any():
        row = frame.loc[backwards, DAY_COLUMNS[:6]].iloc[0].to_dict()
        raise ValueError(f"day moments need 0 <= day <= other_day: {row}; build fct_day_moments again")
    return frame


def _plan(
    days: pd.DataFrame,
    experiments: Mapping[str, Experiment],
    metrics: Mapping[str, Metric],
    as_of_dates: pd.DataFrame | None,
) -> pd.DataFrame:
    """A row per comparison, with the days that its longest arm has; one where there is none."""
    treatments = pd.DataFrame(
        [
            (id_, treatment.id, experiment.baseline.id, 1 - experiment.analysis.alpha)
            for id_, experiment in experiments.items()
            for treatment in experiment.treatments
        ],
        columns=["experiment_id", "variant_id", "baseline_id", "confidence_level"],
    )
    roles = pd.DataFrame(
        [(id_, *role) for id_, experiment in experiments.items() for role in experiment.metrics.roles.items()],
        columns=["experiment_id", "metric_id", "role"],
    )
    looks = [days[_GROUP[:2]], *([] if as_of_dates is None else [as_of_dates[_GROUP[:2]]])]
    looks = [look.assign(as_of_date=pd.to_datetime(look["as_of_date"]).astype("datetime64[us]")) for look in looks]
    rows = pd.concat(looks).astype({"experiment_id": "str"}).drop_duplicates()
    rows = rows.merge(roles, on="experiment_id").merge(treatments, on="experiment_id")
    lengths = days.groupby(_GROUP, sort=True)["other_day"].max().add(1).rename("n_days").reset_index()
    rows = rows.merge(lengths, on=_GROUP, how="left")
    supported = [id_ for id_, metric in metrics.items() if metric.has_daily_values]
    falling = [id_ for id_, metric in metrics.items() if metric.direction == "decrease"]
    return rows.assign(
        n_days=rows["n_days"].fillna(1).astype("int64"),
        sign=np.where(rows["metric_id"].isin(falling), -1.0, 1.0),
        is_supported=rows["metric_id"].isin(supported),
    )


def _of_length(plan: pd.DataFrame, days: pd.DataFrame, n_days: int) -> pd.DataFrame:
    """The rows of comparisons over the same number of days."""
    plan = plan.reset_index(drop=True)
    (baseline, problem_b), (treatment, problem_t) = (
        _arm(plan, days, variant, n_days) for variant in ("baseline_id", "variant_id")
    )
    problem = np.where(problem_b == "", problem_t, problem_b)
    blocked = (problem != "") | ~plan["is_supported"].to_numpy(dtype=bool) | (plan["blocked_status"] != "").to_numpy()
    weak = trend.is_weak_on_a_day(baseline)
    absolute, relative = trend.absolute_effects(baseline, treatment), trend.relative_effects(baseline, treatment)
    effects = _chosen(weak, absolute, relative)
    first, last = trend.first_and_last_week(effects)
    common = plan.assign(
        scale=np.where(weak, "absolute", "relative"),
        n_baseline=pd.array(baseline.n).astype("Int64"),
        n_treatment=pd.array(treatment.n).astype("Int64"),
        first_week_effect=np.where(blocked, np.nan, first.value),
        last_week_effect=np.where(blocked, np.nan, last.value),
    )
    terms = {SLOPE: trend.slope(effects), WEEKS: trend.last_week_less_first(effects)}
    return pd.concat([_rows(common, name, term, problem, blocked) for name, term in terms.items()], ignore_index=True)


def _rows(common: pd.DataFrame, name: str, term: Contrast, problem: NDArray, blocked: NDArray) -> pd.DataFrame:
    ci = student_t.interval(term, 1 - common["confidence_level"].to_numpy(dtype=float))
    numbers = {
        "change": term.value,
        "change_se": term.se,
        "ci_low": ci.low,
        "ci_high": ci.high,
        "p_value": student_t.two_sided_p(term),
    }
    status, reason = _status(common, name, term, problem)
    return common.assign(
        term=name,
        status=status,
        reason=reason,
        **{key: np.where(blocked, np.nan, values) for key, values in numbers.items()},
    )


def _status(common: pd.DataFrame, name: str, term: Contrast, problem: NDArray) -> tuple[NDArray, NDArray]:
    status, reason = _NAMES[term.status], _REASONS[term.status]
    weak = (common["scale"] == "absolute").to_numpy() & (term.status == Status.OK)
    status[weak], reason[weak] = "weak_baseline", WEAK
    least, n_days = trend.FEWEST_DAYS if name == SLOPE else 2 * trend.WEEK, common["n_days"].iloc[0]
    if n_days < least:
        status[:] = "incomplete"
        reason[:] = f"{least} complete days since exposure are needed, {n_days} are there"
    unsupported = ~common["is_supported"].to_numpy(dtype=bool)
    status[unsupported], reason[unsupported] = "not_computed", UNSUPPORTED
    incomplete = (problem != "") & ~unsupported
    status[incomplete], reason[incomplete] = "incomplete", problem[incomplete]
    blocked = (common["blocked_status"] != "").to_numpy()
    for values, name in ((status, "blocked_status"), (reason, "blocked_reason")):
        values[blocked] = common[name].to_numpy(dtype=object)[blocked]
    return status, reason


def _chosen(weak: NDArray, absolute: DayEffects, relative: DayEffects) -> DayEffects:
    """Absolute effects where the baseline is weak, else relative ones."""
    matrix = weak[:, None, None]
    return DayEffects(
        np.where(weak[:, None], absolute.effect, relative.effect),
        np.where(matrix, absolute.baseline, relative.baseline),
        np.where(matrix, absolute.treatment, relative.treatment),
        absolute.freedom,
    )


def _arm(plan: pd.DataFrame, days: pd.DataFrame, variant: str, n_days: int) -> tuple[DayMoments, NDArray]:
    """An arm's moments by day, NaN where they are missing, and what is wrong with them; "" where nothing is."""
    keys = [*_GROUP, "variant_id"]
    wanted = pd.MultiIndex.from_frame(plan[[*_GROUP, variant]].set_axis(keys, axis=1))
    # Several treatments share a baseline, so arms are numbered and then taken.
    arms, position = wanted.unique(), wanted.unique().get_indexer(wanted)
    of_row = arms.get_indexer(pd.MultiIndex.from_frame(days[keys]))
    rows = days[of_row >= 0]
    arm, day, other = of_row[of_row >= 0], rows["day"].to_numpy(), rows["other_day"].to_numpy()
    covariance = np.full((len(arms), n_days, n_days), np.nan)
    units = covariance.copy()
    mean = np.full((len(arms), n_days), np.nan)
    covariance[arm, day, other] = covariance[arm, other, day] = rows["covariance"]
    units[arm, day, other] = units[arm, other, day] = rows["n_units"]
    own = day == other
    mean[arm[own], day[own]] = rows["mean"].to_numpy()[own]
    moments = DayMoments(units[position, 0, 0], mean[position], covariance[position])
    return moments, _problems(units, mean, covariance)[position]


def _problems(units: Floats, mean: Floats, covariance: Floats) -> NDArray:
    """Why an arm's days are no complete cohort."""
    text = np.full(len(units), "", dtype=object)
    by_day = np.diagonal(units, axis1=1, axis2=2)
    text[np.isnan(units).all(axis=(1, 2))] = NO_COHORT
    for at in np.flatnonzero(np.isnan(units).any(axis=(1, 2)) & (text == "")):
        missing = np.flatnonzero(np.isnan(by_day[at]))
        what = f"day {missing[0]} since exposure" if missing.size else "a covariance between two days"
        text[at] = f"an arm lacks {what}; rebuild the experiment's day moments"
    complete = text == ""
    uneven = complete & (units != units[:, :1, :1]).any(axis=(1, 2))
    for at in np.flatnonzero(uneven):
        day = int(np.argmax(by_day[at] != by_day[at, 0]))
        text[at] = (
            f"cohorts are not complete: {by_day[at, 0]:,.0f} units on day 0, {by_day[at, day]:,.0f} on day {day}; "
            "only units exposed long enough for every day may be counted"
        )
    undefined = complete & ~uneven & (by_day[:, 0] >= 2)
    undefined &= np.isnan(mean).any(axis=1) | np.isnan(covariance).any(axis=(1, 2))
    text[undefined] = "a unit's value of a day was never computed, or is too large; rerun from the experiment's start"
    return text
