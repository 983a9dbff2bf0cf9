"""The small shop's random logs on Spark: day by day, with a day that is run again, the marts are DuckDB's."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from random import Random

import pandas as pd
import pytest

from tests.end_to_end.random_logs import History, random_history
from tests.end_to_end.small_shop import MARTS, SmallShop
from tests.spark.comparison import compare_frames

pytest.importorskip("pyspark", reason="Spark is not installed here: `make test-spark`")

SEED = 7
"""Two runs, a day in the middle that is run again, and the last day; clocks change."""


def built(root: Path, history: History, target: str) -> list[Mapping[str, pd.DataFrame]]:
    """The marts after each run."""
    shop = SmallShop(root)
    shop.begin(history.start)
    shop.workspace = replace(shop.workspace, target=target)
    shop.workspace.activate()
    shop.deliver({**history.logs, **history.first_delivered})
    marts = []
    for first, last in history.runs:
        shop.run(first, last)
        marts.append(shop.marts())
    return marts


@pytest.mark.slow
def test_every_mart_after_every_run_is_duckdbs(tmp_path: Path) -> None:
    history = random_history(Random(SEED))
    assert len(history.runs) > 2
    ours, theirs = (built(tmp_path / target, history, target) for target in ("duckdb", "spark"))
    for number, (expected, found) in enumerate(zip(ours, theirs, strict=True)):
        for name in MARTS:
            comparison = compare_frames(name, expected[name], found[name][list(expected[name])])
            assert comparison.is_equal, (number, comparison)
