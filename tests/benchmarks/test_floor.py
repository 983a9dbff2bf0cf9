"""The hand-written query and the pipeline agree on every moment."""

from fractions import Fraction
from pathlib import Path

import pandas as pd
import pytest

from benchmarks.floor.query import floor_moments
from benchmarks.generate import generate
from benchmarks.scenarios import full_refresh
from orchestration.workspace import Workspace
from tests.end_to_end.pipeline import run, table

KEY = ["metric_id", "variant_id"]


@pytest.mark.slow
@pytest.mark.xdist_group("floor")
def test_the_floor_gives_the_moments_that_the_pipeline_publishes(tmp_path: Path) -> None:
    scenario = full_refresh(Fraction(1, 4000))
    project = generate(scenario, tmp_path)
    workspace = Workspace(project / "configs", project / "data", project / "state")
    last = scenario.last_history_date

    run(workspace, scenario.first_history_date, last)
    floor = floor_moments(project, parts=2, shares=2, memory_limit="500MB").set_index(KEY).sort_index()

    published = table(workspace.state, "metric_moments", as_of_date=last, segment_name="all")
    published = published.set_index(KEY).sort_index()[list(floor.columns)].astype(dict.fromkeys(["n_units"], "int64"))
    assert len(floor) == 15 * 2
    pd.testing.assert_frame_equal(floor[["n_units"]], published[["n_units"]], check_exact=True)
    # Sums are the same integers on both sides; only the last divisions differ.
    pd.testing.assert_frame_equal(floor[["mean"]], published[["mean"]], rtol=1e-12, atol=0)
    others = [name for name in floor.columns if name not in ("n_units", "mean", "third_central_moment")]
    pd.testing.assert_frame_equal(floor[others], published[others], rtol=1e-9, atol=0)
    # The pipeline rounds distances to millionths of a standard deviation; a third moment near 0 feels it.
    third = ["third_central_moment"]
    pd.testing.assert_frame_equal(floor[third], published[third], rtol=1e-5, atol=1e-8)
