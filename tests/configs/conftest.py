"""A small valid configuration, and a way to write it with one thing changed."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

FILES = {
    "project.yaml": """\
name: shop
timezone: UTC
late_arrival_days: 3
history_start: 2026-09-01
""",
    "sources.yaml": """\
exposures:
  - id: web
    path: exposures/{date}/*.parquet
    format: parquet
    columns: {unit_id: user_id, experiment_id: experiment, variant_id: variant, exposed_at: ts}
    attributes: [country, device]
events:
  - id: shop_events
    path: events/{date}.csv
    format: csv
    columns: {event_id: id, unit_id: user_id, event_name: name, occurred_at: ts}
    measures:
      amount: {column: amount, unit: USD, decimals: 2}
      duration: {column: seconds, unit: s, decimals: 3}
    properties: [channel, coupon]
""",
    "metrics/orders.yaml": """\
- id: conversion
  type: proportion
  source: shop_events
  event: purchase
  window: {start_days: 0, end_days: 7}
- id: revenue
  label: Revenue per user
  type: mean
  source: shop_events
  event: purchase
  where: [{property: channel, op: "=", value: web}]
  aggregate: sum
  measure: amount
  window: {start_days: 0, end_days: 7}
  cap: {upper: 500}
  covariate: {lookback_days: 14}
- id: order_value
  type: ratio
  numerator: {source: shop_events, event: purchase, aggregate: sum, measure: amount}
  denominator: {source: shop_events, event: purchase}
  window: {end_days: 14}
""",
    "metrics/visits.yaml": """\
- id: retention
  type: retention
  source: shop_events
  event: visit
  window: {start_days: 7, end_days: 8}
- id: load_time
  type: mean
  source: shop_events
  event: view
  aggregate: max
  measure: duration
  direction: decrease
""",
    "experiments/free_shipping.yaml": """\
id: free_shipping
name: Free shipping
owner: ana@example.com
hypothesis:
  statement: It lifts conversion
  predictions:
    - {metric: conversion, relative_effect: 0.08, probability: 0.7}
start: 2026-10-01
end: 2026-10-28
variants:
  - {id: control, weight: 0.5, baseline: true}
  - {id: free, weight: 0.5}
allocation:
  - {from: 2026-10-01, weights: {free: 0.5, control: 0.5}}
  - {from: 2026-10-05, weights: {control: 0.5, free: 0.5}}
segments: [country, device]
metrics:
  primary: [conversion]
  secondary: [revenue, retention]
  guardrail:
    - {metric: order_value, non_inferiority_margin: 0.05}
analysis:
  minimum_days: 14
""",
    "experiments/badges.yaml": """\
id: badges
status: draft
start: 2026-09-10
end: 2026-09-20
variants:
  - {id: control, weight: 0.3, baseline: true}
  - {id: gold, weight: 0.3}
  - {id: silver, weight: 0.4}
metrics:
  primary: [load_time]
""",
}

WriteConfig = Callable[..., Path]


@pytest.fixture
def write_config(tmp_path: Path) -> WriteConfig:
    """Write the configuration with `(file, old, new)` replacements and whole files; return its folder.

    A file given as None is left out. A second call starts anew.
    """

    def write(*replacements: tuple[str, str, str], files: dict[str, str | None] | None = None) -> Path:
        texts = FILES | (files or {})
        for file, old, new in replacements:
            text = texts[file]
            assert text is not None and text.count(old) == 1, f"{old!r} must be once in {file}"
            texts[file] = text.replace(old, new)
        root = tmp_path / "configs"
        shutil.rmtree(root, ignore_errors=True)
        for file, text in texts.items():
            if text is not None:
                (root / file).parent.mkdir(parents=True, exist_ok=True)
                (root / file).write_text(text, encoding="utf-8")
        return root

    return write
