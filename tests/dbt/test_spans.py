"""A long range is built a span of as-of dates at a time, and unit snapshots are kept for as long as they are needed."""

from datetime import timedelta
from pathlib import Path

import duckdb
import pytest

from orchestration.assets import models
from tests.end_to_end.small_shop import HISTORY_DAYS, LAST_DAY, LATE_ARRIVAL_DAYS, SmallShop, assert_same_marts

pytestmark = pytest.mark.xdist_group("dbt")


def test_the_last_snapshots_of_each_experiment_stay(built_shop: SmallShop, warehouse: Path) -> None:
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        kept = connection.execute(
            "select distinct as_of_date from intermediate.int_exposed_units where experiment_id = 'checkout' order by 1"
        ).fetchall()
    last = built_shop.day(LAST_DAY)
    assert [day for (day,) in kept] == [last - timedelta(days=age) for age in reversed(range(LATE_ARRIVAL_DAYS + 2))]


@pytest.mark.usefixtures("warehouse")
def test_marts_do_not_depend_on_the_length_of_a_span(built_shop: SmallShop, monkeypatch: pytest.MonkeyPatch) -> None:
    marts = built_shop.marts()
    built_shop.forget_results()
    monkeypatch.setattr(models, "DAYS_PER_BUILD", 2)
    built_shop.build(built_shop.day(-HISTORY_DAYS), built_shop.day(LAST_DAY))
    assert_same_marts(built_shop.marts(), marts)
