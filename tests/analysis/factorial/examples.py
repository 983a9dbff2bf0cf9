"""A 2 × 2 experiment by hand: four cells of 100 units, variance 4, and what a scorecard says of its metrics."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

import pandas as pd

from configs.schema import Experiment, Metric
from tests.analysis.decisions.examples import scorecard_frame

DAY = date(2026, 9, 21)
CELLS = {"red-small": 1.0, "red-large": 2.0, "blue-small": 3.0, "blue-large": 6.0}
METRICS = {
    name: Metric(id=name, label=name.title(), type="mean", aggregate="count", source="s", event="e")
    for name in ("clicks", "views")
} | {
    "basket": Metric.model_validate(
        {"id": "basket", "type": "ratio"}
        | {
            part: {"source": "s", "event": event, "aggregate": "count"}
            for part, event in (("numerator", "e"), ("denominator", "f"))
        }
    ),
    "median": Metric.model_validate(
        {"id": "median", "type": "quantile", "quantile": 0.5, "source": "s", "event": "e", "aggregate": "count"}
    ),
}


def crossed(primary: Sequence[str] = ("clicks",), secondary: Sequence[str] = (), **given: Any) -> Experiment:
    """1 to 14 September, colour × size, decided at the end."""
    return Experiment.model_validate(
        {
            "id": "button",
            "type": "multivariate",
            "start": date(2026, 9, 1),
            "end": date(2026, 9, 14),
            "exposure_source": "web",
            "factors": {"colour": ("red", "blue"), "size": ("small", "large")},
            "metrics": {"primary": primary, "secondary": secondary},
            "analysis": {"minimum_days": 7, "minimum_units": 100},
        }
        | given
    )


def moments(metric_id: str, means: Mapping[str, float], n: float = 100, variance: float = 4.0) -> pd.DataFrame:
    """Rows of fct_metric_moments at one as-of date."""
    return pd.DataFrame(
        {
            "as_of_date": pd.Timestamp(DAY),
            "experiment_id": "button",
            "variant_id": list(means),
            "metric_id": metric_id,
            "segment_name": "all",
            "n_units": n,
            "mean": list(means.values()),
            "variance": variance,
            "third_central_moment": 0.0,
            "denominator_mean": float("nan"),
            "denominator_variance": float("nan"),
            "denominator_covariance": float("nan"),
        }
    )


def scorecard(experiment: Experiment, **columns: Any) -> pd.DataFrame:
    """A row for each metric and treatment."""
    rows = [
        {
            "as_of_date": DAY,
            "experiment_id": experiment.id,
            "metric_id": metric_id,
            "role": role,
            "variant_id": variant.id,
            "baseline_id": experiment.baseline.id,
            "segment_name": "all",
            "segment_value": "all",
            "n_baseline": 100,
            "n_treatment": 100,
            "p_value": 0.5,
            "p_value_deterioration": 0.5,
            "status": "ok",
            "reason": "",
        }
        | columns
        for metric_id, role in experiment.metrics.roles.items()
        for variant in experiment.treatments
    ]
    return scorecard_frame(rows)
