"""The generated projects are what their scenarios say."""

from fractions import Fraction
from pathlib import Path

import duckdb
import pytest

from benchmarks.generate import generate
from benchmarks.scenarios import FIRST_DATE, Scenario, daily, full_refresh
from configs.load import load_config

SCALE = Fraction(1, 4000)


@pytest.mark.parametrize("scenario", [full_refresh(SCALE), daily(SCALE, history_days=3)], ids=lambda one: one.name)
def test_a_scenario_is_a_valid_project_and_the_same_each_time(scenario: Scenario, tmp_path: Path) -> None:
    first = generate(scenario, tmp_path / "first")
    second = generate(scenario, tmp_path / "second")

    assert load_config(first / "configs").experiments.keys() == {one.id for one in scenario.experiments}
    files = sorted(path.relative_to(first) for path in first.rglob("*.parquet"))
    assert len(files) == 2 * scenario.days
    assert all((first / file).read_bytes() == (second / file).read_bytes() for file in files)


def test_the_full_refresh_has_the_rows_it_says(tmp_path: Path) -> None:
    project = generate(full_refresh(SCALE), tmp_path)

    exposures = duckdb.sql(f"""
        select count(*), count(distinct user_id), count(distinct (user_id, variant))
        from '{project}/data/exposures/*.parquet'
    """).fetchall()[0]
    events = duckdb.sql(f"""
        select count(*), count(distinct event_id), count(distinct user_id) > 2000
        from '{project}/data/events/*.parquet'
    """).fetchall()[0]

    assert exposures[:2] == (2500, 2000)
    assert 2000 < exposures[2] < 2020  # about 0.3 % of units see both variants
    assert events[0] == 21 * 595  # 50 M / 4000 in equal days
    assert 0 < events[0] - events[1] < 60  # about 0.2 % are delivered twice
    assert events[2]


def test_twenty_experiments_run_on_every_day_of_the_daily_scenario() -> None:
    scenario = daily(SCALE, history_days=60)

    for day in range(scenario.days):
        assert sum(one.first_day <= day <= one.last_day for one in scenario.experiments) == 20


def test_the_day_of_late_data_comes_after_the_next_day(tmp_path: Path) -> None:
    project = generate(daily(SCALE, history_days=3), tmp_path)

    late = duckdb.sql(f"""
        with events as (
            select ts::date as occurred_date, parse_filename(filename, true)::date as log_date
            from read_parquet('{project}/data/events/*.parquet', filename = true)
        )
        select log_date - date '{FIRST_DATE}', avg((occurred_date < log_date)::int)
        from events group by 1 order by 1
    """).fetchall()

    assert [day for day, share in late if share > 0.1] == [4]
