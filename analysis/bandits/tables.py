"""What is published of bandits: tomorrow's allocation, values of other policies, the gain over an equal split."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

from analysis.bandits.allocation import Allocation, Policy, allocate_means, allocate_shares
from analysis.bandits.batches import balanced
from analysis.bandits.columns import ALLOCATION_COLUMNS, GAIN_COLUMNS, VALUE_COLUMNS
from analysis.bandits.frames import Arrays, arrays_of, frame_of, timestamp
from analysis.bandits.logged_propensities import shares_of
from analysis.bandits.off_policy import (
    FEWEST_EFFECTIVE,
    LoggedRewards,
    doubly_robust,
    inverse_propensity,
    is_thin,
    self_normalised,
)
from analysis.bandits.reasons import REASONS
from analysis.bandits.regret import gain_over_uniform
from analysis.scorecard.contrast_rows import Blocks, blocks_of, dates_of
from analysis.statistics.estimate import Contrast
from analysis.statistics.registry import SHARE_TYPES
from analysis.statistics.status import Status
from analysis.statistics.student_t import interval
from configs.schema import Bandit, Experiment, Metric

ESTIMATORS: dict[str, Callable[[LoggedRewards], Contrast]] = {
    "self_normalised": self_normalised,
    "doubly_robust": doubly_robust,
    "inverse_propensity": inverse_propensity,
}
THIN = "thin"
_THIN_REASON = f"the log is worth fewer than {FEWEST_EFFECTIVE:.0f} units of this policy: intervals are rough"
_HOLDS = "{}: the starting shares hold"


def bandit_allocations(
    batch_moments: pd.DataFrame,
    experiments: Mapping[str, Experiment],
    metrics: Mapping[str, Metric],
    blocked: pd.DataFrame,
    as_of_dates: pd.DataFrame,
) -> pd.DataFrame:
    """The allocation of the day after each as-of date, a row for each variant, with `ALLOCATION_COLUMNS`.

    A function of fct_batch_moments at that date alone, so that it comes out the same whenever it is computed. Where the
    reward is `blocked`, missing or has too few units the variants' weights hold, and the status says why.
    """
    blocks, rows = blocks_of(blocked), []
    for experiment, bandit in _bandits(experiments):
        last = timestamp(experiment.end)
        dates = [day for day in dates_of(as_of_dates, experiment.id) if day < last]
        arrays = arrays_of(batch_moments, experiment, bandit.reward, dates)
        rows += list(_allocation_rows(experiment, bandit, metrics[bandit.reward], arrays, blocks))
    return frame_of(rows, ALLOCATION_COLUMNS)


def policy_values(
    batch_moments: pd.DataFrame,
    allocations: pd.DataFrame,
    experiments: Mapping[str, Experiment],
    blocked: pd.DataFrame,
    as_of_dates: pd.DataFrame,
    logged: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """What the reward would have been under each policy that the configuration names, with `VALUE_COLUMNS`."""
    blocks, rows = blocks_of(blocked), []
    for experiment, bandit in _bandits(experiments):
        dates = dates_of(as_of_dates, experiment.id)
        arrays = arrays_of(batch_moments, experiment, bandit.reward, dates)
        shares = shares_of(allocations, experiment, dates, logged)
        for policy in bandit.policies:
            target = np.array([policy.shares.get(variant.id, 0.0) for variant in experiment.variants])
            rewards = LoggedRewards.of(arrays.n, arrays.mean, arrays.variance, shares, target)
            thin, worth = is_thin(rewards), rewards.effective_units
            for name, estimator in ESTIMATORS.items():
                figures = _figures(estimator(rewards), experiment, bandit, arrays, blocks, ("value", "value_se"))
                for index, row in enumerate(figures):
                    if row["status"] == "ok" and thin[index]:
                        row |= {"status": THIN, "reason": _THIN_REASON}
                    own = {"policy_id": policy.id, "estimator": name, "effective_units": worth[index]}
                    rows.append(row | own)
    return frame_of(rows, VALUE_COLUMNS)


def bandit_gains(
    batch_moments: pd.DataFrame,
    allocations: pd.DataFrame,
    experiments: Mapping[str, Experiment],
    blocked: pd.DataFrame,
    as_of_dates: pd.DataFrame,
    logged: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """What allocation added to the rewards that an equal split of the same units would have had, `GAIN_COLUMNS`."""
    blocks, rows = blocks_of(blocked), []
    for experiment, bandit in _bandits(experiments):
        dates = dates_of(as_of_dates, experiment.id)
        arrays = arrays_of(batch_moments, experiment, bandit.reward, dates)
        batches = arrays.batches(shares_of(allocations, experiment, dates, logged))
        used = batches.is_used.sum(axis=-1)
        figures = _figures(gain_over_uniform(batches), experiment, bandit, arrays, blocks, ("gain", "gain_se"))
        for row, n_batches in zip(figures, used, strict=True):
            per_unit = row["gain"] / row["n_units"] if row["status"] == "ok" else np.nan
            rows.append(row | {"n_batches": int(n_batches), "gain_per_unit": per_unit})
    return frame_of(rows, GAIN_COLUMNS)


def _bandits(experiments: Mapping[str, Experiment]) -> Iterator[tuple[Experiment, Bandit]]:
    for experiment in experiments.values():
        if experiment.bandit is not None and experiment.is_analysed:
            yield experiment, experiment.bandit


def _allocation_rows(
    experiment: Experiment, bandit: Bandit, metric: Metric, arrays: Arrays, blocks: Blocks
) -> Iterator[dict[str, object]]:
    start = tuple(variant.weight for variant in experiment.variants)
    policy = Policy(start, bandit.floor, bandit.leader_share, bandit.minimum_units)
    sign = 1.0 if metric.direction == "increase" else -1.0
    allocate = allocate_shares if metric.type in SHARE_TYPES else allocate_means
    arms = balanced(arrays.batches(np.full(len(start), 1 / len(start))))
    forbidden = [blocks.get((day, experiment.id, metric.id)) for day in arrays.dates]
    is_blocked = np.array([one is not None for one in forbidden], dtype=bool)[:, None]
    # What is blocked is no reward to allocate by: without units the starting shares hold.
    arms = type(arms)(np.where(is_blocked, 0.0, arms.n), arms.mean, arms.variance)
    found: Allocation = allocate(arms, policy, sign)
    first, end = found.ranges
    units = arrays.n.sum(axis=1)
    for at, day in enumerate(arrays.dates):
        code, block = Status(int(found.status[at])), forbidden[at]
        # Before any unit has matured nothing is wrong: the bandit has not begun.
        code = Status.BURN_IN if code is Status.NO_UNITS else code
        status, reason = (code.name.lower(), REASONS[code]) if block is None else (block[0], _HOLDS.format(block[1]))
        if block is None and code not in (Status.OK, Status.BURN_IN):
            reason = _HOLDS.format(reason)
        entered = day + pd.Timedelta(days=1)
        for arm, variant in enumerate(experiment.variants):
            yield {
                "as_of_date": day,
                "experiment_id": experiment.id,
                "day": entered,
                "variant_id": variant.id,
                "metric_id": metric.id,
                "n_units": int(units[at, arm]) if block is None else None,
                "mean": arms.mean[at, arm] if block is None else np.nan,
                "chance_best": found.chance_best[at, arm],
                "share": found.propensity[at, arm],
                "buckets": int(found.buckets[at, arm]),
                "first_bucket": int(first[at, arm]),
                "end_bucket": int(end[at, arm]),
                "salt": f"{experiment.id}:{entered:%Y-%m-%d}:",
                "status": status,
                "reason": reason,
            }


def _figures(
    found: Contrast,
    experiment: Experiment,
    bandit: Bandit,
    arrays: Arrays,
    blocks: Blocks,
    names: tuple[str, str],
) -> Iterator[dict[str, Any]]:
    """A row for each as-of date: an estimate of the reward with its interval, or why there is none."""
    alpha = experiment.analysis.alpha
    ci = interval(found, alpha)
    units = arrays.n.sum(axis=(1, 2))
    for at, day in enumerate(arrays.dates):
        code, block = Status(int(found.status[at])), blocks.get((day, experiment.id, bandit.reward))
        status, reason = block or ("ok" if code is Status.OK else code.name.lower(), REASONS[code])
        ok = status == "ok"
        figures = (found.value[at], found.se[at], ci.low[at], ci.high[at])
        yield {
            "as_of_date": day,
            "experiment_id": experiment.id,
            "metric_id": bandit.reward,
            "n_units": int(units[at]) if block is None else None,
            **dict(zip((*names, "ci_low", "ci_high"), (float(x) if ok else np.nan for x in figures), strict=True)),
            "confidence_level": 1 - alpha,
            "status": status,
            "reason": reason,
        }
