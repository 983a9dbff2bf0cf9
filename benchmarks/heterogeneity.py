"""Heterogeneity of 200 experiments × 20 metrics × 20 segments, from scorecard and moments to its tables.

`python -m benchmarks.heterogeneity` measures in this process and prints seconds, rows and the peak memory as JSON.
The scorecard's own time is not counted: `python -m benchmarks wide` has that.
"""

import argparse
import json
import resource
import sys
import time

from analysis.heterogeneity.build import heterogeneity
from analysis.scorecard import scorecard
from benchmarks.wide import BLOCKED, make_experiments, make_metrics, make_moments

GOAL = 5.0
"""Seconds."""


def time_heterogeneity(n_experiments: int, n_metrics: int, segments: int, runs: int) -> dict[str, float]:
    """Seconds and CPU seconds of the fastest of some runs, and the rows that came out."""
    metrics = make_metrics(n_metrics)
    experiments = make_experiments(n_experiments, metrics)
    moments = make_moments(experiments, metrics, segments)
    card = scorecard(moments, experiments, metrics, BLOCKED)
    seconds, cpu_seconds = [], []
    for _ in range(runs):
        started, cpu_started = time.perf_counter(), time.process_time()
        found = heterogeneity(card, moments, experiments, metrics)
        seconds.append(time.perf_counter() - started)
        cpu_seconds.append(time.process_time() - cpu_started)
    if not found.interactions["p_value"].notna().all():
        raise AssertionError("every dimension is tested")
    return {
        "heterogeneity, s": min(seconds),
        "heterogeneity, CPU s": min(cpu_seconds),
        "goal, s": GOAL,
        "segments": len(found.segment_effects),
        "tests": len(found.interactions),
    }


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
