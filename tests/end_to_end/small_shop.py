"""A small shop that uses every feature of the tables' grain at once, and the pipeline run over its logs.

Two experiments (three arms with allocation epochs and strata, and two arms on another exposure source), two event
sources, every metric type, aggregate, window, cap and condition, in a timezone whose clocks change on the third day.
"""

import csv
import shutil
from collections.abc import Mapping, Sequence
from datetime import date, datetime, time, timedelta
from pathlib import Path

import duckdb
import pandas as pd

from configs.load import load_config
from configs.schema import Config
from orchestration.assets.ingest import ingest_range
from orchestration.assets.models import build_planned
from orchestration.inputs import prepare_run
from orchestration.workspace import Workspace
from tests.end_to_end.shop_logs import HEADERS, Logs, cells

AUTUMN, SPRING = date(2026, 10, 23), date(2026, 3, 27)
"""First days of the experiments; two days later the day has 25 hours, or 23."""

HISTORY_DAYS = 3
LAST_DAY = 6
"""The log dates go from `start` - HISTORY_DAYS to `start` + LAST_DAY, when every metric has matured."""

LATE_ARRIVAL_DAYS = 2
VARIANTS = {"checkout": ("control", "fast", "free"), "banner": ("off", "on")}
EXPOSURE_SOURCES = {"checkout": "web_exposures", "banner": "app_exposures"}
SPANS = {"checkout": (0, 3), "banner": (1, 2)}
"""First and last day of each experiment, counted from `start`."""

MARTS = {
    "fct_metric_moments": ["as_of_date", "experiment_id", "variant_id", "metric_id", "segment_name", "segment_value"],
    "fct_value_counts": [
        *("as_of_date", "experiment_id", "variant_id", "metric_id", "segment_name", "segment_value"),
        "value",
    ],
    "fct_bucket_sums": ["as_of_date", "experiment_id", "variant_id", "metric_id", "bucket"],
    "fct_cap_tails": ["as_of_date", "experiment_id", "variant_id", "metric_id", "part", "bucket", "value"],
    "fct_category_counts": [
        *("as_of_date", "experiment_id", "variant_id", "metric_id", "segment_name", "segment_value"),
        "category",
    ],
    "fct_covariate_moments": [
        *("as_of_date", "experiment_id", "variant_id", "metric_id", "segment_name", "segment_value"),
        *("covariate", "other"),
    ],
    "fct_stratum_moments": ["as_of_date", "experiment_id", "variant_id", "metric_id", "stratum"],
    "fct_day_moments": ["as_of_date", "experiment_id", "variant_id", "metric_id", "day", "other_day"],
    "fct_event_clusters": ["as_of_date", "experiment_id", "variant_id", "metric_id", "segment_name", "segment_value"],
    "fct_event_value_counts": [
        *("as_of_date", "experiment_id", "variant_id", "metric_id", "segment_name", "segment_value"),
        "value",
    ],
    "fct_exposure_counts": ["as_of_date", "experiment_id", "variant_id", "segment_name", "segment_value"],
    "fct_metric_probes": ["as_of_date", "experiment_id", "variant_id", "metric_id", "probe"],
    "fct_event_coverage": ["as_of_date", "experiment_id", "variant_id", "source_id"],
    "fct_epoch_counts": ["as_of_date", "experiment_id", "variant_id", "segment_name", "segment_value", "epoch"],
}
EVERY_MART = MARTS | {
    "fct_overlap_moments": [
        *("as_of_date", "experiment_id", "other_experiment_id", "metric_id", "variant_id", "other_variant_id")
    ]
}
"""With what is of the newest date alone, so that there is nothing to hold against the rules at every date."""

SOURCES = """\
exposures:
  - id: web_exposures
    path: web_exposures/{date}/*.csv
    format: csv
    columns: {unit_id: unit, experiment_id: experiment, variant_id: variant, exposed_at: at}
    attributes: [country, device]
  - id: app_exposures
    path: app_exposures/{date}/*.csv
    format: csv
    columns: {unit_id: unit, experiment_id: experiment, variant_id: variant, exposed_at: at}
    attributes: [country]
events:
  - id: orders
    path: orders/{date}/*.csv
    format: csv
    columns: {event_id: id, unit_id: unit, event_name: name, occurred_at: at}
    measures: {amount: {column: amount, unit: EUR, decimals: 2}}
    properties: [channel]
  - id: visits
    path: visits/{date}/*.csv
    format: csv
    columns: {event_id: id, unit_id: unit, event_name: name, occurred_at: at}
    measures: {seconds: {column: amount, unit: s, decimals: 3}}
    properties: [channel]
"""

METRICS = """\
- {id: conversion, type: proportion, source: orders, event: purchase, window: {end_days: 2},
   covariate: {lookback_days: 3}}
- {id: revenue, type: mean, source: orders, event: purchase, aggregate: sum, measure: amount,
   window: {end_days: 3}, cap: {upper_quantile: 0.8},
   covariate: {lookback_days: 2, also: [ever_visited, seconds_per_order],
               further: [{name: dearest, source: orders, event: purchase, aggregate: max, measure: amount}]},
   where: [{property: channel, op: "!=", value: app}]}
- {id: web_orders, type: mean, source: orders, event: purchase, aggregate: count,
   where: [{property: channel, op: in, value: [web, shop]}], cap: {upper: 2}, covariate: {lookback_days: 1}}
- {id: largest_order, type: mean, source: orders, event: purchase, aggregate: max, measure: amount,
   covariate: {lookback_days: 3}}
- {id: order_value, type: ratio, window: {start_days: 1, end_days: 3}, cap: {upper_quantile: 0.75},
   covariate: {lookback_days: 3, also: [order_value, channels]},
   numerator: {source: orders, event: purchase, aggregate: sum, measure: amount},
   denominator: {source: orders, event: purchase, aggregate: count}}
- {id: seconds_per_order, type: ratio, cap: {upper: 150}, covariate: {lookback_days: 2},
   numerator: {source: visits, event: visit, aggregate: sum, measure: seconds,
               where: [{property: channel, op: not in, value: [shop, app]}]},
   denominator: {source: orders, event: purchase, aggregate: count}}
- {id: back_on_day_2, type: retention, source: visits, event: visit, window: {start_days: 2, end_days: 3},
   bootstrap: {replicates: 9999}}
- {id: ever_visited, type: proportion, source: visits, event: visit,
   covariate: {lookback_days: 2, also: [web_orders, back_on_day_2]}}
- {id: median_spend, type: quantile, quantile: 0.5, source: orders, event: purchase, aggregate: sum, measure: amount,
   window: {end_days: 2}}
- {id: order_size, type: ratio, window: {end_days: 2}, cap: {upper_quantile: 0.75}, bootstrap: {replicates: 9999},
   numerator: {source: orders, event: purchase, aggregate: sum, measure: amount},
   denominator: {source: orders, event: purchase, aggregate: count}}
- {id: seconds, type: mean, source: visits, event: visit, aggregate: sum, measure: seconds, cap: {upper: 150},
   bootstrap: {replicates: 9999}}
- {id: high_order, type: quantile, quantile: 0.9, source: orders, event: purchase, aggregate: max, measure: amount}
- {id: channels, type: mean, source: orders, event: purchase, aggregate: count_distinct, property: channel,
   window: {start_days: 1, end_days: 3}, covariate: {lookback_days: 3}}
- {id: amounts_per_channel, type: ratio, cap: {upper_quantile: 0.9},
   numerator: {source: orders, event: purchase, aggregate: count_distinct, measure: amount},
   denominator: {source: visits, event: visit, aggregate: count_distinct, property: channel,
                 where: [{property: channel, op: "!=", value: app}]}}
- {id: median_channels, type: quantile, quantile: 0.5, source: orders, event: purchase, aggregate: count_distinct,
   property: channel, window: {end_days: 2}}
- {id: first_channel, type: categorical, source: orders, event: purchase, property: channel, categories: [shop, web],
   window: {end_days: 2}}
- {id: visit_channel, type: categorical, source: visits, event: visit, property: channel, categories: [app],
   where: [{property: channel, op: "!=", value: shop}]}
- {id: median_order, type: quantile, quantile: 0.5, of: events, source: orders, event: purchase, measure: amount}
- {id: long_visit, type: quantile, quantile: 0.75, of: events, source: visits, event: visit, measure: seconds,
   where: [{property: channel, op: "!=", value: app}], window: {start_days: 1, end_days: 3}}
"""

CHECKOUT = """\
id: checkout
status: running
start: {start}
end: {end}
exposure_source: web_exposures
variants:
  - {{id: control, weight: 0.5, baseline: true}}
  - {{id: fast, weight: 0.3}}
  - {{id: free, weight: 0.2}}
allocation:
  - {{from: {start}, weights: {{control: 0.5, fast: 0.3, free: 0.2}}}}
  - {{from: {second_epoch}, weights: {{control: 0.5, fast: 0.3, free: 0.2}}}}
segments: [country, device]
segment_pairs: [[device, country]]
trends: {{days: 3}}
metrics:
  primary: [conversion]
  secondary: [revenue, web_orders, largest_order, order_value, seconds_per_order, back_on_day_2, ever_visited,
              median_spend, high_order, order_size, seconds, channels, amounts_per_channel, median_channels,
              first_channel, visit_channel, median_order, long_visit]
analysis: {{minimum_days: 1, adjustment: post_stratification}}
"""

BANNER = """\
id: banner
status: stopped
start: {start}
end: {end}
exposure_source: app_exposures
variants:
  - {{id: 'off', weight: 0.5, baseline: true}}
  - {{id: 'on', weight: 0.5}}
metrics:
  primary: [conversion]
  secondary: [revenue, seconds_per_order, largest_order, high_order, order_size, channels, visit_channel, median_order]
analysis: {{minimum_days: 1}}
health: {{bot_daily_events: 1}}
"""


class SmallShop:
    """The shop's folders; one at a time in a process, since dbt reads the environment."""

    def __init__(self, root: Path) -> None:
        self.workspace = Workspace(configs=root / "configs", data=root / "data", state=root / "state")
        self.workspace.activate()
        self.start = AUTUMN

    def begin(self, start: date) -> Config:
        """Forget all logs and results; the experiments now begin on `start`."""
        self.start = start
        for folder in (self.workspace.lake, self.workspace.data):
            shutil.rmtree(folder, ignore_errors=True)
        self.workspace.warehouse.unlink(missing_ok=True)
        self.workspace.data.mkdir(parents=True)
        self._write_configs()
        return load_config(self.workspace.configs)

    def forget_results(self) -> None:
        """Remove the warehouse, so that the next build is one over everything."""
        self.workspace.warehouse.unlink()

    def day(self, offset: int) -> date:
        return self.start + timedelta(days=offset)

    def noon(self, offset: int) -> datetime:
        """Noon UTC, which is in the afternoon of the same local day."""
        return datetime.combine(self.day(offset), time(12))

    def deliver(self, logs: Logs) -> None:
        """Write the log files that have rows, replacing those of the same source and log date."""
        for (source_id, log_date), files in logs.items():
            folder = self.workspace.data / source_id / log_date.isoformat()
            shutil.rmtree(folder, ignore_errors=True)
            for number, rows in enumerate(rows for rows in files if rows):
                folder.mkdir(parents=True, exist_ok=True)
                with (folder / f"{number}.csv").open("w", newline="", encoding="utf-8") as file:
                    csv.writer(file).writerows([HEADERS[source_id], *(cells(row) for row in rows)])

    def run(self, first: date, last: date) -> None:
        """Ingest these log dates and build what follows from them."""
        config = load_config(self.workspace.configs)
        for source in (*config.sources.exposures, *config.sources.events):
            ingest_range(self.workspace, source, first, last)
        self.build(first, last)

    def build(self, first: date, last: date) -> None:
        """Build what these log dates of the lake change, and let no dbt test fail."""
        prepare_run(self.workspace, (first, last))
        failed = [
            f"{result.unique_id}: {result.message}"
            for span in build_planned(self.workspace)
            for result in span
            if not result.passed
        ]
        assert not failed, failed

    def marts(self) -> dict[str, pd.DataFrame]:
        """The marts as they are, sorted by their keys."""
        with duckdb.connect(str(self.workspace.warehouse), read_only=True) as connection:
            frames = {name: connection.execute(f"select * from marts.{name}").df() for name in EVERY_MART}
        return {name: frame.sort_values(EVERY_MART[name]).reset_index(drop=True) for name, frame in frames.items()}

    def _write_configs(self) -> None:
        dates = {name: [self.day(offset) for offset in span] for name, span in SPANS.items()}
        files = {
            "project.yaml": "name: shop\ntimezone: Europe/Berlin\n"
            f"late_arrival_days: {LATE_ARRIVAL_DAYS}\nhistory_start: {self.day(-HISTORY_DAYS)}\n"
            "overlaps: {minimum_shared_units: 20}\n",
            "sources.yaml": SOURCES,
            "metrics/all.yaml": METRICS,
            "experiments/checkout.yaml": CHECKOUT.format(
                start=dates["checkout"][0], end=dates["checkout"][1], second_epoch=self.day(2)
            ),
            "experiments/banner.yaml": BANNER.format(start=dates["banner"][0], end=dates["banner"][1]),
        }
        _write_files(self.workspace.configs, files)


def _write_files(folder: Path, files: Mapping[str, str]) -> None:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def assert_same_marts(actual: Mapping[str, pd.DataFrame], expected: Mapping[str, pd.DataFrame]) -> None:
    """Equal to the last bit."""
    for name in EVERY_MART:
        pd.testing.assert_frame_equal(actual[name], expected[name], check_exact=True, obj=name)


def days_between(first: date, last: date) -> Sequence[date]:
    return [first + timedelta(days=offset) for offset in range((last - first).days + 1)]
