"""Every command of `equipoise`: exit status, what is printed where, and what a message tells its reader."""

import csv
import io
import json
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pandas as pd
import pytest

from orchestration.run_status import FAILURES_TAG, STATUS_TAG
from orchestration.workspace import Workspace
from tests.end_to_end.pipeline import assert_same_results, copy_of, environment_kept, table, tables
from tests.end_to_end.two_experiments.days import DAYS, FIRST_DAY, LAST_DAY

pytestmark = pytest.mark.xdist_group("two_experiments")


@pytest.fixture(scope="module")
def broken_configs(unrun_shop, tmp_path_factory) -> Workspace:
    workspace = copy_of(unrun_shop, tmp_path_factory.mktemp("broken_configs"), "configs")
    checkout = workspace.configs / "experiments" / "checkout.yaml"
    checkout.write_text(checkout.read_text().replace("[conversion]", "[conversoin]").replace("end:", "ende:"))
    metrics = workspace.configs / "metrics" / "shop.yaml"
    metrics.write_text(metrics.read_text().replace("measure: amount", "measure: amuont", 1))
    return workspace


class TestValidate:
    def test_a_valid_folder(self, equipoise, unrun_shop):
        printed = equipoise(unrun_shop, "validate")
        assert (printed.status, printed.err) == (0, "")
        assert printed.out == f"{unrun_shop.configs}: 2 experiments, 4 metrics, no error\n"

    def test_no_error_as_json(self, equipoise, unrun_shop):
        printed = equipoise(unrun_shop, "validate", "--format", "json")
        assert (printed.status, json.loads(printed.out)) == (0, [])

    def test_every_error_of_every_file_with_its_line(self, equipoise, broken_configs):
        printed = equipoise(broken_configs, "validate")
        assert (printed.status, printed.out) == (1, "")
        errors = printed.err.splitlines()
        assert "experiments/checkout.yaml:3: unknown key 'ende'; did you mean 'end'?" in errors
        assert any(e.startswith("metrics/shop.yaml:") and "did you mean 'amount'?" in e for e in errors)
        assert all(error.split(":")[1].isdigit() for error in errors)

    def test_errors_as_json(self, equipoise, broken_configs):
        printed = equipoise(broken_configs, "validate", "--format", "json")
        problems = json.loads(printed.out)
        assert (printed.status, printed.err) == (1, "")
        assert {problem["file"] for problem in problems} == {"experiments/checkout.yaml", "metrics/shop.yaml"}
        assert all(isinstance(problem["line"], int) and problem["message"] for problem in problems)

    def test_a_folder_that_is_not_there(self, equipoise, unrun_shop, tmp_path):
        nowhere = Workspace(tmp_path / "nowhere", unrun_shop.data, unrun_shop.state)
        printed = equipoise(nowhere, "validate")
        assert printed.status == 1
        assert f"{tmp_path / 'nowhere'}:1: no such folder" in printed.err and "project.yaml" in printed.err

    def test_json_schema_for_editors(self, equipoise, unrun_shop):
        printed = equipoise(unrun_shop, "validate", "--json-schema")
        schemas = json.loads(printed.out)
        assert printed.status == 0
        assert "non_inferiority_margin" in json.dumps(schemas)


class TestResults:
    def test_json_is_what_is_published(self, equipoise, shop):
        printed = equipoise(shop, "results", "--experiment", "checkout", "--format", "json")
        assert (printed.status, printed.err) == (0, "")
        found = json.loads(printed.out)
        assert found.keys() == {"scorecard", "health_checks", "decisions"}
        published = table(shop.state, "scorecard", experiment_id="checkout")
        latest = published[published["as_of_date"] == published["as_of_date"].max()]
        effects = {(row["metric_id"], row["segment_value"]): row["effect"] for row in found["scorecard"]}
        expected = latest.set_index(["metric_id", "segment_value"])["effect"].to_dict()
        assert effects == pytest.approx(expected, rel=1e-12)
        (decision,) = found["decisions"]
        assert decision["reasons"][0].keys() >= {"rule", "outcome", "message"}
        assert decision["as_of_date"] == DAYS[-2].isoformat()

    def test_csv_is_the_scorecard(self, equipoise, shop):
        printed = equipoise(shop, "results", "--experiment", "pricing", "--format", "csv")
        rows = list(csv.DictReader(io.StringIO(printed.out)))
        assert printed.status == 0
        assert [(row["metric_id"], row["variant_id"]) for row in rows] == [
            (metric, variant) for metric in ("revenue", "revenue_per_order") for variant in ("higher", "lower")
        ]

    def test_a_table_names_decision_metrics_and_failed_checks(self, equipoise, shop):
        printed = equipoise(shop, "results")
        assert printed.status == 0
        for decision in read_decisions(shop):
            assert f"{decision['experiment_id']} as of {decision['as_of_date']:%Y-%m-%d}" in printed.out
        for word in ("conversion", "visit_count", "revenue_per_order", "higher"):
            assert word in printed.out

    def test_of_an_earlier_day_and_one_metric(self, equipoise, shop):
        day = DAYS[3].isoformat()
        printed = equipoise(
            shop, "results", "--as-of", day, "--metric", "revenue", "--experiment", "pricing", "--format", "json"
        )
        found = json.loads(printed.out)
        assert {(row["as_of_date"], row["metric_id"]) for row in found["scorecard"]} == {(day, "revenue")}

    def test_an_unknown_experiment(self, equipoise, shop):
        printed = equipoise(shop, "results", "--experiment", "chekout")
        assert (printed.status, printed.out) == (1, "")
        assert "no results for experiment 'chekout'; there are: checkout 2026-10-02 … 2026-10-06" in printed.err

    def test_an_unknown_metric(self, equipoise, shop):
        printed = equipoise(shop, "results", "--experiment", "checkout", "--metric", "revenue")
        assert printed.status == 1
        assert "no results for metric 'revenue'; there are: conversion, visit_count" in printed.err

    def test_a_day_without_results(self, equipoise, shop):
        printed = equipoise(shop, "results", "--as-of", "2020-01-01")
        assert printed.status == 1
        assert "as of 2020-01-01; there are: " in printed.err

    def test_before_any_run(self, equipoise, unrun_shop, tmp_path):
        printed = equipoise(Workspace(unrun_shop.configs, unrun_shop.data, tmp_path), "results")
        assert (printed.status, printed.out) == (1, "")
        assert f"{tmp_path}: no results yet; start with `equipoise run --date" in printed.err


class TestRun:
    @pytest.fixture(scope="class")
    def again(self, shop, tmp_path_factory) -> Workspace:
        return copy_of(shop, tmp_path_factory.mktemp("again"), "state", "data")

    def test_a_day_as_json(self, equipoise, again, shop):
        printed = equipoise(again, "run", "--date", LAST_DAY.isoformat(), "--format", "json")
        outcome = json.loads(printed.out)
        has_error = any(check["is_error"] for check in outcome["failed_checks"])
        assert (printed.status, outcome["published"], outcome["errors"]) == (int(has_error), True, [])
        assert outcome["status"] == ("finished_with_failures" if has_error else "succeeded")
        assert (again.state / "results").resolve().name == outcome["run_id"]
        assert {"ingest__orders", "models", "published_results"} <= outcome["step_seconds"].keys()

    def test_a_failed_check_is_exit_status_1_and_says_which(self, equipoise, again):
        (again.data / "visits" / f"{LAST_DAY}.jsonl").write_bytes(b'{"visit_id": "\xff"}\n')
        printed = equipoise(again, "run", "--from", LAST_DAY.isoformat(), "--to", LAST_DAY.isoformat())
        assert printed.status == 1
        assert printed.out.startswith("finished with failures: published run ") and printed.out.count("\n") == 1
        assert "; failed: ingest/visits day_is_complete" in printed.out
        failed = [line for line in printed.err.splitlines() if line.startswith("failed: ingest/visits day_is_complete")]
        assert len(failed) == 1 and f"visits/{LAST_DAY}.jsonl" in failed[0]
        run_id = (again.state / "results").resolve().name
        with environment_kept():
            again.activate()
            with dg.DagsterInstance.get() as instance:
                tags = instance.get_run_by_id(run_id).tags
        assert tags[STATUS_TAG] == "finished_with_failures"
        assert "ingest/visits day_is_complete" in tags[FAILURES_TAG]

    def test_a_run_that_publishes_nothing_has_failed(self, equipoise, shop, tmp_path):
        workspace = copy_of(shop, tmp_path, "state")
        workspace.warehouse.write_bytes(b"no database")
        printed = equipoise(workspace, "run", "--date", LAST_DAY.isoformat(), "--format", "json")
        outcome = json.loads(printed.out)
        assert (printed.status, outcome["status"], outcome["published"]) == (1, "failed", False)
        assert "damaged" in outcome["errors"][0]
        assert_same_results(workspace.state, shop.state)

    @pytest.mark.parametrize(
        ("first", "last"), [("2026-09-30", "2026-09-30"), ("2026-10-06", "2999-01-01")], ids=["too_early", "not_over"]
    )
    def test_days_out_of_range(self, equipoise, unrun_shop, first, last):
        printed = equipoise(unrun_shop, "run", "--from", first, "--to", last)
        assert (printed.status, printed.out) == (1, "")
        assert f"{first} … {last} is outside the log dates that have ended: {FIRST_DAY} … " in printed.err
        assert "history_start in project.yaml" in printed.err

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ([], "give --date, or both --from and --to"),
            (["--from", "2026-10-01"], "give --date, or both --from and --to"),
            (["--to", "2026-10-01"], "give --date, or both --from and --to"),
            (["--date", "2026-10-01", "--to", "2026-10-02"], "give --date, or both --from and --to"),
            (["--from", "2026-10-02", "--to", "2026-10-01"], "--from lies after --to"),
            (["--date", "01.10.2026"], "'%Y-%m-%d'"),
            (["--date", "2026-10-01", "--format", "xml"], "'table'"),
            (["--day", "2026-10-01"], "No such option"),
        ],
        ids=lambda value: value if isinstance(value, str) else " ".join(value),
    )
    def test_wrong_usage_is_exit_status_2(self, equipoise, unrun_shop, arguments, message):
        printed = equipoise(unrun_shop, "run", *arguments)
        assert (printed.status, printed.out) == (2, "")
        assert "run [OPTIONS]" in printed.err and message in " ".join(printed.err.split())

    def test_a_broken_project_file_runs_nothing(self, equipoise, unrun_shop, tmp_path):
        workspace = copy_of(unrun_shop, tmp_path, "configs")
        (workspace.configs / "project.yaml").write_text("name: shop\nhistory_start: yesterday\n")
        state = Workspace(workspace.configs, workspace.data, tmp_path / "state")
        printed = equipoise(state, "run", "--date", FIRST_DAY.isoformat())
        assert (printed.status, printed.out) == (1, "")
        assert printed.err.startswith("project.yaml:2: history_start")

    def test_a_data_folder_that_is_not_there(self, equipoise, unrun_shop, tmp_path):
        nowhere = Workspace(unrun_shop.configs, tmp_path / "nowhere", tmp_path / "state")
        printed = equipoise(nowhere, "run", "--date", FIRST_DAY.isoformat())
        assert printed.status == 1
        assert f"{tmp_path / 'nowhere'}: no such data folder; set --data or EQUIPOISE_DATA" in printed.err
        assert "published nothing; what was published before is as it was" in printed.err


class TestSimulate:
    def test_the_same_seed_gives_the_same_logs(self, equipoise, unrun_shop, tmp_path):
        here = Workspace(unrun_shop.configs, tmp_path / "data", tmp_path / "state")
        printed = equipoise(here, "simulate", "--units", "1500", "--days", str(len(DAYS)), "--seed", "3")
        assert (printed.status, printed.err) == (0, "")
        assert f"{here.data}: 7 days of logs of 1,500 users" in printed.out
        for log in ("orders", "visits", "exposures"):
            files = sorted((here.data / log).iterdir())
            assert [file.stem for file in files] == [day.isoformat() for day in DAYS]
            assert all(file.read_bytes() == (unrun_shop.data / log / file.name).read_bytes() for file in files)
        truth = pd.read_csv(here.data / "truth.csv")
        assert set(truth["experiment_id"]) == {"checkout", "pricing"}

    def test_only_the_experiments_asked_for(self, equipoise, unrun_shop, tmp_path):
        here = Workspace(unrun_shop.configs, tmp_path, tmp_path / "state")
        printed = equipoise(here, "simulate", "--units", "100", "--days", "2", "--experiments", "pricing")
        assert printed.status == 0
        exposures = pd.concat([pd.read_parquet(file) for file in (tmp_path / "exposures").iterdir()])
        assert set(exposures["experiment"]) == {"pricing"}

    def test_an_unknown_experiment(self, equipoise, unrun_shop, tmp_path):
        here = Workspace(unrun_shop.configs, tmp_path, tmp_path / "state")
        printed = equipoise(here, "simulate", "--units", "100", "--days", "2", "--experiments", "nope")
        assert (printed.status, printed.out) == (1, "")
        assert "nope" in printed.err and "checkout" in printed.err
        assert not list(tmp_path.iterdir())

    def test_no_users_is_wrong_usage(self, equipoise, unrun_shop):
        assert equipoise(unrun_shop, "simulate", "--units", "0").status == 2


def test_the_installed_script_lists_every_command():
    script = Path(sys.executable).with_name("equipoise")
    printed = subprocess.run([script, "--help"], capture_output=True, text=True, timeout=60)
    assert printed.returncode == 0
    for command in ("validate", "simulate", "run", "results", "plan", "demo"):
        assert f" {command} " in printed.stdout


def test_folders_come_from_the_environment_too(unrun_shop):
    variables = {f"EQUIPOISE_{name.upper()}": str(getattr(unrun_shop, name)) for name in ("configs", "data", "state")}
    command = [sys.executable, "-c", "from orchestration.cli import main; main()", "validate"]
    printed = subprocess.run(command, env=variables, capture_output=True, text=True, timeout=60)
    assert (printed.returncode, printed.stdout) == (0, f"{unrun_shop.configs}: 2 experiments, 4 metrics, no error\n")


def test_an_unknown_command_is_wrong_usage(equipoise, unrun_shop):
    printed = equipoise(unrun_shop, "publish")
    assert printed.status == 2 and "No such command 'publish'" in printed.err


def read_decisions(workspace: Workspace) -> list[dict]:
    """The latest decision of each experiment."""
    decisions = tables(workspace.state)["decisions"]
    return decisions.sort_values("as_of_date").groupby("experiment_id").tail(1).to_dict("records")
