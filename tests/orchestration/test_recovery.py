"""What a dead writer left, and what became of its run in Dagster."""

from pathlib import Path

import dagster as dg
import pytest

from orchestration.lock import Owner
from orchestration.recovery import end_dead_runs, remove_leftovers, writer_tags
from orchestration.workspace import Workspace

DEAD = Owner(pid=7, host="here", command="equipoise run", since="2026-10-05T02:30:00+00:00")
ALWAYS = [
    "request.tmp",
    "lake/.scratch/0a1b",
    "runs/.unfinished-1",
    "runs/.removed-2",
    ".results-new",
    "spill/duckdb_temp_storage-0.tmp",
    "configs/0a1b.tmp",
    "generated/.experiments.csv.77",
    "generated/macros/.metric_catalog.sql.77",
    "dbt/definitions-00.tmp",
]
AFTER_DEATH = ["superseded/checkout/0a1b/.scorecard.parquet", "lake/orders/log_date=2026-10-05/day.json.0a1b"]
KEPT = [
    "runs/3/results.duckdb",
    "configs/0a1b.json",
    "generated/experiments.csv",
    "superseded/checkout/0a1b/scorecard.parquet",
    "dbt/manifest.json",
]


@pytest.fixture
def workspace(tmp_path) -> Workspace:
    state = tmp_path / "state"
    for name in (*ALWAYS, *AFTER_DEATH, *KEPT):
        path = state / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if name in (".results-new", *ALWAYS[1:4]):
            path.symlink_to("runs/4") if name == ".results-new" else path.mkdir()
        else:
            path.write_bytes(b"")
    return Workspace(tmp_path / "configs", tmp_path / "data", state)


def names(paths: list[Path], workspace: Workspace) -> set[str]:
    return {str(path.relative_to(workspace.state)) for path in paths}


def test_what_a_failed_write_leaves_is_removed_at_every_start(workspace):
    assert names(remove_leftovers(workspace, after_death=False), workspace) == set(ALWAYS)
    assert all((workspace.state / name).exists() for name in (*KEPT, *AFTER_DEATH))
    assert remove_leftovers(workspace, after_death=False) == []


def test_after_a_death_every_folder_is_looked_into(workspace):
    assert names(remove_leftovers(workspace, after_death=True), workspace) == {*ALWAYS, *AFTER_DEATH}
    assert all((workspace.state / name).exists() for name in KEPT)
    assert remove_leftovers(workspace, after_death=True) == []


@dg.job
def work():
    pass


def test_only_earlier_writers_that_never_ended_are_marked_as_failed():
    with dg.DagsterInstance.ephemeral() as instance:

        def run(status: dg.DagsterRunStatus, writer: str | None = "itself") -> str:
            run_id = instance.create_run_for_job(work, status=status).run_id
            if writer is not None:
                instance.add_run_tags(run_id, writer_tags(run_id if writer == "itself" else writer))
            return run_id

        dead = {run(dg.DagsterRunStatus.STARTED), run(dg.DagsterRunStatus.NOT_STARTED)}
        current, ended = run(dg.DagsterRunStatus.STARTED), run(dg.DagsterRunStatus.SUCCESS)
        waiting = run(dg.DagsterRunStatus.STARTED, writer=None)
        waiting_again = run(dg.DagsterRunStatus.STARTED, writer=ended)

        assert set(end_dead_runs(instance, DEAD, current_run_id=current)) == dead

        for run_id in dead:
            assert instance.get_run_by_id(run_id).status == dg.DagsterRunStatus.FAILURE
        for run_id in (current, waiting, waiting_again):
            assert instance.get_run_by_id(run_id).status == dg.DagsterRunStatus.STARTED
        assert instance.get_run_by_id(ended).status == dg.DagsterRunStatus.SUCCESS
