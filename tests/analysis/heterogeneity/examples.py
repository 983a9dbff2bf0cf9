"""Published data, and a small experiment with segments as the pipeline would hand it over."""

from datetime import date
from typing import Any

import numpy as np
import pandas as pd

from analysis.heterogeneity.groups import Groups
from analysis.scorecard import scorecard
from analysis.statistics.moments import JointMoments, MeanMoments
from configs.schema import Experiment, Metric

AS_OF = date(2026, 10, 21)
EVENT = {"source": "shop", "event": "purchase", "window": {"end_days": 7}}
METRICS = {
    id_: Metric.model_validate({"id": id_, **EVENT, **definition})
    for id_, definition in {
        "conversion": {"type": "proportion"},
        "revenue": {"type": "mean", "aggregate": "sum", "measure": "amount"},
        "adjusted": {"type": "mean", "aggregate": "sum", "measure": "amount", "covariate": {"lookback_days": 14}},
        "complaints": {"type": "mean", "aggregate": "count", "direction": "decrease"},
    }.items()
} | {
    "basket": Metric.model_validate(
        {
            "id": "basket",
            "type": "ratio",
            "numerator": {"source": "shop", "event": "purchase", "aggregate": "sum", "measure": "amount"},
            "denominator": {"source": "shop", "event": "purchase"},
        }
    )
}
NOT_BLOCKED = pd.DataFrame(columns=["as_of_date", "experiment_id", "metric_id", "status", "reason"], dtype="object")

# Colditz et al. 1994: cases and others among the vaccinated, cases and others among controls, of 13 trials.
_TRIALS = np.array(
    [
        *([4, 119, 11, 128], [6, 300, 29, 274], [3, 228, 11, 209], [62, 13536, 248, 12619], [33, 5036, 47, 5761]),
        *([180, 1361, 372, 1079], [8, 2537, 10, 619], [505, 87886, 499, 87892], [29, 7470, 45, 7232]),
        *([17, 1699, 65, 1600], [186, 50448, 141, 27197], [5, 2493, 3, 2338], [27, 16886, 29, 17825]),
    ],
    dtype=float,
)
_VACCINATED, _CONTROLS = _TRIALS[:, :2].sum(axis=1), _TRIALS[:, 2:].sum(axis=1)
BCG = (
    np.log(_TRIALS[:, 0] / _VACCINATED) - np.log(_TRIALS[:, 2] / _CONTROLS),
    np.sqrt(1 / _TRIALS[:, 0] - 1 / _VACCINATED + 1 / _TRIALS[:, 2] - 1 / _CONTROLS),
)
"""Log risk ratios and their standard errors."""


def one_group(rows: int) -> Groups:
    return Groups(np.zeros(rows, dtype=np.int64))


def make_experiment(id_: str = "checkout", **changes: Any) -> Experiment:
    return Experiment.model_validate(
        {
            "id": id_,
            "start": date(2026, 10, 1),
            "end": date(2026, 10, 14),
            "variants": [{"id": "control", "weight": 0.5, "baseline": True}, {"id": "treatment", "weight": 0.5}],
            "segments": ["country", "device"],
            "metrics": {"primary": ["conversion"], "secondary": ["revenue", "adjusted", "basket"]},
        }
        | changes
    )


def draw_units(seed: int, n: int, effects: dict[str, float]) -> pd.DataFrame:
    """Units of both arms: a country (those of `effects`), a device, and values that treatment raises by country."""
    rng = np.random.default_rng(seed)
    names = np.array(sorted(effects))
    country = rng.integers(0, names.size, n)
    treated = rng.random(n) < 0.5
    level = rng.gamma(2, 5, n)
    added = np.array([effects[name] for name in names])[country] * treated
    return pd.DataFrame(
        {
            "variant_id": np.where(treated, "treatment", "control"),
            "country": names[country],
            "device": rng.choice(["desktop", "mobile"], n),
            "conversion": (rng.random(n) < 0.3 + added / 20).astype(float),
            "revenue": level + rng.normal(0, 3, n) + added,
            "before": level + rng.normal(0, 3, n),
            "orders": 1.0 + rng.poisson(2, n),
        }
    )


def moments_of(units: pd.DataFrame, experiment_id: str = "checkout", pairs: bool = True) -> pd.DataFrame:
    """fct_metric_moments of everybody, each country, each device, and both together."""
    units = units.assign(all="all")
    if pairs:
        units["country, device"] = units["country"] + ", " + units["device"]
    names = ["all", "country", "device", *(["country, device"] if pairs else [])]
    rows = []
    for name in names:
        for (value, variant), some in units.groupby([name, "variant_id"]):
            key = {"segment_name": name, "segment_value": value, "variant_id": variant}
            rows += [key | row for row in _metric_rows(some)]
    fixed = {"as_of_date": AS_OF, "experiment_id": experiment_id, "last_cohort_date": date(2026, 10, 14)}
    return pd.DataFrame(rows).assign(**fixed, n_overflow=0, n_not_computed=0, metric_hash="0a1b")


def scored(moments: pd.DataFrame, *experiments: Experiment) -> pd.DataFrame:
    """The scorecard of these moments."""
    return scorecard(moments, {one.id: one for one in experiments}, METRICS, NOT_BLOCKED)


def _metric_rows(units: pd.DataFrame) -> list[dict[str, Any]]:
    ratio = JointMoments.from_values(units["revenue"], units["orders"])
    linear = units["revenue"] - ratio.mean[0] / ratio.mean[1] * units["orders"]
    covariate = JointMoments.from_values(units["revenue"], units["before"])
    revenue = _mean_columns(units["revenue"])
    return [
        {"metric_id": "conversion", **_mean_columns(units["conversion"])},
        {"metric_id": "revenue", **revenue},
        {
            "metric_id": "adjusted",
            **revenue,
            "covariate_mean": covariate.mean[1],
            "covariate_variance": covariate.covariance[1, 1],
            "covariate_covariance": covariate.covariance[0, 1],
            "no_history_share": 0.0,
            "no_history_covariance": 0.0,
            "covariate_no_history_covariance": 0.0,
        },
        {
            "metric_id": "basket",
            **revenue,
            "third_central_moment": (linear**3).mean(),
            "denominator_mean": ratio.mean[1],
            "denominator_variance": ratio.covariance[1, 1],
            "denominator_covariance": ratio.covariance[0, 1],
        },
    ]


def _mean_columns(values: pd.Series) -> dict[str, float]:
    moments = MeanMoments.from_values(values)
    names = ("mean", "variance", "third_central_moment")
    blank = ("denominator_mean", "denominator_variance", "denominator_covariance", "covariate_mean")
    blank += ("covariate_variance", "covariate_covariance", "no_history_share", "no_history_covariance")
    return {
        "n_units": len(values),
        **{name: float(getattr(moments, name)) for name in names},
        **dict.fromkeys((*blank, "covariate_no_history_covariance"), np.nan),
    }
