"""Runs repeat, correct, resume and die without a wrong number ever being published."""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from datetime import date
from pathlib import Path

import duckdb
import pandas as pd
import pytest

from orchestration.lock import writer_lock
from orchestration.workspace import Workspace
from tests.end_to_end.pipeline import assert_same_results, copy_of, run, table, tables, try_run
from tests.end_to_end.two_experiments.days import DAYS, FIRST_DAY, LAST_DAY

pytestmark = pytest.mark.xdist_group("two_experiments")

DAY_3 = date(2026, 10, 3)
RESULT_TABLES = ("exposure_counts", "metric_moments", "scorecard", "health_checks", "decisions")


@pytest.fixture(scope="module")
def daily_runs(shop, tmp_path_factory) -> dict[date, Workspace]:
    """The state after each of the last three days, of a shop that was run day by day."""
    root = tmp_path_factory.mktemp("day_by_day")
    workspace = replace(shop, state=root / "state")
    kept = {}
    for day in DAYS:
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
        query = "select * from read_parquet(?, hive_partitioning = false, union_by_name = true) order by all"
        pd.testing.assert_frame_equal(duckdb.execute(query, [files]).df(), frame, check_exact=True, obj=name)


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


def test_a_corrected_file_is_published_from_its_day_on(shop, tmp_path):
    corrected = copy_of(shop, tmp_path, "data", "state")
    orders = corrected.data / "orders" / f"{DAY_3}.csv"
    rows = pd.read_csv(orders, dtype=str)
    rows["amount"] = (rows["amount"].astype(float) * 1.5).round(2).astype(str)
    rows.iloc[: len(rows) // 2].to_csv(orders, index=False)
    run(corrected, DAY_3, DAY_3)

    fresh = replace(corrected, state=tmp_path / "fresh")
    run(fresh, FIRST_DAY, LAST_DAY)
    assert_same_results(corrected.state, fresh.state)

    old, new = table(shop.state, "metric_moments"), table(corrected.state, "metric_moments")
    earlier = pd.Timestamp(DAY_3)
    pd.testing.assert_frame_equal(
        old[old["as_of_date"] < earlier].reset_index(drop=True),
        new[new["as_of_date"] < earlier].reset_index(drop=True),
        check_exact=True,
    )
    changed = old.merge(new, on=["as_of_date", "metric_id", "variant_id", "segment_value"])
    revenue = changed[(changed["metric_id"] == "revenue") & (changed["as_of_date"] >= earlier)]
    assert len(revenue) and (revenue["total_x"] != revenue["total_y"]).all()
    visits = changed[changed["metric_id"] == "visit_count"]
    assert (visits["mean_x"] == visits["mean_y"]).all()


class Reader(threading.Thread):
    """Resolves `results` again and again, and notes which configurations each look showed."""

    TABLES = ("metric_moments", "scorecard", "decisions", "experiments")

    def __init__(self, state: Path) -> None:
        super().__init__(daemon=True)
        self.state, self.stopped = state, threading.Event()
        self.looks: list[dict[str, set[str]]] = []
        self.error: Exception | None = None

    def run(self) -> None:
        try:
            while not self.stopped.is_set():
                self.looks.append(self.look())
                time.sleep(0.02)
        except duckdb.Error as error:
            self.error = error

    def look(self) -> dict[str, set[str]]:
        with duckdb.connect(str((self.state / "results").resolve() / "results.duckdb"), read_only=True) as connection:
            query = "select distinct config_hash from {} where experiment_id = 'checkout'"
            return {name: {row[0] for row in connection.execute(query.format(name)).fetchall()} for name in self.TABLES}


@pytest.fixture(scope="module")
def reconfigured(shop, tmp_path_factory):
    """A published shop whose visit window is doubled, run again under the eyes of two readers."""
    workspace = copy_of(shop, tmp_path_factory.mktemp("reconfigured"), "configs", "state")
    metrics = workspace.configs / "metrics" / "shop.yaml"
    changed = metrics.read_text().replace("window: {end_days: 1}", "window: {end_days: 2}")
    assert changed != metrics.read_text()
    metrics.write_text(changed)
    reader = Reader(workspace.state)
    with duckdb.connect(str((workspace.state / "results.duckdb").resolve()), read_only=True) as held:
        before = held.execute("from scorecard order by all").df()
        reader.start()
        run(workspace, LAST_DAY, LAST_DAY)
        after = held.execute("from scorecard order by all").df()
        reader.looks.append(reader.look())
        reader.stopped.set()
        reader.join()
    return workspace, reader, before, after


def test_a_changed_window_recomputes_its_experiment_and_no_other(shop, reconfigured):
    workspace = reconfigured[0]
    for name in RESULT_TABLES:
        old, new = (table(state, name, experiment_id="pricing") for state in (shop.state, workspace.state))
        pd.testing.assert_frame_equal(old, new, check_exact=True, obj=name)
    old, new = (
        table(state, "metric_moments", experiment_id="checkout", segment_name="all")
        for state in (shop.state, workspace.state)
    )
    both = old.merge(new, on=["as_of_date", "metric_id", "variant_id"], validate="one_to_one")
    assert len(both) == len(old) == len(new)
    assert (both["config_hash_x"] != both["config_hash_y"]).all()
    is_changed = both["metric_id"] == "visit_count"
    assert (both.loc[is_changed, "total_x"] != both.loc[is_changed, "total_y"]).any()
    values = ["n_units", "mean", "variance", "total"]
    pd.testing.assert_frame_equal(
        both.loc[~is_changed, [f"{value}_x" for value in values]].set_axis(values, axis=1),
        both.loc[~is_changed, [f"{value}_y" for value in values]].set_axis(values, axis=1),
        check_exact=True,
    )


def test_replaced_rows_are_kept_with_their_configuration(shop, reconfigured):
    state = reconfigured[0].state
    (old_hash,) = table(shop.state, "decisions", experiment_id="checkout")["config_hash"].unique()
    assert not (state / "superseded" / "pricing").exists()
    for name in RESULT_TABLES:
        kept = duckdb.execute(
            "from read_parquet(?) order by all", [f"{state}/superseded/checkout/{old_hash}/{name}.parquet"]
        )
        pd.testing.assert_frame_equal(kept.df(), table(shop.state, name, experiment_id="checkout"), check_exact=True)
    pinned = json.loads((state / "configs" / f"{old_hash}.json").read_text())
    assert '"end_days": 1' in json.dumps(pinned)


def test_a_reader_of_one_run_sees_nothing_of_the_next(reconfigured):
    _, _, before, after = reconfigured
    pd.testing.assert_frame_equal(before, after, check_exact=True)


def test_whoever_resolves_the_link_sees_one_run_whole(reconfigured):
    _, reader, _, _ = reconfigured
    assert reader.error is None
    seen = []
    for look in reader.looks:
        (hashes,) = {frozenset(hashes) for hashes in look.values()}
        (config_hash,) = hashes
        seen.append(config_hash)
    assert len(seen) > 5 and len(set(seen)) == 2
    assert sorted(seen, key=seen.index) == seen, "the old run showed again after the new one"


def test_a_missing_day_is_incomplete_until_it_is_backfilled(shop, tmp_path):
    workspace = replace(copy_of(shop, tmp_path, "data"), state=tmp_path / "state")
    orders = workspace.data / "orders" / f"{DAY_3}.csv"
    orders.rename(tmp_path / orders.name)
    outcome = run(workspace, FIRST_DAY, LAST_DAY)
    (check,) = [check for check in outcome.failed_checks if check.asset == "ingest/orders"]
    assert (check.check, check.is_error) == ("day_is_complete", True)
    assert f"no file matches orders/{DAY_3}.csv" in check.description

    scorecard = table(workspace.state, "scorecard", segment_name="all")
    has_gap = scorecard["metric_id"].isin(["conversion", "revenue", "revenue_per_order"]) & (
        scorecard["as_of_date"] >= pd.Timestamp(DAY_3)
    )
    blocked = scorecard[has_gap]
    assert len(blocked) and (blocked["status"] == "incomplete").all()
    assert (
        blocked["reason"]
        .str.contains(f"orders {DAY_3} (missing: no file matches orders/{DAY_3}.csv", regex=False)
        .all()
    )
    assert blocked[["effect", "ci_low", "p_value", "p_value_adjusted"]].isna().all(axis=None)
    whole = table(shop.state, "scorecard", segment_name="all")
    pd.testing.assert_frame_equal(scorecard[~has_gap], whole[~has_gap], check_exact=True)
    assert not set(table(workspace.state, "decisions")["recommendation"]) & {"ship", "stop"}
    days = table(workspace.state, "source_days", source_id="orders", log_date=DAY_3)
    assert days[["status", "reason"]].values.tolist() == [["missing", f"no file matches orders/{DAY_3}.csv"]]

    shutil.move(tmp_path / orders.name, orders)
    run(workspace, DAY_3, DAY_3)
    assert_same_results(workspace.state, shop.state)


def _killed_run(workspace: Workspace, last_step: str) -> None:
    """Start a run in a process of its own and kill it as soon as `last_step` shows."""
    command = [str(Path(sys.executable).with_name("equipoise")), "run", "--date", DAYS[-2].isoformat()]
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
    hold = "import sys; from pathlib import Path; from orchestration.lock import writer_lock\n"
    hold += "with writer_lock(Path(sys.argv[1])): print('held', flush=True); sys.stdin.read()"
    command = [sys.executable, "-c", hold, str(workspace.lock)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout.readline() == "held\n"
        outcome = try_run(workspace, LAST_DAY, LAST_DAY)
        holder.stdin.close()
    assert not outcome.published
    (error,) = outcome.errors
    assert str(workspace.lock) in error and f'"pid": {holder.pid}' in error
    assert "wait for it to end, or stop that process" in error
    assert (workspace.state / "results").resolve() == before
    with writer_lock(workspace.lock):
        pass  # the holder's end freed it
