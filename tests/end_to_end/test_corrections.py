"""Corrected files, backfilled days and changed configurations change what they must, and nothing else."""

import json
import shutil
import threading
import time
from dataclasses import replace
from datetime import date
from pathlib import Path

import duckdb
import pandas as pd
import pytest

from tests.end_to_end.pipeline import assert_same_results, copy_of, rows, run, table
from tests.end_to_end.two_experiments.days import FIRST_DAY, LAST_DAY

pytestmark = [pytest.mark.xdist_group("two_experiments"), pytest.mark.long]

DAY_3 = date(2026, 10, 3)
RESULT_TABLES = ("exposure_counts", "metric_moments", "scorecard", "health_checks", "decisions")


def test_a_corrected_file_is_published_from_its_day_on(shop, tmp_path):
    corrected = copy_of(shop, tmp_path, "data", "state")
    orders = corrected.data / "orders" / f"{DAY_3}.csv"
    log = pd.read_csv(orders, dtype=str)
    log["amount"] = (log["amount"].astype(float) * 1.5).round(2).astype(str)
    log.iloc[: len(log) // 2].to_csv(orders, index=False)
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
    both = old.merge(new, on=["as_of_date", "metric_id", "variant_id", "segment_value"])
    revenue = both[(both["metric_id"] == "revenue") & (both["as_of_date"] >= earlier)]
    assert len(revenue) and (revenue["total_x"] != revenue["total_y"]).all()
    visits = both[(both["metric_id"] == "visit_count") & (both["n_units_x"] > 0)]
    assert len(visits) and (visits["mean_x"] == visits["mean_y"]).all()


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
    """A published shop, run again under the eyes of two readers after checkout's metrics have changed.

    Visits are counted over two days instead of one, and the largest order is new.
    """
    workspace = copy_of(shop, tmp_path_factory.mktemp("reconfigured"), "configs", "state")
    _replace(workspace.configs / "metrics" / "shop.yaml", "window: {end_days: 1}", "window: {end_days: 2}")
    new_metric = "{id: largest_order, type: mean, source: orders, event: purchase, aggregate: max, measure: amount}"
    (workspace.configs / "metrics" / "new.yaml").write_text(f"- {new_metric}\n")
    checkout = workspace.configs / "experiments" / "checkout.yaml"
    _replace(checkout, "  guardrail:", "  secondary: [largest_order]\n  guardrail:")
    reader = Reader(workspace.state)
    with duckdb.connect(str((workspace.state / "results.duckdb").resolve()), read_only=True) as held:
        before = rows(held, "from scorecard order by all")
        reader.start()
        run(workspace, LAST_DAY, LAST_DAY)
        after = rows(held, "from scorecard order by all")
        reader.stopped.set()
        reader.join()
        reader.looks.append(reader.look())
    return workspace, reader, before, after


def _replace(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert text.count(old) == 1
    file.write_text(text.replace(old, new))


def test_a_changed_metric_recomputes_its_experiment_and_no_other(shop, reconfigured):
    workspace = reconfigured[0]
    for name in RESULT_TABLES:
        old, new = (table(state, name, experiment_id="pricing") for state in (shop.state, workspace.state))
        pd.testing.assert_frame_equal(old, new, check_exact=True, obj=name)
    old, new = (
        table(state, "metric_moments", experiment_id="checkout", segment_name="all")
        for state in (shop.state, workspace.state)
    )
    both = old.merge(new, on=["as_of_date", "metric_id", "variant_id"], validate="one_to_one")
    assert len(both) == len(old)
    assert (both["config_hash_x"] != both["config_hash_y"]).all()
    is_changed = both["metric_id"] == "visit_count"
    assert (both.loc[is_changed, "total_x"] != both.loc[is_changed, "total_y"]).any()
    values = ["n_units", "mean", "variance", "total"]
    pd.testing.assert_frame_equal(
        both.loc[~is_changed, [f"{value}_x" for value in values]].set_axis(values, axis=1),
        both.loc[~is_changed, [f"{value}_y" for value in values]].set_axis(values, axis=1),
        check_exact=True,
    )


def test_a_new_metric_is_computed_over_the_whole_history(shop, reconfigured):
    workspace = reconfigured[0]
    new = table(workspace.state, "metric_moments", metric_id="largest_order", segment_name="all")
    assert new["as_of_date"].unique().tolist() == (
        table(shop.state, "metric_moments", experiment_id="checkout")["as_of_date"].unique().tolist()
    )
    assert (new["n_units"] > 0).all() and (new["n_not_computed"] == 0).all() and (new["mean"] > 0).all()


def test_replaced_rows_are_kept_with_their_configuration(shop, reconfigured):
    state = reconfigured[0].state
    (old_hash,) = table(shop.state, "decisions", experiment_id="checkout")["config_hash"].unique()
    assert not (state / "superseded" / "pricing").exists()
    for name in RESULT_TABLES:
        file = state / "superseded" / "checkout" / old_hash / f"{name}.parquet"
        kept = rows(duckdb.default_connection(), f"from read_parquet('{file}') order by all")
        pd.testing.assert_frame_equal(kept, table(shop.state, name, experiment_id="checkout"), check_exact=True)
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
    # Conversion is a covariate of the count of visits: its rows say that they do without.
    unadjusted = (scorecard["metric_id"] == "visit_count") & (scorecard["as_of_date"] >= pd.Timestamp(DAY_3))
    assert len(scorecard[unadjusted]) and (scorecard.loc[unadjusted, "status"] == "no_covariate").all()
    assert scorecard.loc[unadjusted, "reason"].str.contains(f"incomplete: orders {DAY_3} (missing", regex=False).all()
    has_gap |= unadjusted
    whole = table(shop.state, "scorecard", segment_name="all")
    # Also where nothing is missing provenance says which days of all its sources were there.
    scorecard, whole = (frame.drop(columns=["input_watermark", "input_digest"]) for frame in (scorecard, whole))
    pd.testing.assert_frame_equal(scorecard[~has_gap], whole[~has_gap], check_exact=True)
    assert not set(table(workspace.state, "decisions")["recommendation"]) & {"ship", "stop"}
    days = table(workspace.state, "source_days", source_id="orders", log_date=DAY_3)
    assert days[["status", "reason"]].to_dict("records") == [
        {"status": "missing", "reason": f"no file matches orders/{DAY_3}.csv"}
    ]

    shutil.move(tmp_path / orders.name, orders)
    run(workspace, DAY_3, DAY_3)
    assert_same_results(workspace.state, shop.state)
