"""The year's project is a valid one, with experiments from its beginning to its end."""

from datetime import date, timedelta
from itertools import pairwise
from pathlib import Path

from benchmarks.backfill import LAST_DAY, write_project
from configs.load import load_config
from configs.simulation_load import load_scenario

FIRST = date(2025, 10, 15)


def test_experiments_are_repeated_until_the_year_is_full(tmp_path: Path) -> None:
    written = write_project(tmp_path, FIRST)
    config = load_config(tmp_path)
    assert len(config.experiments) == written
    assert set(load_scenario(tmp_path, config).experiments) == set(config.experiments)
    starts = sorted(experiment.start for experiment in config.experiments.values())
    assert FIRST + timedelta(days=14) <= starts[0] < FIRST + timedelta(days=55)
    assert max(later - earlier for earlier, later in pairwise(starts)) <= timedelta(days=41)
    assert starts[-1] < LAST_DAY
