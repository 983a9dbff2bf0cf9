"""A small experiment whose unit-level values are known, and the moments that the pipeline would hand over."""

from collections.abc import Callable
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from analysis.scorecard import scorecard
from analysis.statistics.moments import JointMoments, MeanMoments
from configs.schema import Config, Experiment, Metric
from tests.analysis.scorecard.from_yaml import days, write_project

PURCHASE = {"source": "shop", "event": "purchase"}


@pytest.fixture
def metrics() -> dict[str, Metric]:
    window = {"end_days": 7}
    definitions: list[dict[str, Any]] = [
        {"id": "conversion", "type": "proportion", **PURCHASE, "window": window},
        {
            "id": "revenue",
            "type": "mean",
            **PURCHASE,
            "aggregate": "sum",
            "measure": "amount",
            "covariate": {"lookback_days": 14},
        },
        {
            "id": "basket",
            "type": "ratio",
            "numerator": {**PURCHASE, "aggregate": "sum", "measure": "amount"},
            "denominator": PURCHASE,
        },
        {"id": "load_time", "type": "mean", **PURCHASE, "aggregate": "count", "direction": "decrease"},
    ]
    return {definition["id"]: Metric.model_validate(definition) for definition in definitions}


@pytest.fixture
def experiment() -> Callable[..., Experiment]:
    def build(treatments: int = 1, roles: dict[str, Any] | None = None, **analysis: Any) -> Experiment:
        variants = ["control", *(f"treatment_{i}" for i in range(1, treatments + 1))]
        return Experiment.model_validate(
            {
                "id": "checkout",
                "start": date(2026, 10, 1),
                "end": date(2026, 10, 14),
                "variants": [
                    {"id": name, "weight": 1 / len(variants), "baseline": name == "control"} for name in variants
                ],
                "metrics": roles
                or {
                    "primary": ["conversion", "revenue"],
                    "secondary": ["basket"],
                    "guardrail": [{"metric": "load_time", "non_inferiority_margin": 0.1}],
                },
                "analysis": analysis,
            }
        )

    return build


@pytest.fixture
def units() -> Callable[..., pd.DataFrame]:
    """Unit-level values of an arm; a third of the units have no history."""

    def draw(seed: int, n: int, lift: float = 0.0) -> pd.DataFrame:
        rng = np.random.default_rng(seed)
        level = rng.gamma(2, 5, n)
        is_new = rng.random(n) < 1 / 3
        return pd.DataFrame(
            {
                "conversion": (rng.random(n) < 0.3 + lift).astype(float),
                "revenue": level * (1 + lift) + rng.normal(0, 3, n),
                "before": np.where(is_new, 0.0, level + rng.normal(0, 3, n)),
                "is_new": is_new.astype(float),
                "orders": rng.poisson(2, n) + 1.0,
                "load_time": rng.gamma(9, 0.2, n) * (1 + lift / 10),
            }
        )

    return draw


@pytest.fixture
def moments_of() -> Callable[..., pd.DataFrame]:
    """The rows of fct_metric_moments for arms of unit-level values, as dbt would compute them."""

    def build(
        arms: dict[str, pd.DataFrame],
        as_of: date = date(2026, 10, 21),
        segment: tuple[str, str] = ("all", "all"),
    ) -> pd.DataFrame:
        rows = [
            {
                "as_of_date": as_of,
                "experiment_id": "checkout",
                "variant_id": variant,
                "segment_name": segment[0],
                "segment_value": segment[1],
                "last_cohort_date": date(2026, 10, 14),
                "n_overflow": 0,
                "n_not_computed": 0,
                "metric_hash": "0a1b2c3d",
                **row,
            }
            for variant, values in arms.items()
            for row in _metric_rows(values)
        ]
        return pd.DataFrame(rows)

    return build


@pytest.fixture
def not_blocked() -> pd.DataFrame:
    columns = ["as_of_date", "experiment_id", "metric_id", "status", "reason"]
    return pd.DataFrame({name: pd.Series(dtype="object") for name in columns})


def _metric_rows(values: pd.DataFrame) -> list[dict[str, Any]]:
    ratio = JointMoments.from_values(values["revenue"], values["orders"])
    linearised = values["revenue"] - ratio.mean[0] / ratio.mean[1] * values["orders"]
    covariate = JointMoments.from_values(values["revenue"], values["before"], values["is_new"])
    return [
        {"metric_id": "conversion", **_mean_columns(values["conversion"])},
        {
            "metric_id": "revenue",
            **_mean_columns(values["revenue"]),
            "covariate_mean": covariate.mean[1],
            "covariate_variance": covariate.covariance[1, 1],
            "covariate_covariance": covariate.covariance[0, 1],
            "no_history_share": covariate.mean[2],
            "no_history_covariance": covariate.covariance[0, 2],
            "covariate_no_history_covariance": covariate.covariance[1, 2],
        },
        {
            "metric_id": "basket",
            **_mean_columns(values["revenue"]),
            "third_central_moment": (linearised**3).mean(),
            "denominator_mean": ratio.mean[1],
            "denominator_variance": ratio.covariance[1, 1],
            "denominator_covariance": ratio.covariance[0, 1],
        },
        {"metric_id": "load_time", **_mean_columns(values["load_time"])},
    ]


def _mean_columns(values: pd.Series) -> dict[str, float]:
    moments = MeanMoments.from_values(values)
    return {
        "n_units": len(values),
        "mean": float(moments.mean),
        "variance": float(moments.variance),
        "third_central_moment": float(moments.third_central_moment),
    }


@pytest.fixture
def configured(tmp_path: Path) -> Callable[..., Config]:
    """The configuration with some lines of `analysis`."""
    return partial(write_project, tmp_path)


@pytest.fixture
def scored(configured: Callable, not_blocked: pd.DataFrame) -> Callable[..., pd.DataFrame]:
    """The scorecard of some lines of `analysis`."""

    def run(analysis: str, moments: pd.DataFrame | None = None, **given: str) -> pd.DataFrame:
        config = configured(analysis, **given)
        return scorecard(days() if moments is None else moments, config.experiments, config.metrics, not_blocked)

    return run
