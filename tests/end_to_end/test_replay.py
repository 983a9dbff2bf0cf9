"""Old decisions come out of the lake again, bit by bit; where they don't, what differs and why is said."""

import csv
import io
import json
import shutil
from datetime import date
from pathlib import Path

import duckdb
import pandas as pd
import pytest

from configs.load import load_config
from orchestration.assets.ingest import ingest_range
from orchestration.cli import OutputFormat
from orchestration.cli_comparisons import print_replays
from orchestration.old_decisions import OldDecision
from orchestration.publish import current_run
from orchestration.recompute import NOT_RECOMPUTED
from orchestration.replay import Replay
from orchestration.row_differences import Difference, TableComparison
from orchestration.workspace import Workspace
from tests.end_to_end.pipeline import assert_same_results, copy_of, run, table, without_check
from tests.end_to_end.two_experiments.days import LAST_DAY

pytestmark = [pytest.mark.xdist_group("two_experiments"), pytest.mark.long]

DAY_2, DAY_3, DAY_4 = (date(2026, 10, day) for day in (2, 3, 4))
TABLES = {
    *("exposure_counts", "metric_moments", "covariate_moments", "stratum_moments", "category_counts"),
    *("scorecard", "diluted_effects", "health_checks", "srm_causes", "decisions", "quasi_estimates", "quasi_checks"),
    *("factorial_effects", "factorial_terms"),
    *("cluster_sums", "batch_moments", "bandit_allocations", "policy_values", "bandit_gains"),
    *("switchback_estimates", "switchback_blocks"),
}
UNUSED = {"category_counts", "srm_causes", "diluted_effects", "factorial_effects", "factorial_terms", "batch_moments"}
UNUSED |= {"cluster_sums", "bandit_allocations", "policy_values", "bandit_gains", "quasi_estimates", "quasi_checks"}
UNUSED |= {"switchback_estimates", "switchback_blocks"}


@pytest.fixture(scope="module")
def reconfigured(shop, tmp_path_factory) -> tuple[Workspace, str]:
    """The shop after checkout's metric and some labels have changed, and the hash that checkout had before."""
    workspace = copy_of(shop, tmp_path_factory.mktemp("replayed"), "configs", "state")
    (old_hash,) = table(shop.state, "decisions", experiment_id="checkout")["config_hash"].unique()
    metrics = workspace.configs / "metrics" / "shop.yaml"
    text = metrics.read_text().replace("window: {end_days: 1}", "window: {end_days: 2}")
    metrics.write_text(text.replace("- id: revenue\n", "- id: revenue\n  label: Euros\n"))
    run(workspace, LAST_DAY, LAST_DAY)
    return workspace, old_hash


@pytest.fixture
def corrected_lake(shop, tmp_path) -> Workspace:
    """The shop after a log was corrected and ingested again, in a run that came no further."""
    workspace = copy_of(shop, tmp_path, "data", "state")
    orders = workspace.data / "orders" / f"{DAY_3}.csv"
    log = pd.read_csv(orders, dtype=str)
    log.iloc[: len(log) // 2].to_csv(orders, index=False)
    config = load_config(workspace.configs)
    source = next(source for source in config.sources.events if source.id == "orders")
    ingest_range(workspace, source, DAY_3, DAY_3)
    return workspace


def rewrite(workspace: Workspace, name: str, select: str) -> None:
    """Change a published table's files behind the pipeline's back."""
    for path in (current_run(workspace.state) / name).glob("**/*.parquet"):
        changed = path.with_suffix(".changed")
        query = f"select {select} from read_parquet('{path}', hive_partitioning = false)"
        duckdb.connect().execute(f"copy ({query}) to '{changed}' (format parquet)")
        changed.replace(path)


def everything_in(folder: Path) -> dict[Path, tuple[int, int]]:
    """Every file with its size and time of change, but for the folder that replays compute in."""
    paths = (path for path in folder.rglob("*") if path.is_file() and "recompute" not in path.parts)
    return {path: (path.stat().st_size, path.stat().st_mtime_ns) for path in paths}


def test_what_was_published_comes_out_again_and_the_state_is_left_alone(equipoise, shop):
    before = everything_in(shop.state)
    printed = equipoise(shop, "replay", "--as-of", f"{DAY_3}", "--format", "json")
    assert (printed.status, printed.err) == (0, "")
    found = json.loads(printed.out)
    assert found["identical"]
    assert [one["experiment_id"] for one in found["decisions"]] == ["checkout", "pricing"]
    for one in found["decisions"]:
        for name in TABLES:
            rows = table(shop.state, name, as_of_date=DAY_3, experiment_id=one["experiment_id"])
            for check in NOT_RECOMPUTED.get(name, ()):
                rows = without_check(rows, check)
            assert one["rows"][name] == len(rows)
            is_unused = name in UNUSED
            is_unused |= (name, one["experiment_id"]) in {
                ("stratum_moments", "checkout"),
                ("covariate_moments", "pricing"),
            }
            assert len(rows) > 0 or is_unused
        assert (one["differences"], one["changes"], one["notes"]) == ([], [], [])
    assert everything_in(shop.state) == before
    assert not [path for path in (shop.state / "recompute").iterdir() if path.is_dir()]


def test_segments_of_the_final_date_are_compared_too(equipoise, shop):
    final = table(shop.state, "decisions", experiment_id="checkout")["as_of_date"].max().date()
    options = ("--as-of", f"{final}", "--experiment", "checkout")
    printed = equipoise(shop, "replay", *options)
    assert (printed.status, printed.err) == (0, "")
    moments = table(shop.state, "metric_moments", as_of_date=final, experiment_id="checkout")
    assert set(moments["segment_name"]) == {"all", "device"}
    assert f"checkout as of {final}: identical" in printed.out
    assert f"{len(moments)} metric_moments" in " ".join(printed.out.split())


def test_a_decision_that_a_changed_configuration_replaced(equipoise, reconfigured):
    workspace, old_hash = reconfigured
    printed = equipoise(workspace, "replay", "--as-of", f"{DAY_4}", "--config-hash", old_hash)
    assert (printed.status, printed.err) == (0, "")
    text = " ".join(printed.out.split())
    assert f"checkout as of {DAY_4}: identical" in text
    assert f"by configuration {old_hash} (since replaced)" in text
    assert "without effect: configuration: changed since, today" in text


def test_decisions_under_the_new_configuration_and_in_the_words_of_old_labels(equipoise, reconfigured):
    """Checkout was recomputed; pricing's rows still say `revenue`, which is `Euros` today."""
    workspace, old_hash = reconfigured
    assert "Euros" not in table(workspace.state, "decisions", experiment_id="pricing")["reasons"].str.cat()
    printed = equipoise(workspace, "replay", "--as-of", f"{DAY_4}", "--format", "json")
    checkout, pricing = json.loads(printed.out)["decisions"]
    assert printed.status == 0 and checkout["identical"] and pricing["identical"]
    assert checkout["config_hash"] != old_hash and not checkout["superseded"]


def test_a_corrected_log_is_named_as_the_cause(equipoise, corrected_lake):
    printed = equipoise(corrected_lake, "replay", "--as-of", f"{DAY_4}", "--format", "json")
    assert (printed.status, printed.err) == (1, "")
    found = json.loads(printed.out)
    _, pricing = found["decisions"]
    assert not found["identical"] and not pricing["identical"]
    assert pricing["changes"] == [f"input: the lake has changed since: orders {DAY_3} (other rows)"]
    total = next(d for d in pricing["differences"] if (d["table"], d["column"]) == ("metric_moments", "total"))
    row = table(corrected_lake.state, "metric_moments", as_of_date=DAY_4, **total["row"])
    assert float(total["then"]) == row["total"].item() > float(total["now"])
    assert not {d["table"] for d in pricing["differences"]} & {"exposure_counts"}

    printed = equipoise(corrected_lake, "replay", "--as-of", f"{DAY_2}")
    assert printed.status == 0 and printed.out.count("identical") == 2, f"the corrected day came later: {printed.out}"


def test_a_difference_that_nothing_explains_is_a_fault(equipoise, shop, tmp_path):
    tampered = copy_of(shop, tmp_path, "state")
    wrong = "case when metric_id = 'revenue' then effect + 1e-12 else effect end"
    rewrite(tampered, "scorecard", f"* replace ({wrong} as effect)")
    printed = equipoise(tampered, "replay", "--as-of", f"{DAY_4}", "--experiment", "pricing", "--format", "csv")
    assert (printed.status, printed.err) == (1, "")
    rows = list(csv.DictReader(io.StringIO(printed.out)))
    assert {(row["table"], row["column"]) for row in rows} == {("scorecard", "effect")}
    assert {"variant_id=lower", "variant_id=higher"} == {row["row"].split(", ")[2] for row in rows}


def test_a_difference_is_printed_with_its_row_and_cause(capsys):
    key = {"experiment_id": "pricing", "variant_id": "lower"}
    difference = Difference("scorecard", key, "effect", "0.30000000000000004", "0.3")
    decision = OldDecision("pricing", DAY_4, "ship", {"config_hash": "abc"}, True, Path(), False)
    tables = (TableComparison("scorecard", 3, (difference,) * 21), TableComparison("decisions", 1))

    print_replays([Replay(decision, tables, changes=("code: 1 then, 2 now",), notes=("old",))], OutputFormat.TABLE)
    text = " ".join(capsys.readouterr().out.split())
    assert f"pricing as of {DAY_4}: DIFFERS ship, by configuration abc; compared: 3 scorecard, 1 decisions" in text
    assert "scorecard │ pricing, lower │ effect │ 0.30000000000000004 │ 0.3" in text
    assert "… 21 differences in all; --format csv or json lists them" in text
    assert "why: code: 1 then, 2 now without effect: old" in text

    print_replays([Replay(decision, tables, changes=(), notes=())], OutputFormat.TABLE)
    assert "why: nothing that the rows record has changed" in " ".join(capsys.readouterr().out.split())


def test_other_code_and_an_unpublished_digest_are_named(equipoise, shop, tmp_path):
    """What rows of an older release look like."""
    older = copy_of(shop, tmp_path, "state")
    rewrite(older, "decisions", "* exclude (input_digest) replace ('0.0.1+abc' as code_version)")
    printed = equipoise(older, "replay", "--as-of", f"{DAY_4}", "--experiment", "pricing", "--format", "json")
    (pricing,) = json.loads(printed.out)["decisions"]
    assert printed.status == 0 and pricing["identical"]
    code, digest = pricing["changes"]
    assert code.startswith("code: 0.0.1+abc then, ") and "before the digest of their input" in digest


def test_a_lost_configuration_and_nothing_published_are_told(equipoise, shop, tmp_path):
    printed = equipoise(shop, "replay", "--as-of", "2026-09-01")
    assert printed.status == 1
    assert "no decision of any experiment as of 2026-09-01 was published; there are: checkout 2026-10-02" in printed.err
    printed = equipoise(shop, "replay", "--as-of", f"{DAY_4}", "--config-hash", "0" * 16)
    assert printed.status == 1 and "there are: none at all" in printed.err

    lost = copy_of(shop, tmp_path, "state")
    shutil.rmtree(lost.pinned_configs)
    printed = equipoise(lost, "replay", "--as-of", f"{DAY_4}")
    assert printed.status == 1 and str(lost.pinned_configs) in printed.err and "never pinned" in printed.err
    assert_same_results(lost.state, shop.state)
