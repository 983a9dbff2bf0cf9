"""From the mart's rows to panels."""

from datetime import date

import numpy as np
import pandas as pd
import pytest

from analysis.quasi.panels import MOST_CELLS, PanelTooLargeError, group_panel, totals
from configs.schema import Experiment, Metric

DAYS = [date(2026, 10, day) for day in (1, 2, 3)]
PERIODS = {day: place for place, day in enumerate(DAYS)}
SPEND = Metric(id="spend", type="mean", source="shop", event="buy", aggregate="sum", measure="amount")
EXPERIMENT = Experiment.model_validate(
    {
        "id": "delivery",
        "type": "difference_in_differences",
        "start": DAYS[0],
        "end": DAYS[2],
        "difference_in_differences": {"group": "region", "adoption": {"north": DAYS[1], "nowhere": DAYS[1]}},
        "metrics": {"primary": ("spend",)},
    }
)


def rows(*cells):
    columns = ["known_from", "group_value", "period_date", "n_units", "value_sum", "denominator_sum"]
    frame = pd.DataFrame(cells, columns=columns).assign(decimals=2, denominator_decimals=0)
    return frame.assign(**{name: pd.to_datetime(frame[name]) for name in ("known_from", "period_date")})


CELLS = rows(
    (DAYS[0], "north", DAYS[0], 2, 500, 2),
    (DAYS[1], "north", DAYS[0], 0, 100, 1),
    (DAYS[1], "north", DAYS[1], 1, 900, 1),
    (DAYS[0], "south", DAYS[0], 1, 300, 1),
    (DAYS[1], "late", DAYS[1], 1, 300, 1),
)


def test_a_late_row_counts_from_the_day_it_is_known():
    first, second = (totals(CELLS, PERIODS, day) for day in DAYS[:2])
    assert first.groups == ("north", "south") and first.total.tolist() == [[5, 0, 0], [3, 0, 0]]
    assert second.groups == ("late", "north", "south") and second.total[1].tolist() == [6, 9, 0]


def test_values_are_per_unit_in_total_or_of_a_ratio():
    found = totals(CELLS, PERIODS, DAYS[1])
    ratio = Metric.model_validate(
        {"id": "value", "type": "ratio", "numerator": {"source": "shop", "event": "buy", "aggregate": "sum",
         "measure": "amount"}, "denominator": {"source": "shop", "event": "buy"}}
    )  # fmt: skip
    np.testing.assert_equal(found.values(SPEND, per_unit=True)[1], [3, 9, np.nan])
    np.testing.assert_equal(found.values(SPEND, per_unit=False)[1], [6, 9, 0])
    np.testing.assert_equal(found.values(ratio, per_unit=True)[1], [2, 9, np.nan])


def test_groups_that_come_after_the_first_adoption_are_left_out():
    panel = group_panel(totals(CELLS, PERIODS, DAYS[1]), EXPERIMENT, SPEND)
    assert panel.adoption.tolist() == [1, 3]
    assert "nowhere" in panel.note and "1 groups left out" in panel.note


def test_a_panel_too_large_to_compute_says_so():
    many = pd.concat([CELLS.iloc[[0]].assign(group_value=f"u{number}") for number in range(9)])
    periods = {pd.Timestamp("2026-01-01").date() + pd.Timedelta(days=day).to_pytimedelta(): day
               for day in range(MOST_CELLS // 8)}  # fmt: skip
    with pytest.raises(PanelTooLargeError, match="name a property that groups them"):
        totals(many, periods, DAYS[2])
