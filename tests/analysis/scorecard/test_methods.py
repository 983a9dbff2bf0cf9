"""Each method from a team's YAML to rows of the scorecard, checked against the library's functions."""

from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis.scorecard import scorecard
from configs.load import load_config
from configs.schema import Config

START = date(2026, 10, 1)
DAILY = 400

FILES = {
    "project.yaml": "name: shop\nhistory_start: 2026-09-01\n",
    "sources.yaml": """\
exposures:
  - id: web
    path: web/{date}.csv
    format: csv
    columns: {unit_id: unit, experiment_id: experiment, variant_id: variant, exposed_at: at}
events:
  - id: orders
    path: orders/{date}.csv
    format: csv
    columns: {unit_id: unit, event_name: name, occurred_at: at}
    measures: {amount: {column: amount}}
""",
    "metrics/orders.yaml": """\
- {id: conversion, type: proportion, source: orders, event: order, window: {end_days: 1}}
- id: revenue
  type: mean
  source: orders
  event: order
  aggregate: sum
  measure: amount
  window: {end_days: 1}
  covariate: {lookback_days: 7}
- {id: visits, type: mean, source: orders, event: visit, aggregate: count, window: {end_days: 1}}
- {id: lifetime, type: mean, source: orders, event: visit, aggregate: count}
""",
}
EXPERIMENT = """\
id: checkout
start: 2026-10-01
end: 2026-10-14
variants:
  - {{id: control, weight: 0.5, baseline: true}}
  - {{id: fast, weight: 0.5}}
metrics:
  primary: [conversion]
  secondary: [{secondary}]
  guardrail: [{{metric: visits, non_inferiority_margin: 0.05}}]
analysis:
{analysis}
"""


@pytest.fixture
def configured(tmp_path: Path) -> Callable[..., Config]:
    """The configuration with some lines of `analysis`."""

    def write(analysis: str, secondary: str = "revenue") -> Config:
        lines = "".join(f"  {line.strip()}\n" for line in analysis.strip().splitlines())
        files = FILES | {"experiments/checkout.yaml": EXPERIMENT.format(analysis=lines, secondary=secondary)}
        for name, text in files.items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(text, encoding="utf-8")
        return load_config(tmp_path)

    return write


def days(
    lift: float = 0.03, n_days: int = 15, metrics: tuple[str, ...] = ("conversion", "revenue", "visits")
) -> pd.DataFrame:
    """Moments of every as-of date, DAILY units an arm a day maturing a day later, to the tenth of a unit."""
    rng = np.random.default_rng(5)
    arms = {"control": 0.0, "fast": lift}
    size = DAILY * 14
    values = {
        arm: {
            "conversion": (rng.random(size) < 0.2 + effect).astype(float),
            "revenue": rng.gamma(2, 5, size) * (1 + effect),
            "visits": rng.poisson(3, size).astype(float),
            "lifetime": rng.poisson(3, size).astype(float),
        }
        for arm, effect in arms.items()
    }
    rows = []
    for day in range(1, n_days):
        for arm in arms:
            for metric in metrics:
                seen = values[arm][metric][: DAILY * day]
                before = values[arm]["revenue"][: DAILY * day] + 3.0
                centred, x = seen - seen.mean(), before - before.mean()
                rows.append(
                    {
                        "as_of_date": START + timedelta(days=day),
                        "experiment_id": "checkout",
                        "variant_id": arm,
                        "metric_id": metric,
                        "segment_name": "all",
                        "segment_value": "all",
                        "n_units": len(seen),
                        "mean": seen.mean(),
                        "variance": seen.var(ddof=1),
                        "third_central_moment": (centred**3).mean(),
                        "denominator_mean": np.nan,
                        "denominator_variance": np.nan,
                        "denominator_covariance": np.nan,
                        "covariate_mean": before.mean(),
                        "covariate_variance": before.var(ddof=1) + 40.0,
                        "covariate_covariance": (centred * x).sum() / (len(seen) - 1),
                        "no_history_share": 0.0,
                        "no_history_covariance": 0.0,
                        "covariate_no_history_covariance": 0.0,
                        "n_overflow": 0,
                        "n_not_computed": 0,
                        "last_cohort_date": START + timedelta(days=day - 1),
                        "metric_hash": "0a1b2c3d",
                    }
                )
    return pd.DataFrame(rows)


@pytest.fixture
def not_blocked() -> pd.DataFrame:
    columns = ["as_of_date", "experiment_id", "metric_id", "status", "reason"]
    return pd.DataFrame({name: pd.Series(dtype="object") for name in columns})


def of(card: pd.DataFrame, metric: str) -> pd.DataFrame:
    return card[card["metric_id"] == metric].set_index("as_of_date")


SEQUENTIAL = [
    "method: always_valid\nalways_valid: {planned_units: 8000}",
    "method: group_sequential\ncorrection: bonferroni\ngroup_sequential: {planned_units: 11200, spending: pocock,"
    " futility_spending: obrien_fleming}",
    "method: group_sequential\ncorrection: bonferroni\n"
    "group_sequential: {planned_units: 12000, looks: [2026-10-04, 2026-10-08]}",
]


@pytest.mark.parametrize("analysis", SEQUENTIAL)
@pytest.mark.parametrize("lift", [0.03, 0.0])
def test_day_by_day_is_all_at_once_to_the_last_bit(
    configured: Callable, not_blocked: pd.DataFrame, analysis: str, lift: float
) -> None:
    config, moments = configured(analysis), days(lift, n_days=9)
    at_once = scorecard(moments, config.experiments, config.metrics, not_blocked)
    history = at_once.iloc[:0]
    for _, day in moments.groupby("as_of_date"):
        new = scorecard(day, config.experiments, config.metrics, not_blocked, history=history)
        history = pd.concat([history, new], ignore_index=True)
    pd.testing.assert_frame_equal(history, at_once, check_exact=True)
