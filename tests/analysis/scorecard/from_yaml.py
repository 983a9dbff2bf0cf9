"""A project of one experiment in YAML, and the moments of its as-of dates, for tests of methods."""

from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pandas as pd

from analysis.statistics.estimate import Contrast
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


def write_project(folder: Path, analysis: str, secondary: str = "revenue") -> Config:
    """The project of `FILES` with some lines of the experiment's `analysis`, as it is read back."""
    lines = "".join(f"  {line.strip()}\n" for line in analysis.strip().splitlines())
    files = FILES | {"experiments/checkout.yaml": EXPERIMENT.format(analysis=lines, secondary=secondary)}
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    return load_config(folder)


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


def of(card: pd.DataFrame, metric: str) -> pd.DataFrame:
    return card[card["metric_id"] == metric].set_index("as_of_date")


def effect_of(row: pd.Series) -> Contrast:
    """The effect of a row with many units, as arrays of one comparison."""
    return Contrast(*(np.array([x]) for x in (row["effect"], row["effect_se"], 1e9)), np.zeros(1, dtype=np.int8))
