"""What the health checks read is in one order, however the warehouse has it."""

from datetime import date
from pathlib import Path

import duckdb
import pandas as pd

from configs.schema import Config, Project, Sources
from orchestration.health_data import read_health_data
from orchestration.inputs import RunInputs
from orchestration.lake import Lake
from tests.orchestration.ingest_case import LOG_DATE, event_source, exposure_source

ROWS = ["('checkout', 'conversion', 0.0)", "('checkout', 'revenue', 0.0)", "('banner', 'revenue', 0.0)"]


def moments(rows: list[str], lake: Lake) -> pd.DataFrame:
    config = Config(
        project=Project(name="shop", history_start=date(2026, 9, 1)),
        sources=Sources(exposures=[exposure_source()], events=[event_source()]),
        metrics={},
        experiments={},
    )
    inputs = RunInputs(config=config, broken={}, config_hashes={}, days={}, requested=(LOG_DATE, LOG_DATE), lake=lake)
    with duckdb.connect() as connection:
        connection.execute("create schema marts; create schema runs")
        connection.execute("create table runs.plan as from (values ('checkout'), ('banner')) as plan (experiment_id)")
        connection.execute("create table runs.former_definitions (experiment_id varchar)")
        columns = "moments (experiment_id, metric_id, mean)"
        connection.execute(f"create table marts.fct_metric_moments as from (values {', '.join(rows)}) as {columns}")
        return read_health_data(connection, inputs).moments


def test_rows_come_in_one_order(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    pd.testing.assert_frame_equal(moments(ROWS, lake), moments(ROWS[::-1], lake))
