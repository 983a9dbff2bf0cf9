"""Calibrations outlive the warehouse: they are of units as they were at the time."""

import duckdb
import pytest

from analysis.calibration import CALIBRATION_COLUMNS
from orchestration.calibration import calibration_query, restore_calibrations
from orchestration.warehouse import open_warehouse
from orchestration.workspace import Workspace


@pytest.fixture
def workspace(tmp_path) -> Workspace:
    """A state folder whose published results have a calibration; its warehouse is gone."""
    workspace = Workspace(tmp_path / "configs", tmp_path / "data", tmp_path / "state")
    run = workspace.state / "runs" / "one"
    (run / "calibration").mkdir(parents=True)
    (workspace.state / "results").symlink_to("runs/one")
    with duckdb.connect() as connection:
        none = calibration_query(connection)
        kinds = dict(connection.execute(f"select column_name, column_type from (describe {none})").fetchall())
        row = {
            "as_of_date": "2026-10-04",
            "experiment_id": "pricing",
            "metric_id": "revenue",
            "status": "miscalibrated",
        }
        values = [
            f"cast('{row[n]}' as {k}) as {n}" if n in row else f"cast(null as {k}) as {n}" for n, k in kinds.items()
        ]
        connection.execute(f"copy (select {', '.join(values)}) to '{run}/calibration/part.parquet'")
    return workspace


def published(workspace: Workspace) -> list[tuple]:
    with open_warehouse(workspace.warehouse) as connection:
        rows = f"select as_of_date, experiment_id, metric_id, status from ({calibration_query(connection)})"
        return [(str(day), *texts) for day, *texts in connection.execute(rows).fetchall()]


def test_a_warehouse_that_is_built_anew_has_those_that_were_published(workspace):
    restore_calibrations(workspace)

    assert published(workspace) == [("2026-10-04", "pricing", "revenue", "miscalibrated")]
    with open_warehouse(workspace.warehouse) as connection:
        described = connection.execute("describe results.calibration").fetchall()
        assert [row[0] for row in described] == list(CALIBRATION_COLUMNS)
        connection.execute("delete from results.calibration")
    restore_calibrations(workspace)
    assert published(workspace) == []


def test_none_are_made_up(workspace):
    (workspace.state / "results").unlink()
    restore_calibrations(workspace)
    assert published(workspace) == []
