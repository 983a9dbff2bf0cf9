"""The latest cohort's level beside those before."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import pytest

from analysis.health import HealthData, health_checks
from configs.schema import Project
from tests.analysis.health.examples import METRICS, START, day, experiment, moments, rows_of


def cohorts(means: Sequence[float], n: int = 400, **changes: Any) -> pd.DataFrame:
    """Moments of the baseline as cohorts of n units with these means mature from day 3 on."""
    units = n * np.arange(1, len(means) + 1)
    mean = np.cumsum(means) / np.arange(1, len(means) + 1)
    rows = [
        {
            "as_of_date": day(3 + i), "metric_id": "spend", "variant_id": "a", "n_units": units[i], "mean": mean[i],
            "variance": 4.0, "third_central_moment": 0.0, "total": 2 * units[i] * mean[i],
        } | changes
        for i in range(len(means))
    ]  # fmt: skip
    return moments(rows)


WEEK = [10.0, 10.1, 9.9, 10.0, 10.1, 9.9, 10.0]
"""Median 10, median absolute deviation .1: a robust deviation of .14826, above the standard error 2/√400 = .1."""


def test_a_cohort_far_outside_the_week_before_warns_that_day_and_not_the_next() -> None:
    frame = cohorts([*WEEK, 10.1, 16.0, 10.0])
    found = rows_of("metric_level_jump", [day(10), day(11), day(12)], moments=frame)
    assert found["passed"].tolist() == [True, False, True]
    assert found.loc[day(11), "statistic"] == pytest.approx(6 / 0.14826)
    assert found.loc[day(11), "message"] == (
        "spend of the baseline's latest 400 units is 16, usually 10: +60%, 40.5 deviations (warns above 6, and 30%)"
    )


def test_small_changes_pass_however_unusual() -> None:
    """12 instead of 10 is 13 deviations, but only 20 %."""
    assert rows_of("metric_level_jump", [day(10)], moments=cohorts([*WEEK, 12.0]))["passed"].all()
    sensitive = experiment(health={"level_jump_share": 0.1})
    assert not rows_of("metric_level_jump", [day(10)], sensitive, moments=cohorts([*WEEK, 12.0]))["passed"].any()


def test_a_first_week_says_nothing_nor_do_the_units_of_a_small_cohort() -> None:
    assert rows_of("metric_level_jump", [day(9)], moments=cohorts([*WEEK[:6], 99.0]))["passed"].all()
    assert rows_of("metric_level_jump", [day(10)], moments=cohorts([*WEEK, 99.0], n=99))["passed"].all()


def test_a_skewed_metric_may_jump_up_further() -> None:
    """Skewness 4,000/2³ = 500 of a unit is 25 of a cohort's mean: 6 + 25·35/6 = 151.8 deviations pass."""
    skewed = cohorts([*WEEK, 16.0], third_central_moment=4_000.0)
    assert rows_of("metric_level_jump", [day(10)], moments=skewed)["passed"].all()
    falling = cohorts([*WEEK, 4.0], third_central_moment=4_000.0)
    assert not rows_of("metric_level_jump", [day(10)], moments=falling)["passed"].any()


def test_clean_experiments_rarely_warn_in_sixty_days() -> None:
    """80 experiments, 1 in 20 units with lognormal money (σ = 1.5), a week that swings by 20 %: at most 1 warns."""
    generator = np.random.default_rng(20261127)
    week = 1 + 0.2 * np.sin(2 * np.pi * np.arange(57) / 7)
    frames, subjects = [], {f"e{i}": experiment(id=f"e{i}", end=day(59)) for i in range(80)}
    for id_ in subjects:
        buyers = generator.binomial(300, 0.05 * week)
        powers = [[(generator.lognormal(3, 1.5, n)[:, None] ** [1, 2, 3]).sum(axis=0)] for n in buyers]
        first, second, third = np.concatenate(powers).cumsum(axis=0).T
        n = 300 * np.arange(1, 58)
        mean = first / n
        frames.append(
            pd.DataFrame(
                {
                    "as_of_date": [day(3 + i) for i in range(57)], "experiment_id": id_, "metric_id": "spend",
                    "variant_id": "a", "n_units": n, "mean": mean, "variance": (second - n * mean**2) / (n - 1),
                    "third_central_moment": third / n - 3 * mean * second / n + 2 * mean**3, "total": first,
                }
            )
        )  # fmt: skip
    data = HealthData(
        moments=pd.concat(frames).assign(segment_name="all").reindex(columns=HealthData().moments.columns)
    )
    project = Project(name="shop", history_start=START)
    found = health_checks(data, subjects, METRICS, project, [day(i) for i in range(60)])
    warned = found[(found["check_name"] == "metric_level_jump") & ~found["passed"]]
    assert len(set(warned["experiment_id"])) <= 1
