"""Amounts in another currency than the measure's."""

from typing import Any

import pandas as pd
import pytest

from analysis.health.amount_units import metrics_in_mixed_units
from configs.schema import HealthThresholds
from tests.analysis.health.examples import day, experiment, rows_of


def amounts(day_number: int, a: tuple[int, int], b: tuple[int, int], **changes: Any) -> list[dict[str, Any]]:
    """Rows of fct_metric_probes of spend: amounts (in another unit, in the measure's)."""
    common = {
        "as_of_date": day(day_number), "experiment_id": "banner", "metric_id": "spend", "probe": "other_unit",
        "n_units": 5_000, "n_not_computed": 0,
    } | changes  # fmt: skip
    return [
        common | {"variant_id": variant, "n_found": other, "total": float(own)}
        for variant, (other, own) in {"a": a, "b": b}.items()
    ]


def test_the_arm_with_the_larger_share_is_named_with_both_counts() -> None:
    frame = pd.DataFrame([*amounts(3, (0, 1_000), (1, 999)), *amounts(4, (0, 2_000), (4, 1_996))])
    found = rows_of("amount_units", [day(3), day(4), day(5)], metric_probes=frame)
    assert found["passed"].tolist() == [True, False, True]
    assert found.loc[day(4), "severity"] == "warning"
    assert found.loc[day(4), "message"] == (
        "0.20% of the amounts of spend in b are in another unit than the measure's and are not counted (warns above"
        " 0.10%; above 1.00% the metric is incomplete); by arm: a 0 of 2,000, b 4 of 2,000"
    )
    assert found.loc[day(5), "message"] == "no amount yet of a measure that says by which column its unit is told"


def test_amounts_that_were_not_computed_are_not_judged() -> None:
    frame = pd.DataFrame(amounts(3, (0, 1_000), (500, 500), n_not_computed=1))
    assert rows_of("amount_units", [day(3)], metric_probes=frame)["passed"].all()


def test_the_limit_is_the_experiment_s_own() -> None:
    frame = pd.DataFrame(amounts(3, (0, 1_000), (4, 996)))
    lenient = experiment(health={"other_unit_share": 0.01})
    assert rows_of("amount_units", [day(3)], lenient, metric_probes=frame)["passed"].all()


def test_beyond_a_hundredth_of_an_arm_the_metric_is_incomplete() -> None:
    rows = [*amounts(3, (0, 1_000), (10, 990)), *amounts(4, (3, 1_997), (40, 1_960))]
    found = metrics_in_mixed_units(pd.DataFrame(rows), {"banner": HealthThresholds()})
    assert found[["experiment_id", "metric_id", "status"]].to_numpy().tolist() == [["banner", "spend", "incomplete"]]
    assert found["as_of_date"].dt.date.tolist() == [day(4)]
    assert found["reason"].iloc[0] == (
        "amounts are in other units: 40 of 2,000 in b (2.00%, at most 1.00%); correct the log, then `equipoise run"
        " --from` its first such day"
    )


@pytest.mark.parametrize(
    "frame", [pd.DataFrame(amounts(3, (0, 10), (0, 10))), pd.DataFrame(amounts(3, (0, 0), (0, 0)))]
)
def test_amounts_in_their_unit_block_nothing(frame: pd.DataFrame) -> None:
    found = metrics_in_mixed_units(frame, {"banner": HealthThresholds()})
    assert found.columns.tolist() == ["as_of_date", "experiment_id", "metric_id", "status", "reason"]
    assert found.empty
