"""Faults of the disk and of the state folder: the run says what, where and what to do; doing it mends them."""

import json
import re
import shutil
import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest

from orchestration.faults import StateError
from orchestration.workspace import Workspace
from tests.chaos.small_disk import NAMESPACE, can_mount
from tests.end_to_end.pipeline import assert_same_results, copy_of, run, try_run
from tests.end_to_end.two_experiments.days import DAYS, LAST_DAY

pytestmark = pytest.mark.xdist_group("reruns")

ROOT = Path(__file__).resolve().parents[2]


def cut_short(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def only(folder: Path, pattern: str) -> Path:
    (path,) = folder.glob(pattern)
    return path


def what_a_run_says(workspace: Workspace) -> str:
    try:
        outcome = try_run(workspace, LAST_DAY, LAST_DAY)
    except StateError as error:
        return str(error)
    assert not outcome.published
    return "\n".join(outcome.errors)


def do(commands: str, workspace: Workspace) -> None:
    """What a message says between backticks, typed by hand."""
    for command in commands.split(" && "):
        if found := re.fullmatch(r"equipoise run --date (\S+)", command):
            run(workspace, *[date.fromisoformat(found[1])] * 2)
        else:
            subprocess.run(command, shell=True, check=True)


def test_each_damaged_file_is_named_and_mended_by_the_command_in_the_message(shop, tmp_path):
    """A run stops at the first fault that it meets, so they come one after the other."""
    workspace = copy_of(shop, tmp_path, "state")
    orders = workspace.lake / "orders"
    runs, rows = workspace.dagster_home / "history" / "runs.db", only(orders, f"log_date={DAYS[-2]}/rows-*.parquet")
    manifest = orders / f"log_date={DAYS[2]}" / "day.json"
    for path in (runs, rows, manifest, workspace.warehouse):
        cut_short(path)

    said = what_a_run_says(workspace)
    assert str(workspace.dagster_home) in said and "Dagster's history of runs is damaged" in said
    do(re.findall("`([^`]+)`", said)[0], workspace)

    said = what_a_run_says(workspace)
    assert str(manifest) in said and "not a valid manifest" in said
    assert f"rm {manifest} && equipoise run --date {DAYS[2]}" in said
    manifest.unlink()  # that run would meet the next fault

    said = what_a_run_says(workspace)
    assert str(rows) in said and f"`equipoise run --date {DAYS[-2]}`" in said
    shutil.copy(only(shop.lake / "orders", f"log_date={DAYS[-2]}/rows-*.parquet"), rows)  # from a backup

    said = what_a_run_says(workspace)
    assert f"The warehouse {workspace.warehouse} is damaged" in said
    assert_same_results(workspace.state, shop.state)
    do(re.findall("`([^`]+)`", said)[0], workspace)
    assert (workspace.state / "damaged" / "warehouse.duckdb").exists()

    do(f"equipoise run --date {DAYS[2]}", workspace)  # of an old day: the later ones must not go
    assert_same_results(workspace.state, shop.state)


def test_a_day_whose_rows_were_cut_short_is_read_again_from_its_log(shop, tmp_path):
    workspace = copy_of(shop, tmp_path, "state")
    cut_short(only(workspace.lake / "orders", f"log_date={DAYS[-2]}/rows-*.parquet"))

    (command,) = re.findall("`([^`]+)`", what_a_run_says(workspace))
    do(command, workspace)

    assert_same_results(workspace.state, shop.state)


def test_a_run_mends_by_itself_what_it_can_make_anew(shop, tmp_path):
    workspace = copy_of(shop, tmp_path, "state")
    published = workspace.results.resolve()
    (published / "results.duckdb").write_bytes(b"no database")
    for path in (
        only(published, f"scorecard/as_of_date={DAYS[1]}/part.parquet"),
        only(published, f"exposure_counts/as_of_date={DAYS[1]}/part.parquet"),
        only(workspace.dbt_target, "partial_parse.msgpack"),
        workspace.generated / "macros" / "metric_catalog.sql",
    ):
        cut_short(path)

    run(workspace, LAST_DAY, LAST_DAY)

    assert_same_results(workspace.state, shop.state)


@pytest.mark.slow
def test_a_full_disk_and_a_read_only_one_leave_the_results_and_a_later_run_is_right(shop, tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    if not can_mount(disk):
        pytest.skip("this machine does not let the test mount a disk of its own")
    folders = [str(path) for path in (shop.configs, shop.data, shop.state)]
    arguments = ["-m", "tests.chaos.small_disk", *folders, LAST_DAY.isoformat(), str(disk)]
    finished = subprocess.run(
        [*NAMESPACE, sys.executable, *arguments], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True
    )
    *faulty, last = [json.loads(line) for line in finished.stdout.splitlines()]
    assert len(faulty) == 3
    for run_ in faulty:
        assert run_["status"] == 1, run_["said"]
        assert run_["same"]
        assert "Traceback" not in run_["said"]
        if run_["change"] == "read-only":
            assert f"{disk}/state" in run_["said"] and "Read-only file system" in run_["said"]
        else:
            assert "free some space and run the same days again" in run_["said"], run_["said"]
    assert last["status"] == 0, last["said"]
    assert last["same"]
