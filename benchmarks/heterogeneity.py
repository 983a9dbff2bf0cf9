"""Heterogeneity of 200 experiments × 20 metrics × 20 segments, from scorecard and moments to its tables.

Beside it the trends of the same comparisons over 14 days, and the interactions of all pairs of 60 experiments; what
their moments cost in the warehouse is measured by `benchmarks.overlaps`.

`python -m benchmarks.heterogeneity` measures in this process and prints seconds, rows and the peak memory as JSON.
The scorecard's own time is not counted: `python -m benchmarks wide` has that.
"""

import argparse
import json
import resource
import sys
import time
from collections.abc import Callable
from itertools import combinations, product
from typing import TypeVar

import numpy as np
import pandas as pd

from analysis.heterogeneity.build import heterogeneity
from analysis.heterogeneity.effect_trends import effect_trends
from analysis.heterogeneity.overlaps import overlaps
from analysis.scorecard import scorecard
from benchmarks.wide import BLOCKED, START, VARIANTS, make_experiments, make_metrics, make_moments
from configs.schema import Experiment, Metric

Table = TypeVar("Table")
DAYS, OVERLAPPING = 14, 60
"""Days of trends; experiments whose pairs are tested."""
GOAL = 5.0
"""Seconds."""


def time_heterogeneity(n_experiments: int, n_metrics: int, segments: int, runs: int) -> dict[str, float]:
    """Seconds of the fastest of some runs, and the rows that came out."""
    metrics = make_metrics(n_metrics)
    experiments = make_experiments(n_experiments, metrics)
    moments = make_moments(experiments, metrics, segments)
    card = scorecard(moments, experiments, metrics, BLOCKED)
    days, some = make_days(experiments, metrics), dict(list(experiments.items())[:OVERLAPPING])
    cells = make_cells(some, metrics)
    seconds, cpu_seconds, found = _fastest(runs, lambda: heterogeneity(card, moments, experiments, metrics))
    if not found.interactions["p_value"].notna().all():
        raise AssertionError("every dimension is tested")
    of_trends, _, trends = _fastest(runs, lambda: effect_trends(days, experiments, metrics, BLOCKED))
    of_overlaps, _, pairs = _fastest(runs, lambda: overlaps(cells, some, BLOCKED))
    return {
        "heterogeneity, s": seconds,
        "heterogeneity, CPU s": cpu_seconds,
        "goal, s": GOAL,
        "segments": len(found.segment_effects),
        "tests": len(found.interactions),
        "trends, s": of_trends,
        "trends": len(trends),
        "overlaps, s": of_overlaps,
        "overlaps": len(pairs),
    }


def make_days(experiments: dict[str, Experiment], metrics: dict[str, Metric]) -> pd.DataFrame:
    """fct_day_moments of every metric."""
    day, other = np.triu_indices(DAYS)
    keys = pd.DataFrame(product(experiments, metrics, VARIANTS), columns=["experiment_id", "metric_id", "variant_id"])
    frame = keys.loc[keys.index.repeat(day.size)].reset_index(drop=True)
    day, other = np.tile(day, len(keys)), np.tile(other, len(keys))
    random = np.random.default_rng(1)
    return frame.assign(
        as_of_date=START,
        day=day,
        other_day=other,
        n_units=10_000,
        mean=2 + 0.02 * random.standard_normal(len(frame)),
        covariance=np.where(day == other, 4.0, 1.0),
    )


def make_cells(experiments: dict[str, Experiment], metrics: dict[str, Metric]) -> pd.DataFrame:
    """fct_overlap_moments of every pair and metric."""
    keys = pd.DataFrame(
        [(*pair, *rest) for pair in combinations(experiments, 2) for rest in product(metrics, VARIANTS, VARIANTS)],
        columns=["experiment_id", "other_experiment_id", "metric_id", "variant_id", "other_variant_id"],
    )
    random = np.random.default_rng(2)
    blank = ("denominator_mean", "denominator_variance", "denominator_covariance")
    return keys.assign(
        as_of_date=START,
        n_units=10_000,
        mean=2 + 0.02 * random.standard_normal(len(keys)),
        variance=4.0,
        third_central_moment=8.0,
        **dict.fromkeys(blank, np.nan),
    )


def _fastest(runs: int, step: Callable[[], Table]) -> tuple[float, float, Table]:
    """Seconds and CPU seconds of the fastest run, and its result."""
    seconds, cpu_seconds = [], []
    for _ in range(runs):
        started, cpu_started = time.perf_counter(), time.process_time()
        found = step()
        seconds.append(time.perf_counter() - started)
        cpu_seconds.append(time.process_time() - cpu_started)
    return min(seconds), min(cpu_seconds), found


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.heterogeneity", description=__doc__)
    parser.add_argument("--experiments", type=int, default=200)
    parser.add_argument("--metrics", type=int, default=20)
    parser.add_argument("--segments", type=int, default=20)
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    figures = time_heterogeneity(options.experiments, options.metrics, options.segments, options.runs)
    figures["peak MB"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    json.dump(figures, sys.stdout)


if __name__ == "__main__":
    main()
