"""Suites in the daily run: what Dagster shows of them, which day they keep out, and that all else goes on."""

import json
from typing import Any

import dagster as dg
import pandas as pd
import pytest

from orchestration.run_status import RunStatus
from orchestration.runs import RunOutcome
from orchestration.workspace import Workspace
from tests.end_to_end.pipeline import copy_of, environment_kept, run, table
from tests.end_to_end.two_experiments.days import LAST_DAY

pytestmark = pytest.mark.xdist_group("two_experiments")

SUITES = {
    "orders": """\
day:
  - {figure: rows_read, min_value: 1}
rows:
  - {expect: column_values_to_be_between, column: amount, event: purchase, max_value: 1}
""",
    "visits": "day:\n  - {figure: rows_read, min_value: 1000000, severity: blocking}\n",
    "exposures": "rows:\n  - {expect: column_values_to_be_in_set, column: devise, value_set: [mobile]}\n",
}


@pytest.fixture(scope="module")
def held_to_suites(shop, tmp_path_factory) -> tuple[Workspace, RunOutcome]:
    """The last day again: orders warn, visits are kept out, the suite of exposures is broken."""
    workspace = copy_of(shop, tmp_path_factory.mktemp("suites"), "configs", "state")
    (workspace.configs / "expectations").mkdir()
    for source, text in SUITES.items():
        (workspace.configs / "expectations" / f"{source}.yaml").write_text(text)
    return workspace, run(workspace, LAST_DAY, LAST_DAY)


@pytest.fixture(scope="module")
def checks(held_to_suites) -> dict[str, dg.AssetCheckEvaluation]:
    """The check `day_is_complete` of each source, as Dagster keeps it."""
    workspace, outcome = held_to_suites
    with environment_kept():
        workspace.activate()
        with dg.DagsterInstance.get() as instance:
            found = instance.get_records_for_run(
                outcome.run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION, limit=1000
            )
    evaluations = [
        record.event_log_entry.dagster_event.asset_check_evaluation_data
        for record in found.records
        if record.event_log_entry.dagster_event is not None
    ]
    return {one.asset_key.path[1]: one for one in evaluations if one.check_name == "day_is_complete"}


def records(evaluation: dg.AssetCheckEvaluation, name: str) -> list[dict[str, Any]]:
    return [dict(record.data) for record in evaluation.metadata[name].records]


def test_dagster_shows_what_was_asked_and_rows_that_were_not_expected(checks):
    check = checks["orders"]
    assert (check.passed, check.severity) == (False, dg.AssetCheckSeverity.WARN)
    asked = {record["column"]: record for record in records(check, "expectations")}
    assert (asked["rows_read"]["days_not_met"], asked["rows_read"]["expected"]) == (0, "at least 1.0")
    amounts = asked["amount (purchase)"]
    assert (amounts["expectation"], amounts["severity"]) == ("expect_column_values_to_be_between", "warning")
    assert (amounts["days_not_met"], amounts["last_not_met"]) == (1, LAST_DAY.isoformat())
    rows = [json.loads(record["row"]) for record in records(check, "rows_not_expected")]
    assert 0 < len(rows) <= 10
    assert all(row["amount"] > 1 and row.keys() == {"amount", "event_id", "unit_id", "occurred_at"} for row in rows)


def test_a_blocking_expectation_keeps_the_day_out_and_the_others_go_on(held_to_suites, checks, shop):
    workspace, outcome = held_to_suites
    assert outcome.status is RunStatus.FINISHED_WITH_FAILURES
    assert checks["visits"].severity == dg.AssetCheckSeverity.ERROR
    days = table(workspace.state, "source_days", log_date=LAST_DAY).set_index("source_id")
    assert days["status"].to_dict() == {"exposures": "ok", "orders": "ok", "visits": "failed"}
    assert "audit: rows_read is " in days.loc["visits", "reason"]
    assert "expected at least 1000000.0" in days.loc["visits", "reason"]
    for metric in ("revenue", "revenue_per_order"):
        before, after = (table(one.state, "metric_moments", metric_id=metric) for one in (shop, workspace))
        pd.testing.assert_frame_equal(before, after, check_exact=True)


def test_a_broken_suite_is_told_of_with_its_line(held_to_suites, checks, equipoise):
    message = "expectations/exposures.yaml:2: source 'exposures' has no text column 'devise'; did you mean 'device'?"
    assert checks["exposures"].severity == dg.AssetCheckSeverity.WARN
    assert message in checks["exposures"].description
    workspace, _ = held_to_suites
    printed = equipoise(workspace, "validate")
    assert (printed.status, printed.err) == (1, f"{message}\n")
