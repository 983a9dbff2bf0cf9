"""The wide scorecard: 500 experiments × 50 metrics × 10 segments, from moments to decisions.

`python -m benchmarks.wide` runs it in this process and prints seconds by step and the peak memory as JSON.
`python -m benchmarks.wide --health` does so for the health checks of 200 experiments × 10 segments × 60 days.
"""

import argparse
import json
import resource
import sys
import time
from collections.abc import Callable
from datetime import date, timedelta
from itertools import product
from typing import Any

import numpy as np
import pandas as pd

from analysis.decisions import decisions
from analysis.health import HealthData, health_checks
from analysis.scorecard import scorecard
from configs.schema import Experiment, HealthThresholds, Metric, Project

START, DAYS = date(2026, 9, 1), 28
VARIANTS = ("control", "treatment")
BLOCKED = pd.DataFrame(columns=["as_of_date", "experiment_id", "metric_id", "status", "reason"])
SOURCE_DAYS = ["log_date", "source_id", "status", "reason"]


def make_metrics(n: int) -> dict[str, Metric]:
    """Metrics of every estimator: shares and means, adjusted and not, and ratios."""
    counted = {"source": "shop_events", "event": "purchase"}
    adjusted = {"covariate": {"lookback_days": 7}}
    kinds: list[dict[str, Any]] = [
        {"type": "proportion", **counted, **adjusted},
        {"type": "mean", "aggregate": "count", **counted, **adjusted},
        {"type": "mean", "aggregate": "count", **counted},
        {"type": "ratio", "numerator": counted, "denominator": counted | {"event": "visit"}},
        {"type": "proportion", **counted, "direction": "decrease"},
    ]
    return {id_: Metric(id=id_, **kinds[i % len(kinds)]) for i, id_ in enumerate(f"metric_{n:02}" for n in range(n))}


def make_experiments(n: int, metrics: dict[str, Metric], days: int = DAYS) -> dict[str, Experiment]:
    """Experiments of two arms with every metric: two primaries, a guardrail, the others secondary."""
    first, second, guardrail, *others = metrics
    plan = {
        "start": START,
        "end": START + timedelta(days=days - 1),
        "exposure_source": "web_exposures",
        "variants": [{"id": "control", "weight": 0.5, "baseline": True}, {"id": "treatment", "weight": 0.5}],
        "metrics": {
            "primary": [first, second],
            "secondary": others,
            "guardrail": [{"metric": guardrail, "non_inferiority_margin": 0.05}],
        },
        "segments": ["country"],
        "analysis": {"minimum_detectable_effect": 0.05},
    }
    ids = (f"experiment_{number:03}" for number in range(n))
    return {id_: Experiment.model_validate(plan | {"id": id_}) for id_ in ids}


def make_moments(experiments: dict[str, Experiment], metrics: dict[str, Metric], segments: int) -> pd.DataFrame:
    """fct_metric_moments of the last as-of date: the whole population and `segments` values of a segment."""
    random = np.random.default_rng(1)
    slices = [("all", "all")] + [("country", f"country_{number}") for number in range(segments)]
    keys = pd.DataFrame(
        product(experiments, metrics, slices, VARIANTS), columns=["experiment_id", "metric_id", "slice", "variant_id"]
    )
    n_rows = len(keys)
    kind = keys["metric_id"].map({id_: metric.type for id_, metric in metrics.items()})
    has_covariate = keys["metric_id"].map({id_: metric.covariate is not None for id_, metric in metrics.items()})
    is_share, is_ratio = (kind == "proportion").to_numpy(), (kind == "ratio").to_numpy()
    n = random.integers(2_000, 200_000, n_rows)
    mean = np.where(is_share, 0.1, 2.0) * (1 + 0.02 * random.standard_normal(n_rows))
    variance = np.where(is_share, mean * (1 - mean) * n / (n - 1), 4.0)
    covariate = {
        "covariate_mean": mean,
        "covariate_variance": variance,
        "covariate_covariance": 0.5 * variance,
        "no_history_share": 0.3,
        "no_history_covariance": -0.1 * variance,
        "covariate_no_history_covariance": -0.3 * mean,
    }
    denominator = {"denominator_mean": 3.0, "denominator_variance": 5.0, "denominator_covariance": 2.0}
    return pd.DataFrame(
        {
            "as_of_date": START + timedelta(days=DAYS - 1),
            **{name: keys[name] for name in ("experiment_id", "variant_id", "metric_id")},
            "segment_name": keys["slice"].str[0],
            "segment_value": keys["slice"].str[1],
            "n_units": n,
            "mean": mean,
            "variance": variance,
            "third_central_moment": np.where(is_share, mean * (1 - mean) * (1 - 2 * mean), 10.0),
            **{name: np.where(is_ratio, values, np.nan) for name, values in denominator.items()},
            **{name: pd.Series(values, keys.index).where(has_covariate) for name, values in covariate.items()},
            "last_cohort_date": START + timedelta(days=DAYS - 1),
            "n_overflow": 0,
            "n_not_computed": 0,
            "metric_hash": "0123456789ab",
        }
    )


def make_epoch_counts(experiments: dict[str, Experiment], segments: int, days: int) -> pd.DataFrame:
    """fct_epoch_counts of every as-of date: units that come day by day."""
    random = np.random.default_rng(2)
    slices = [("all", "all")] + [("country", f"country_{number}") for number in range(segments)]
    dates = [START + timedelta(days=number) for number in range(days)]
    frame = pd.DataFrame(
        product(experiments, slices, VARIANTS, dates), columns=["experiment_id", "slice", "variant_id", "as_of_date"]
    )
    arrivals = random.poisson(np.where((frame["slice"].str[0] == "all").to_numpy(), 1000, 100))
    total = pd.Series(arrivals).groupby(np.arange(len(frame)) // days).cumsum()
    return frame.assign(
        segment_name=frame["slice"].str[0],
        segment_value=frame["slice"].str[1],
        epoch=0,
        n_units=total,
        n_mixed_excluded=total // 500,
        weight=0.5,
    ).drop(columns="slice")


def make_daily_moments(epoch_counts: pd.DataFrame, metrics: dict[str, Metric]) -> pd.DataFrame:
    """What health checks read of the moments, for the whole population at every as-of date."""
    whole = epoch_counts[epoch_counts["segment_name"] == "all"]
    keys = ["as_of_date", "experiment_id", "variant_id", "segment_name", "n_units"]
    frame = whole[keys].merge(pd.DataFrame({"metric_id": list(metrics)}), how="cross")
    mean = 0.3 * (1 + 0.01 * np.random.default_rng(3).standard_normal(len(frame)))
    return frame.assign(
        mean=mean,
        variance=0.21,
        third_central_moment=0.08,
        total=frame["n_units"] * mean,
        cap_value=50.0,
        covariate_mean=mean,
        covariate_variance=0.21,
    )


def make_event_coverage(epoch_counts: pd.DataFrame) -> pd.DataFrame:
    """Units with any event of a source, at every as-of date."""
    whole = epoch_counts[epoch_counts["segment_name"] == "all"]
    return whole[["as_of_date", "experiment_id", "variant_id", "n_units"]].assign(
        source_id="shop_events", window_days=7, n_with_event=whole["n_units"] * 9 // 10, n_not_computed=0
    )


def make_metric_probes(moments: pd.DataFrame) -> pd.DataFrame:
    """Bots, and amounts in another unit, of every metric at every as-of date."""
    rows = moments[["as_of_date", "experiment_id", "variant_id", "metric_id", "n_units"]]
    few = rows.assign(n_found=rows["n_units"] // 1000, n_not_computed=0)
    bots = few.assign(probe="bots", total=few["n_found"] * 3.0)
    return pd.concat([bots, few.assign(probe="other_unit", total=few["n_units"] * 0.5)])


def make_earlier_arms(experiments: dict[str, Experiment], metrics: dict[str, Metric], days: int) -> pd.DataFrame:
    """Units of every day that had been in one of three earlier experiments, and their covariates."""
    random = np.random.default_rng(4)
    dates = [START + timedelta(days=number) for number in range(days)]
    covariates = ["all", *(id_ for id_, metric in metrics.items() if metric.covariate)]
    keys = product(experiments, dates, VARIANTS, ("old_1", "old_2", "old_3"), ("c", "d"), covariates)
    columns = ["experiment_id", "known_from", "variant_id", "earlier_experiment_id", "earlier_variant_id", "metric_id"]
    frame = pd.DataFrame(keys, columns=columns)
    n_units = random.poisson(200, len(frame))
    return frame.assign(n_units=n_units, covariate_sum=n_units * 2.0, covariate_squares=n_units * 9.0)


def make_predecessors(experiments: dict[str, Experiment]) -> pd.DataFrame:
    """The arms of these earlier experiments."""
    rows = [(*key, key[2] == "c") for key in product(experiments, ("old_1", "old_2", "old_3"), ("c", "d"))]
    columns = ["experiment_id", "earlier_experiment_id", "earlier_variant_id", "is_baseline"]
    return pd.DataFrame(rows, columns=columns)


def make_exposure_rows(experiments: dict[str, Experiment], days: int) -> pd.DataFrame:
    """Exposure rows of every experiment on every log date, a few of them refused."""
    dates = [START + timedelta(days=number) for number in range(days)]
    rows = [
        (day, "web_exposures", id_, day if not reason else None, reason, 1 if reason else 2000)
        for id_ in experiments
        for day in dates
        for reason in ("", "unknown_variant")
    ]
    return pd.DataFrame(rows, columns=["log_date", "source_id", "experiment_id", "exposed_date", "reason", "n_rows"])


def make_source_days(project: Project, days: int) -> pd.DataFrame:
    """Every log date that the results stand on, in order."""
    dates = [project.history_start + timedelta(days=number) for number in range(days + 40)]
    rows = [(day, source, "ok", "") for source in ("web_exposures", "shop_events") for day in dates]
    return pd.DataFrame(rows, columns=SOURCE_DAYS)


def time_wide(n_experiments: int, n_metrics: int, segments: int) -> dict[str, float]:
    """Seconds of each step from moments to decisions."""
    metrics = make_metrics(n_metrics)
    experiments = make_experiments(n_experiments, metrics)
    moments = make_moments(experiments, metrics, segments)
    last = START + timedelta(days=DAYS - 1)
    project = Project(name="wide", history_start=START - timedelta(days=30))
    counts = make_epoch_counts(experiments, segments, 1).assign(as_of_date=last)
    seconds: dict[str, float] = {}
    scored = _timed(seconds, "scorecard, s", lambda: scorecard(moments, experiments, metrics, BLOCKED))
    checks = _timed(
        seconds,
        "health checks, s",
        lambda: health_checks(
            HealthData(
                epoch_counts=counts,
                moments=moments.assign(total=1.0, cap_value=np.nan),
                source_days=make_source_days(project, DAYS),
            ),
            experiments,
            metrics,
            project,
            [last],
        ),
    )
    decided = _timed(seconds, "decisions, s", lambda: decisions(scored, checks, experiments, metrics, [last]))
    if len(decided) != n_experiments or not scored["p_value_adjusted"].notna().all():
        raise AssertionError("every comparison has a p-value and every experiment a decision")
    return seconds | {"comparisons": len(scored)}


def time_health(n_experiments: int, segments: int, days: int) -> dict[str, float]:
    """Seconds of the health checks of every as-of date."""
    windowed = {"window": {"end_days": 7}}
    metrics = {
        id_: Metric.model_validate(metric.model_dump(exclude_unset=True) | windowed)
        for id_, metric in make_metrics(5).items()
    }
    experiments = make_experiments(n_experiments, metrics, days)
    limits = HealthThresholds(bot_daily_events=1000, carry_over_days=30)
    project = Project(name="wide", history_start=START - timedelta(days=30), health=limits)
    counts = make_epoch_counts(experiments, segments, days)
    moments = make_daily_moments(counts, metrics)
    data = HealthData(
        epoch_counts=counts,
        moments=moments,
        metric_probes=make_metric_probes(moments),
        earlier_arms=make_earlier_arms(experiments, metrics, days),
        predecessors=make_predecessors(experiments),
        event_coverage=make_event_coverage(counts),
        exposure_rows=make_exposure_rows(experiments, days),
        source_days=make_source_days(project, days),
    )
    dates = [START + timedelta(days=number) for number in range(days)]
    seconds: dict[str, float] = {}
    checks = _timed(seconds, "health checks, s", lambda: health_checks(data, experiments, metrics, project, dates))
    return seconds | {"rows": len(checks)}


def _timed(seconds: dict[str, float], name: str, step: Callable[[], pd.DataFrame]) -> pd.DataFrame:
    started = time.perf_counter()
    frame = step()
    seconds[name] = time.perf_counter() - started
    return frame


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.wide", description=__doc__)
    parser.add_argument("--experiments", type=int)
    parser.add_argument("--metrics", type=int, default=50)
    parser.add_argument("--segments", type=int, default=10)
    parser.add_argument("--days", type=int, default=60, help="as-of dates of the health checks")
    parser.add_argument("--health", action="store_true")
    options = parser.parse_args()
    if options.health:
        figures = time_health(options.experiments or 200, options.segments, options.days)
    else:
        figures = time_wide(options.experiments or 500, options.metrics, options.segments)
    figures["peak MB"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    json.dump(figures, sys.stdout)


if __name__ == "__main__":
    main()
