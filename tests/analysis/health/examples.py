"""One experiment of two arms, and its checks over frames given by hand."""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

import pandas as pd

from analysis.health import HealthData, health_checks
from configs.schema import Experiment, HealthThresholds, Metric, Project

START, END = date(2026, 9, 1), date(2026, 9, 28)
VARIANTS = [{"id": "a", "weight": 0.5, "baseline": True}, {"id": "b", "weight": 0.5}]
METRICS = {
    "spend": Metric(
        id="spend", type="mean", source="shop", event="purchase", aggregate="sum", measure="amount",
        window={"end_days": 3}, cap={"upper": 500}, covariate={"lookback_days": 7},
    ),
    "orders": Metric(id="orders", type="proportion", source="shop", event="purchase", window={"end_days": 3}),
    "order_value": Metric(
        id="order_value", type="ratio",
        numerator={"source": "shop", "event": "purchase", "aggregate": "sum", "measure": "amount"},
        denominator={"source": "shop", "event": "purchase"},
    ),
}  # fmt: skip


def day(number: int) -> date:
    """The date so many days after the start."""
    return START + timedelta(days=number)


def experiment(**changes: Any) -> Experiment:
    base = {"id": "banner", "start": START, "end": END, "exposure_source": "web", "variants": VARIANTS}
    return Experiment(**base | {"metrics": {"primary": ["orders"], "secondary": ["spend", "order_value"]}} | changes)


def moments(rows: Sequence[dict[str, Any]]) -> pd.DataFrame:
    """Rows of fct_metric_moments of the whole population; what a row leaves out is NaN."""
    frame = pd.DataFrame([{"experiment_id": "banner", "segment_name": "all"} | row for row in rows])
    return frame.reindex(columns=HealthData().moments.columns)


def rows_of(
    check_name: str,
    days: Sequence[date],
    subject: Experiment | None = None,
    *,
    project_health: HealthThresholds | None = None,
    **frames: pd.DataFrame,
) -> pd.DataFrame:
    """The rows of one check, by as-of date."""
    subject = subject or experiment()
    project = Project(
        name="shop", history_start=date(2026, 8, 1), late_arrival_days=2, health=project_health or HealthThresholds()
    )
    found = health_checks(HealthData(**frames), {subject.id: subject}, METRICS, project, days)
    found = found[found["check_name"] == check_name]
    assert found["as_of_date"].dt.date.tolist() == sorted(days)
    return found.set_index(found["as_of_date"].dt.date)
