"""What runs built piece by piece is what one rebuild gives; where it is not, `verify` finds the row."""

import json
import shutil
import subprocess
import sys
from dataclasses import replace

import duckdb
import pytest

from orchestration.publish import current_run
from orchestration.recompute import NOT_RECOMPUTED
from orchestration.workspace import Workspace
from tests.end_to_end.pipeline import copy_of, run, tables, without_check
from tests.end_to_end.two_experiments.days import DAYS, FIRST_DAY

pytestmark = [pytest.mark.xdist_group("two_experiments"), pytest.mark.long]

MARTS = (
    "fct_exposure_counts",
    "fct_epoch_counts",
    "fct_metric_moments",
    "fct_stratum_moments",
    "fct_covariate_moments",
)
OF_QUANTILES = ("fct_value_counts", "fct_event_clusters", "fct_event_value_counts")
PUBLISHED = ("exposure_counts", "metric_moments", "covariate_moments", "stratum_moments")
PUBLISHED += ("scorecard", "health_checks", "decisions")


@pytest.fixture(scope="module")
def piecemeal(unrun_shop, tmp_path_factory) -> Workspace:
    """Three runs that leave out the last day, one of a day again, and labels changed between them."""
    root = tmp_path_factory.mktemp("piecemeal")
    workspace = replace(copy_of(unrun_shop, root, "configs"), state=root / "state")
    run(workspace, FIRST_DAY, DAYS[1])
    metrics = workspace.configs / "metrics" / "shop.yaml"
    metrics.write_text(metrics.read_text().replace("- id: revenue\n", "- id: revenue\n  label: Euros\n"))
    run(workspace, DAYS[2], DAYS[3])
    run(workspace, DAYS[1], DAYS[1])
    return workspace


def test_runs_piece_by_piece_are_verified_whatever_today_s_files_say(equipoise, piecemeal, tmp_path):
    """Also while one experiment has ended and the other has not, and after a configuration has changed again."""
    changed = copy_of(piecemeal, tmp_path, "configs")
    pricing = changed.configs / "experiments" / "pricing.yaml"
    pricing.write_text(pricing.read_text().replace("minimum_units: 50", "minimum_units: 60"))
    printed = equipoise(changed, "verify", "--format", "json")
    assert (printed.status, printed.err) == (0, "")
    found = json.loads(printed.out)
    published = tables(piecemeal.state)
    assert found["identical"] and found["differences"] == []
    assert found["experiments"] == ["checkout", "pricing"]
    assert found["as_of_dates"] == len(published["decisions"])
    details = {"fct_bucket_sums", "fct_cap_tails", "fct_category_counts", "category_counts"}
    details |= {"fct_event_coverage", "fct_metric_probes", "fct_assignments", "srm_causes", "diluted_effects"}
    details |= {"segment_interactions", "segment_effects", "segment_mixes", "effect_trends", "fct_day_moments"}
    details |= {"fct_group_days", "quasi_estimates", "quasi_checks"}
    details |= {"factorial_effects", "factorial_terms", "fct_batch_moments", "batch_moments", "bandit_allocations"}
    details |= {"policy_values", "bandit_gains", "fct_cluster_sums", "cluster_sums"}
    details |= {"fct_logged_propensities", "fct_switchback_sums", "switchback_estimates", "switchback_blocks"}
    assert found["rows"].keys() == {*MARTS, *OF_QUANTILES, *details, *PUBLISHED}
    for name in NOT_RECOMPUTED["health_checks"]:
        published["health_checks"] = without_check(published["health_checks"], name)
    assert all(found["rows"][name] == len(published[name]) > 0 for name in PUBLISHED)
    assert all(found["rows"][name] > 0 for name in MARTS)


@pytest.mark.slow
def test_a_table_that_the_published_run_did_not_have_yet_is_empty_in_it(equipoise, shop, tmp_path):
    """As after an upgrade: the shop has no categorical metric, so nothing differs."""
    upgraded = copy_of(shop, tmp_path, "state")
    shutil.rmtree(current_run(upgraded.state) / "category_counts")
    printed = equipoise(upgraded, "verify", "--format", "json")
    assert (printed.status, printed.err) == (0, "")
    assert json.loads(printed.out)["rows"]["category_counts"] == 0


def test_experiments_that_ended_are_verified_to_their_ends(equipoise, shop):
    printed = equipoise(shop, "verify")
    assert (printed.status, printed.err) == (0, "")
    assert "2 experiments" in printed.out and "identical to one rebuild" in " ".join(printed.out.split())


def test_one_wrong_bit_of_the_warehouse_is_found(equipoise, piecemeal, tmp_path):
    wrong = copy_of(piecemeal, tmp_path, "state")
    with duckdb.connect(str(wrong.warehouse)) as warehouse:
        where = "experiment_id = 'pricing' and variant_id = 'old' and metric_id = 'revenue' and segment_name = 'all'"
        warehouse.execute(
            "update marts.fct_metric_moments set variance = variance * (1 + 2.220446049250313e-16) "
            f"where {where} and as_of_date = date '{DAYS[2]}'"
        )
        warehouse.execute(f"delete from marts.fct_epoch_counts where as_of_date = date '{DAYS[0]}'")
    printed = equipoise(wrong, "verify", "--experiment", "pricing", "--format", "json")
    assert (printed.status, printed.err) == (1, "")
    found = json.loads(printed.out)
    assert found["experiments"] == ["pricing"] and not found["identical"]
    *rows, value = found["differences"]
    assert {(row["table"], row["column"], row["then"]) for row in rows} == {("fct_epoch_counts", None, "not there")}
    assert {row["row"]["as_of_date"] for row in rows} == {f"{DAYS[0]}"}
    assert (value["table"], value["column"]) == ("fct_metric_moments", "variance")
    assert value["row"] == {
        "as_of_date": f"{DAYS[2]}", "experiment_id": "pricing", "metric_id": "revenue", "variant_id": "old",
        "segment_name": "all", "segment_value": "all",
    }  # fmt: skip


def test_an_experiment_without_configuration_is_left_out_and_said(equipoise, piecemeal, tmp_path):
    without = copy_of(piecemeal, tmp_path, "configs", "state")
    (without.configs / "experiments" / "checkout.yaml").unlink()
    run(without, DAYS[4], DAYS[4])
    printed = equipoise(without, "verify", "--format", "json")
    found = json.loads(printed.out)
    assert (printed.status, found["experiments"], [*found["skipped"]]) == (0, ["pricing"], ["checkout"])
    printed = equipoise(without, "verify", "--experiment", "checkout")
    assert printed.status == 1 and "nothing to verify: checkout: its configuration was missing" in printed.err
    printed = equipoise(without, "verify", "--experiment", "chekout")
    assert printed.status == 1 and "'chekout' was never built; there are: checkout, pricing" in printed.err


def test_a_state_without_results_or_under_a_run_is_told(equipoise, piecemeal, tmp_path):
    printed = equipoise(replace(piecemeal, state=tmp_path / "none"), "verify")
    assert printed.status == 1 and "no results yet" in printed.err
    hold = "import sys; from pathlib import Path; from orchestration.lock import writer_lock\n"
    hold += "with writer_lock(Path(sys.argv[1])): print('held', flush=True); sys.stdin.read()"
    command = [sys.executable, "-c", hold, str(piecemeal.lock)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout.readline() == "held\n"
        printed = equipoise(piecemeal, "verify")
        holder.stdin.close()
    assert printed.status == 1 and f"pid {holder.pid}" in printed.err
