"""Comparisons of bootstrapped metrics, from sums over buckets of units; they share families with all other metrics."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.scorecard.bucket_table import ArmSums, BucketTable
from analysis.scorecard.cap_tails import CapTails, recapped
from analysis.scorecard.inference import Arrays, has_skewed_margin_test
from analysis.scorecard.resampled import Resampled, finite
from analysis.statistics.bootstrap import ArmDraws, Bootstrap, compare_arms, draw_arm
from analysis.statistics.registry import ESTIMATOR_OF_TYPE, ESTIMATORS, Columns
from analysis.statistics.relative import is_weak, relative_point
from analysis.statistics.skewness import is_difference_skewed
from analysis.statistics.status import Codes, Floats, Status
from analysis.statistics.student_t import Interval
from configs.schema import Bootstrap as Options
from configs.schema import Metric

Dates = NDArray[np.intp]

BOOTSTRAP = "bootstrap"
# Of fewer, the replicates' spread is too small by more than a hundredth of itself.
FEWEST_OCCUPIED = 50

REASONS = {
    Status.TOO_FEW_UNITS: f"an arm has units in fewer than {FEWEST_OCCUPIED} buckets, too few to resample",
    Status.FAILED: "the buckets' units are not those of the metric; build fct_bucket_sums again",
    Status.ZERO_DENOMINATOR: "the denominator is 0 in an arm, or in a replicate of it: too rare to resample",
}
NO_RELATIVE_INTERVAL = "replicates of the baseline's mean reach 0"
CLOSED_FORM = "closed form: only the whole population is bootstrapped"


@dataclass(frozen=True)
class ComparedBootstraps:
    """A metric's comparisons of one treatment, date by date: their rows' positions and bootstraps."""

    index: NDArray[np.intp]
    effect: Bootstrap

    def interval(self, alpha: Floats) -> Interval:
        """The effects' intervals at other levels; NaN for an end that takes more replicates than there are."""
        return finite(self.effect.interval(alpha))


def infer_bootstraps(
    rows: pd.DataFrame,
    table: BucketTable,
    tails: CapTails,
    metrics: Mapping[str, Metric],
    arms: tuple[Columns, Columns],
) -> Iterator[tuple[ComparedBootstraps, Arrays]]:
    """Comparisons with numbers and status codes as `inference.infer` names them, for rows of estimator `bootstrap`.

    `arms` are the baselines' and treatments' moments over all rows, NaN where nothing may be computed: means, effect
    and pooled standard error are theirs. Buckets whose units do not add up to them are FAILED.
    """
    own = rows[rows["estimator"] == BOOTSTRAP]
    for keys, of_metric in own.groupby(["experiment_id", "metric_id", "baseline_id"]):
        experiment_id, metric_id, baseline_id = keys
        metric = metrics[metric_id]
        dates = pd.DatetimeIndex(of_metric["as_of_date"].unique())
        variants = [baseline_id, *of_metric["variant_id"].unique()]
        sums = {variant: table.arm(experiment_id, metric_id, variant, dates) for variant in variants}
        drawn = _drawn(metric, experiment_id, dates, sums, tails.of_metric(experiment_id, metric_id))
        for variant_id, some in of_metric.groupby("variant_id"):
            moments: list[Columns] = [{name: values[some.index] for name, values in one.items()} for one in arms]
            at = dates.get_indexer(pd.DatetimeIndex(some["as_of_date"]))
            with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
                yield _compared(some, moments, metric, (drawn[baseline_id], drawn[variant_id]), at)


def seed_of(options: Options, experiment_id: str, metric_id: str) -> int:
    """The configured seed, else one that follows from the ids: the same in every run, another for each metric."""
    return options.seed if options.seed is not None else _digest(f"{experiment_id} {metric_id}")


def bootstrap_reasons(rows: pd.DataFrame, code: Codes, reason: NDArray) -> NDArray:
    """The reasons, with those of bootstraps in their own words."""
    of_bootstrap = (rows["estimator"] == BOOTSTRAP).to_numpy()
    own = [of_bootstrap & (code == status) for status in REASONS]
    return np.select(own, list(REASONS.values()), reason) if of_bootstrap.any() else reason


def relative_bootstrap_reasons(rows: pd.DataFrame, code: Codes, reason: NDArray) -> NDArray:
    """Why there is no relative interval, of bootstraps in their own words."""
    no_interval = (rows["estimator"] == BOOTSTRAP).to_numpy() & (code == Status.IMPRECISE)
    return bootstrap_reasons(rows, code, np.where(no_interval, NO_RELATIVE_INTERVAL, reason))


def missing_ends(rows: pd.DataFrame, results: Arrays) -> NDArray:
    """What to do where an interval takes more replicates than the metric has; "" elsewhere."""
    found = np.full(len(rows), "", dtype=object)
    tested = (rows["estimator"] == BOOTSTRAP).to_numpy() & (results["status"] == Status.OK)
    plain, adjusted = (
        np.isnan(results[f"ci_low{kind}"]) | np.isnan(results[f"ci_high{kind}"]) for kind in ("", "_adjusted")
    )
    for at in np.flatnonzero(tested & (plain | adjusted)):
        level = 1 - rows["alpha"].iloc[at] if plain[at] else results["confidence_level_adjusted"][at]
        found[at] = (
            f"an interval of level {level:.10g} has no end within {rows['replicates'].iloc[at]:.0f} replicates;"
            " give the metric's `bootstrap` more"
        )
    return found


@dataclass(frozen=True)
class _Arm:
    """An arm at every date: its units, how many buckets they fall into, and its draws."""

    n_units: Floats
    n_occupied: NDArray[np.intp]
    draws: ArmDraws


def _drawn(
    metric: Metric, experiment_id: str, dates: pd.DatetimeIndex, sums: Mapping[str, ArmSums], tails: pd.DataFrame
) -> dict[str, _Arm]:
    """Every arm, with weights that follow from seed and variant alone; a quantile cap is that of each replicate."""
    options = metric.bootstrap or Options()
    seed = seed_of(options, experiment_id, metric.id)
    seeds = {variant_id: [seed, _digest(variant_id)] for variant_id in sums}
    scale = max(sums.values(), key=lambda arm: float(arm.n_units.sum())).scale

    def statistic(parts: Floats) -> Floats:
        return np.asarray(parts[..., 0] / parts[..., 1] * scale)

    draws = {id_: draw_arm(arm.parts, statistic, seeds[id_], options.replicates) for id_, arm in sums.items()}
    if not tails.empty and metric.cap is not None and metric.cap.upper_quantile is not None:
        parts = recapped(tails, dates, sums, float(metric.cap.upper_quantile), seeds, options.replicates)
        with np.errstate(invalid="ignore", divide="ignore"):
            draws = {id_: replace(one, replicates=statistic(parts[id_])) for id_, one in draws.items()}
    return {
        id_: _Arm(arm.n_units.sum(axis=-1), np.count_nonzero(arm.n_units, axis=-1), draws[id_])
        for id_, arm in sums.items()
    }


def _compared(
    rows: pd.DataFrame, moments: list[Columns], metric: Metric, arms: tuple[_Arm, _Arm], at: Dates
) -> tuple[ComparedBootstraps, Arrays]:
    """The comparisons of one treatment; `at` are their dates among the arms'."""
    estimate = ESTIMATORS[ESTIMATOR_OF_TYPE[metric.type]["none"]](*moments)
    baseline, treatment = (arm.draws.take(at) for arm in arms)
    is_bca = (metric.bootstrap or Options()).interval == "bca"
    effect = compare_arms(baseline, treatment, corrected=is_bca)
    n = [column["n_units"] for column in moments]
    mismatch = np.logical_or.reduce([arm.n_units[at] != units for arm, units in zip(arms, n, strict=True)])
    is_sparse = np.minimum(*(arm.n_occupied[at] for arm in arms)) < FEWEST_OCCUPIED
    status = np.select(
        [estimate.status != Status.OK, mismatch, is_sparse],
        [estimate.status, np.int8(Status.FAILED), np.int8(Status.TOO_FEW_UNITS)],
        effect.status,
    ).astype(np.int8)
    one = ComparedBootstraps(rows.index.to_numpy(dtype=np.intp), replace(effect, status=status))
    return one, _results(rows, one, Resampled(estimate, baseline, treatment, status, is_bca))


def _results(rows: pd.DataFrame, one: ComparedBootstraps, resampled: Resampled) -> Arrays:
    estimate, effect, alpha = resampled.estimate, one.effect, rows["alpha"].to_numpy()
    is_up = rows["sign"].to_numpy() > 0
    above, below = effect.upper_tail_p(), effect.lower_tail_p()
    ci, (relative_ci, relative_status) = one.interval(alpha), resampled.relative(alpha)
    guard, guard_p = resampled.non_inferiority(rows)
    zero = np.zeros(len(rows), dtype=np.int8)
    return {
        "baseline_mean": estimate.baseline.mean,
        "treatment_mean": estimate.treatment.mean,
        "effect": estimate.effect,
        "effect_se": effect.se,
        "effect_se_pooled": estimate.pooled_se,
        "effect_relative": relative_point(estimate),
        "ci_low": ci.low,
        "ci_high": ci.high,
        "relative_ci_low": relative_ci.low,
        "relative_ci_high": relative_ci.high,
        "p_value": effect.two_sided_p(),
        "p_value_improvement": np.where(is_up, above, below),
        "p_value_deterioration": np.where(is_up, below, above),
        "p_value_non_inferiority": guard_p,
        "p_value_equivalence": resampled.equivalence(rows),
        "status": effect.status,
        "relative_status": relative_status,
        "non_inferiority_status": guard,
        "is_weak": is_weak(estimate),
        "is_skewed": is_difference_skewed(estimate, alpha * np.where(rows["alternative"] == "improvement", 2.0, 1.0)),
        "is_margin_skewed": has_skewed_margin_test(rows, estimate, share_levels_are_exact=False),
        **dict.fromkeys(("relative_shape", "is_fieller", "withheld"), zero),
    }


def _digest(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8])
