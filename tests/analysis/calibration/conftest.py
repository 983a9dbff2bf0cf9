"""An experiment of one metric, and its units in buckets."""

from datetime import date

import numpy as np
import pytest

from analysis.calibration import BucketSums, Units
from configs.schema import Experiment, Metric

EVENT = {"source": "shop", "event": "purchase"}
METRICS = {
    row["id"]: Metric.model_validate(row)
    for row in (
        {"id": "conversion", "type": "proportion", **EVENT, "window": {"end_days": 2}},
        {"id": "revenue", "type": "mean", **EVENT, "aggregate": "sum", "measure": "amount",
         "covariate": {"lookback_days": 7}},
        {"id": "basket", "type": "ratio", "numerator": {**EVENT, "aggregate": "sum", "measure": "amount"},
         "denominator": EVENT},
    )
}  # fmt: skip


@pytest.fixture
def metrics() -> dict[str, Metric]:
    return METRICS


@pytest.fixture
def experiment():
    def build(metric_id="conversion", share=0.5, **changes) -> Experiment:
        return Experiment.model_validate(
            {
                "id": "subject",
                "start": date(2026, 1, 1),
                "end": date(2026, 1, 10),
                "variants": [
                    {"id": "a", "weight": 1 - share, "baseline": True},
                    {"id": "b", "weight": share},
                ],
                "metrics": {"primary": [metric_id]},
            }
            | changes
        )

    return build


@pytest.fixture
def in_buckets():
    """Units of unit-level values by metric, hashed into so many buckets of one epoch."""

    def build(n_buckets, seed=0, **values) -> Units:
        n = len(next(iter(values.values()))["y"])
        cell = np.unique(np.random.default_rng(seed).integers(0, n_buckets, n), return_inverse=True)[1]
        sums = {
            metric_id: BucketSums.from_units(cell, METRICS[metric_id].type == "proportion", **columns)
            for metric_id, columns in values.items()
        }
        return Units(np.zeros(int(cell.max()) + 1, dtype=np.intp), sums)

    return build
