"""A running experiment whose guardrail crosses its always-valid bound: `rollback` at once, and a lifecycle event."""

import json

import pandas as pd
import pytest

from tests.end_to_end.pipeline import assert_same_results, copy_of, run, table
from tests.end_to_end.twenty_experiments import DAYS, HARMED, LAST_DAY


def test_the_event_is_published_once_on_the_first_day_with_its_evidence(twenty):
    (experiment,) = table(twenty.state, "experiments", experiment_id=HARMED).to_dict("records")
    assert (experiment["status"], experiment["method"]) == ("running", "fixed")
    assert experiment["end_date"].date() > LAST_DAY

    (event,) = table(twenty.state, "lifecycle_events").to_dict("records")
    assert (event["experiment_id"], event["as_of_date"].date()) == (HARMED, DAYS[1])
    assert (event["event"], event["action"], event["variant_id"]) == ("guardrail_stop", "rollback", "b")
    (evidence,) = json.loads(event["evidence"])
    assert (evidence["metric_id"], evidence["role"], evidence["rule"]) == ("errors", "guardrail", "rollback_monitor")
    monitor = table(twenty.state, "rollback_monitor", experiment_id=HARMED, metric_id="errors", as_of_date=DAYS[1])
    assert (evidence["value"], evidence["threshold"]) == (monitor["p_value"].item(), monitor["level"].item())
    assert event["config_hash"] == experiment["config_hash"] and event["input_watermark"] == DAYS[1].isoformat()


def test_the_decision_is_rollback_from_that_day_on(twenty):
    found = table(twenty.state, "decisions", experiment_id=HARMED)
    assert found["recommendation"].tolist() == ["continue", "rollback", "rollback"]


@pytest.mark.slow
def test_corrected_logs_take_it_back_and_the_old_logs_bring_it_back(twenty, tmp_path):
    workspace = copy_of(twenty, tmp_path, "data", "state")
    logs = {day: workspace.data / "orders" / f"{day}.csv" for day in DAYS[1:]}
    texts = {path: path.read_text() for path in logs.values()}
    run(workspace, LAST_DAY, LAST_DAY)
    assert_same_results(workspace.state, twenty.state)

    for path, text in texts.items():
        path.write_text(
            "".join(line for line in text.splitlines(True) if f"{HARMED}-" not in line or "error" not in line)
        )
    run(workspace, DAYS[1], LAST_DAY)
    assert table(workspace.state, "lifecycle_events").empty
    assert set(table(workspace.state, "decisions", experiment_id=HARMED)["recommendation"]) == {"continue"}

    for path, text in texts.items():
        path.write_text(text)
    run(workspace, DAYS[1], LAST_DAY)
    assert_same_results(workspace.state, twenty.state)
    assert table(workspace.state, "lifecycle_events")["as_of_date"].tolist() == [pd.Timestamp(DAYS[1])]
