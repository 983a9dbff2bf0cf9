"""A small shop that the simulation tests share: two exposed experiments, eleven metrics, two event logs."""

from collections.abc import Callable
from typing import Any

import pandas as pd
import pytest

from analysis.simulation.simulator import Simulation, simulate
from configs.schema import Config
from configs.simulation_schema import Scenario

SOURCES: dict[str, Any] = {
    "exposures": [
        {
            "id": "web",
            "path": "web/{date}/*.parquet",
            "format": "parquet",
            "columns": {"unit_id": "user", "experiment_id": "test", "variant_id": "arm", "exposed_at": "ts"},
            "attributes": ["country"],
        }
    ],
    "events": [
        {
            "id": "shop",
            "path": "shop/{date}/*.parquet",
            "format": "parquet",
            "columns": {"event_id": "id", "unit_id": "user", "event_name": "name", "occurred_at": "ts"},
            "measures": {"amount": {"column": "eur"}},
            "properties": ["channel"],
        },
        {
            "id": "desk",
            "path": "desk/{date}.csv",
            "format": "csv",
            "columns": {"unit_id": "customer", "event_name": "action", "occurred_at": "opened_at"},
        },
    ],
    "units": [
        {
            "id": "customers",
            "path": "units/*.parquet",
            "format": "parquet",
            "columns": {"unit_id": "user", "valid_from": "since"},
            "attributes": ["tier"],
        }
    ],
}

_ORDERS = {"source": "shop", "event": "order"}
_SPEND = {**_ORDERS, "aggregate": "sum", "measure": "amount"}
_WEEK = {"end_days": 7}
METRICS: list[dict[str, Any]] = [
    {"id": "conversion", "type": "proportion", **_ORDERS, "window": _WEEK},
    {"id": "orders", "type": "mean", **_ORDERS, "aggregate": "count", "window": _WEEK},
    {"id": "orders_so_far", "type": "mean", **_ORDERS, "aggregate": "count"},
    {
        "id": "app_orders",
        "type": "mean",
        **_ORDERS,
        "aggregate": "count",
        "where": [{"property": "channel", "value": "app"}],
        "window": _WEEK,
    },
    {"id": "revenue", "type": "mean", **_SPEND, "window": _WEEK},
    {
        "id": "capped_revenue",
        "type": "mean",
        **_SPEND,
        "window": _WEEK,
        "cap": {"upper_quantile": "0.98"},
    },
    {"id": "largest_order", "type": "mean", **_SPEND, "aggregate": "max", "window": _WEEK},
    {
        "id": "order_value",
        "type": "ratio",
        "numerator": _SPEND,
        "denominator": {**_ORDERS, "aggregate": "count"},
        "window": _WEEK,
    },
    {
        "id": "returns",
        "type": "proportion",
        "source": "shop",
        "event": "return",
        "window": _WEEK,
    },
    {
        "id": "retention",
        "type": "retention",
        "source": "shop",
        "event": "visit",
        "window": {"start_days": 3, "end_days": 4},
    },
    {
        "id": "tickets",
        "type": "mean",
        "source": "desk",
        "event": "opened",
        "aggregate": "count",
        "window": _WEEK,
    },
]

EXPERIMENTS: list[dict[str, Any]] = [
    {
        "id": "price",
        "start": "2026-03-08",
        "end": "2026-03-18",
        "variants": [{"id": "old", "weight": 0.5, "baseline": True}, {"id": "new", "weight": 0.5}],
        "metrics": {"primary": [metric["id"] for metric in METRICS]},
    },
    {
        "id": "layout",
        "start": "2026-03-06",
        "end": "2026-03-16",
        "variants": [
            {"id": "plain", "weight": 0.5, "baseline": True},
            {"id": "wide", "weight": 0.3},
            {"id": "tall", "weight": 0.2},
        ],
        "metrics": {"primary": ["orders"], "secondary": ["conversion", "revenue"]},
    },
]


def build_config(**changes: Any) -> Config:
    """The configuration above, with top-level parts replaced."""
    data = {
        "project": {"name": "shop", "history_start": "2026-03-01"},
        "sources": SOURCES,
        "metrics": {metric["id"]: metric for metric in METRICS},
        "experiments": {experiment["id"]: experiment for experiment in EXPERIMENTS},
    } | changes
    return Config.model_validate(data)


def build_scenario(**parts: Any) -> Scenario:
    """A scenario without row faults, with the parts given."""
    return Scenario.model_validate({"rows": {"late": 0, "too_late": 0, "duplicate": 0, "malformed": 0}} | parts)


def all_rows(simulation: Simulation, source_id: str) -> pd.DataFrame:
    """Every log row of a source, with its log date."""
    return pd.concat(
        [day.logs[source_id].assign(log_date=day.log_date) for day in simulation.days()], ignore_index=True
    )


@pytest.fixture(scope="session")
def config() -> Config:
    return build_config()


@pytest.fixture(scope="session")
def make_config() -> Callable[..., Config]:
    return build_config


@pytest.fixture(scope="session")
def make_scenario() -> Callable[..., Scenario]:
    return build_scenario


@pytest.fixture(scope="session")
def rows_of() -> Callable[[Simulation, str], pd.DataFrame]:
    return all_rows


@pytest.fixture(scope="session")
def plain(config: Config) -> Simulation:
    """5,000 units, 21 days, defaults throughout and no row faults."""
    return simulate(config, build_scenario(), units=5_000, days=21, seed=7)
