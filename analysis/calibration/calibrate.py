"""Whether an experiment's own tests and intervals hold what they promise on its own units."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from analysis.calibration.replicates import NO_BLOCKS, Units, copies, replicated_moments, with_closed_forms
from analysis.calibration.tail_rates import RateBound, rate_bound
from analysis.scorecard import ESTIMATED_STATUSES, scorecard
from analysis.scorecard.bootstraps import BOOTSTRAP
from analysis.statistics.registry import SHARE_TYPES
from configs.schema import Experiment, Metric

REPLICATES = 2_000
INJECTED_EFFECT = 0.1
ERROR = 0.01
"""Chance that a run calls any right metric miscalibrated."""

CALIBRATED, MISCALIBRATED, NOT_TESTED = "calibrated", "miscalibrated", "not_tested"
TESTS = ("rejection_05", "rejection_01", "lower_tail_025", "upper_tail_025", "coverage")

CALIBRATION_COLUMNS: dict[str, str] = {
    "as_of_date": "datetime64[us]",
    "experiment_id": "str",
    "metric_id": "str",
    "variant_id": "str",
    "method": "str",
    "metric_hash": "str",
    "status": "str",
    "reason": "str",
    "n_units": "Int64",
    "n_buckets": "Int64",
    "replicates": "Int64",
    "seed": "Int64",
    "injected_effect_relative": "float64",
    "confidence_level": "float64",
    **{f"{name}{end}": "float64" for name in TESTS for end in ("", "_bound_low", "_bound_high")},
}

# Methods that reject less than promised at a single look at the end: theirs is an upper bound only.
_CONSERVATIVE = ("newcombe", "always_valid", "group_sequential")


def calibration(
    units: Units,
    experiment: Experiment,
    metrics: Mapping[str, Metric],
    *,
    as_of: pd.Timestamp,
    n_buckets: int,
    seed: int,
    metric_hashes: Mapping[str, str] | None = None,
    replicates: int = REPLICATES,
    error: float = ERROR,
) -> pd.DataFrame:
    """A row for each metric and treatment with `CALIBRATION_COLUMNS`: rates seen, bounds, and whether they hold.

    The units' buckets are re-randomised within epochs at the real split `replicates` times, and each time the whole
    scorecard is computed. Tested are rejections at .05 and .01 and in each tail at .025 without any effect, and the
    coverage of an effect put in (shares fall, other metrics rise by 10 %) at the experiment's level, each two-sided
    at error / number of tests. `error`: chance that any right metric fails. `n_buckets`: cells behind each
    epoch's sums.
    """
    rng = np.random.default_rng([seed, as_of.toordinal()])
    effects = {
        metric_id: -INJECTED_EFFECT if metrics[metric_id].type in SHARE_TYPES else INJECTED_EFFECT
        for metric_id in units.metrics
    }
    experiments = copies(experiment, replicates)
    null, shifted = (
        scorecard(
            replicated_moments(units, experiment, metrics, rng, replicates, injected),
            experiments,
            with_closed_forms(metrics),
            NO_BLOCKS,
        )
        for injected in ({}, effects)
    )
    level = error / (len(TESTS) * max(1, len(experiment.metrics.roles) * len(experiment.treatments)))
    keys = ["metric_id", "variant_id"]
    shifted_rows = dict(list(shifted.groupby(keys)))
    rows = [
        {
            "as_of_date": as_of,
            "experiment_id": experiment.id,
            "metric_hash": (metric_hashes or {}).get(key[0], ""),
            "n_buckets": n_buckets,
            "seed": seed,
            **(
                _tested(key, rows_, shifted_rows[key], units, effects, n_buckets, level, experiment)
                if metrics[key[0]].bootstrap is None
                else _bootstrapped(key, experiment)
            ),
        }
        for key, rows_ in null.groupby(keys)
    ]
    return pd.DataFrame(rows, columns=list(CALIBRATION_COLUMNS)).astype(CALIBRATION_COLUMNS)


def _bootstrapped(key: Any, experiment: Experiment) -> dict[str, Any]:
    """The row of a metric whose tests resample buckets, which replicates consist of whole."""
    return {
        "metric_id": key[0],
        "variant_id": key[1],
        "method": BOOTSTRAP,
        "confidence_level": 1 - experiment.analysis.alpha,
        "status": NOT_TESTED,
        "reason": "a bootstrap resamples the buckets that are re-randomised here; docs/error_rates.md has its rates",
    }


def _tested(
    key: Any,
    null: pd.DataFrame,
    shifted: pd.DataFrame,
    units: Units,
    effects: Mapping[str, float],
    n_buckets: int,
    level: float,
    experiment: Experiment,
) -> dict[str, Any]:
    metric_id, variant_id = key
    row: dict[str, Any] = {
        "metric_id": metric_id,
        "variant_id": variant_id,
        "method": null["method"].mode().iloc[0],
        "confidence_level": 1 - experiment.analysis.alpha,
    }
    if experiment.changes_weights:
        why = "replicates have no moments by epoch, which changing weights need; docs/error_rates.md has their rates"
        return row | {"status": NOT_TESTED, "reason": why}
    sums = units.metrics.get(metric_id)
    computed = null[null["status"].isin(ESTIMATED_STATUSES)]
    if sums is None or len(computed) < 0.99 * len(null):
        failed = null[~null["status"].isin(ESTIMATED_STATUSES)]
        why = (
            "the units hold no value of it"
            if sums is None
            else f"{failed['status'].iloc[0]}: {failed['reason'].iloc[0]}"
        )
        return row | {"status": NOT_TESTED, "reason": why}
    row |= {"n_units": int(sums.n.sum()), "replicates": len(computed)}
    if experiment.analysis.bayesian is not None and experiment.analysis.bayesian.prior != "flat":
        return row | {
            "status": NOT_TESTED,
            "reason": "a prior that says something holds on average over it, not at zero",
        }
    effect = effects[metric_id]
    truth = effect * sums.pooled_mean
    covered = shifted["ci_low"].le(truth) & shifted["ci_high"].ge(truth)
    covered = covered[shifted["status"].isin(ESTIMATED_STATUSES)]
    p, is_up = computed["p_value"], computed["effect"] > 0
    rates = {
        "rejection_05": float((p <= 0.05).mean()),
        "rejection_01": float((p <= 0.01).mean()),
        "lower_tail_025": float(((p <= 0.05) & ~is_up).mean()),
        "upper_tail_025": float(((p <= 0.05) & is_up).mean()),
        "coverage": float(covered.mean()),
    }
    bounds = _bounds(len(computed), n_buckets, level, experiment.analysis.alpha, row["method"])
    broken = [_sentence(name, rates[name], bounds[name]) for name in TESTS if not bounds[name].holds(rates[name])]
    ends = {f"{name}_bound_{end}": getattr(bounds[name], end) for name in TESTS for end in ("low", "high")}
    reason = f"{MISCALIBRATED} on its own re-randomised units: {'; '.join(broken)}" if broken else ""
    status = MISCALIBRATED if broken else CALIBRATED
    return row | rates | ends | {"injected_effect_relative": effect, "status": status, "reason": reason}


def _bounds(replicates: int, n_buckets: int, level: float, alpha: float, method: str) -> dict[str, RateBound]:
    one_sided = method.endswith(_CONSERVATIVE)

    def bound(rate: float, tails: int) -> RateBound:
        return rate_bound(rate, replicates, n_buckets, level, tails=tails, one_sided=one_sided)

    missed = bound(alpha, 2)
    return {
        "rejection_05": bound(0.05, 2),
        "rejection_01": bound(0.01, 2),
        "lower_tail_025": bound(0.025, 1),
        "upper_tail_025": bound(0.025, 1),
        "coverage": RateBound(1 - missed.high, 1 - missed.low),
    }


_WORDS = {
    "rejection_05": "tests at .05 reject",
    "rejection_01": "tests at .01 reject",
    "lower_tail_025": "of .025 downwards they reject",
    "upper_tail_025": "of .025 upwards they reject",
    "coverage": "intervals cover a known effect in",
}


def _sentence(name: str, rate: float, bound: RateBound) -> str:
    return f"{_WORDS[name]} {rate:.1%} ({bound.low:.1%} to {bound.high:.1%} would do)"
