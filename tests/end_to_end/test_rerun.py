"""Runs repeat, resume and die without a wrong number ever being published."""

import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace
from datetime import date
from pathlib import Path

import duckdb
import pandas as pd
import pytest

from orchestration.lock import LockHeldError, writer_lock
from orchestration.workspace import Workspace
from tests.end_to_end.pipeline import assert_same_results, copy_of, rows, run, table, tables, try_run
from tests.end_to_end.two_experiments.days import DAYS, LAST_DAY

pytestmark = [pytest.mark.xdist_group("reruns"), pytest.mark.long]

ROOT = Path(__file__).resolve().parents[2]
DAY_3 = date(2026, 10, 3)
RESULT_TABLES = ("exposure_counts", "metric_moments", "scorecard", "health_checks", "decisions")


@pytest.fixture(scope="module")
def daily_runs(shop, tmp_path_factory) -> dict[date, Workspace]:
    """The state after each of the last three days, of a shop that was run day by day, the first three together."""
    root = tmp_path_factory.mktemp("day_by_day")
    workspace = replace(shop, state=root / "state")
    kept = {}
    run(workspace, DAYS[0], DAYS[2])
    for day in DAYS[3:]:
        run(workspace, day, day)
        if day in DAYS[-3:]:
            kept[day] = copy_of(workspace, root / day.isoformat(), "state")
    return kept


def test_day_by_day_is_the_same_as_all_days_at_once(shop, daily_runs):
    assert_same_results(daily_runs[LAST_DAY].state, shop.state)


def test_the_fixture_has_every_kind_of_row(shop):
    """Late, duplicate and refused rows, mixed units, segments, adjusted and capped metrics: else nothing is shown."""
    ledger = table(shop.state, "row_ledger")
    assert (ledger[["rows_duplicate", "rows_quarantined"]].sum() > 0).all()
    assert "late" in set(table(shop.state, "quarantine")["reason"].str.split(":").str[0].str.split(" ").str[0])
    assert table(shop.state, "exposure_counts")["n_mixed_excluded"].sum() > 0
    assert set(table(shop.state, "scorecard")["segment_name"]) == {"all", "device"}
    assert table(shop.state, "scorecard")["variance_reduction"].max() > 0
    assert table(shop.state, "metric_moments", metric_id="revenue")["cap_value"].notna().any()


def test_parquet_folders_and_database_hold_the_same_rows(shop):
    for name, frame in tables(shop.state).items():
        files = f"{shop.state}/results/{name}/**/*.parquet"
        query = f"from read_parquet('{files}', hive_partitioning = false, union_by_name = true) order by all"
        pd.testing.assert_frame_equal(rows(duckdb.default_connection(), query), frame, check_exact=True, obj=name)


def test_the_documented_ways_to_read_results_work(shop):
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "results.md").read_text(), re.DOTALL)
    assert len(blocks) == 2
    for block in blocks:
        exec(block.replace('"var/', f'"{shop.state}/'), {})


def test_rerunning_a_day_in_the_middle_changes_nothing(shop, tmp_path):
    again = copy_of(shop, tmp_path, "state")
    outcome = run(again, DAY_3, DAY_3)
    assert (again.state / "results").resolve().name == outcome.run_id
    assert_same_results(again.state, shop.state)


def test_a_run_after_every_experiment_has_ended_keeps_their_last_results(daily_runs):
    """On the last day nothing is planned any more; the day's rows are ingested all the same."""
    before, after = (tables(daily_runs[day].state) for day in DAYS[-2:])
    for name in (*RESULT_TABLES, "experiments"):
        pd.testing.assert_frame_equal(before[name], after[name], check_exact=True, obj=name)
    assert set(after["source_days"]["log_date"]) - set(before["source_days"]["log_date"]) == {pd.Timestamp(LAST_DAY)}


def _killed_run(workspace: Workspace, last_step: str) -> None:
    """Start a run in a process of its own and kill it as soon as `last_step` shows."""
    main = "from orchestration.cli import main; main()"
    command = [sys.executable, "-c", main, "run", "--date", DAYS[-2].isoformat()]
    folders = {f"EQUIPOISE_{name.upper()}": str(getattr(workspace, name)) for name in ("configs", "data", "state")}
    with subprocess.Popen(
        command, env=os.environ | folders, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        deadline = time.monotonic() + 180
        while not list(workspace.state.glob(last_step)):
            assert process.poll() is None, f"the run ended with {process.returncode} before {last_step} showed"
            assert time.monotonic() < deadline
            time.sleep(0.002)
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL


def test_a_killed_run_leaves_the_published_results_and_the_next_one_is_right(daily_runs, tmp_path):
    workspace = copy_of(daily_runs[DAYS[-3]], tmp_path, "state")
    published, before = (workspace.state / "results").resolve(), tables(workspace.state)
    for compiled in workspace.state.glob("dbt/run/**/fct_metric_moments.sql"):
        compiled.unlink()  # dbt writes it anew just before it builds that model
    for last_step in ("dbt/run/**/fct_metric_moments.sql", "runs/.unfinished-*"):
        _killed_run(workspace, last_step)
        assert (workspace.state / "results").resolve() == published
        for name, frame in tables(workspace.state).items():
            pd.testing.assert_frame_equal(frame, before[name], check_exact=True, obj=name)

    run(workspace, DAYS[-2], DAYS[-2])
    assert_same_results(workspace.state, daily_runs[DAYS[-2]].state)
    assert not list(workspace.state.glob("runs/.unfinished-*"))


def test_a_second_writer_is_told_who_holds_the_lock(shop, tmp_path):
    workspace = copy_of(shop, tmp_path, "state")
    before = (workspace.state / "results").resolve()
    hold = "import sys; from pathlib import Path; from orchestration.lock import LockHeldError, writer_lock\n"
    hold += "with writer_lock(Path(sys.argv[1])): print('held', flush=True); sys.stdin.read()"
    command = [sys.executable, "-c", hold, str(workspace.lock)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(LockHeldError, match=f"another run is writing: pid {holder.pid} on ") as refusal:
            try_run(workspace, LAST_DAY, LAST_DAY)
        holder.stdin.close()
    assert str(workspace.lock) in str(refusal.value)
    assert "wait for it to end (`equipoise run --wait SECONDS`), or stop that process" in str(refusal.value)
    assert (workspace.state / "results").resolve() == before
    with writer_lock(workspace.lock):
        pass  # the holder's end freed it
