"""A first run in which nothing can be analysed: it publishes empty tables, and why."""

from orchestration.published_tables import AS_OF_TABLES
from orchestration.workspace import Workspace
from tests.end_to_end.pipeline import copy_of, run, tables
from tests.end_to_end.two_experiments.days import FIRST_DAY


def test_every_metric_is_broken_in_the_first_run(unrun_shop, tmp_path):
    configs = copy_of(unrun_shop, tmp_path, "configs").configs
    for path in (configs / "metrics").glob("*.yaml"):
        path.write_text("- {id: conversion, type: proportoin}\n")
    workspace = Workspace(configs, unrun_shop.data, tmp_path / "state")

    outcome = run(workspace, FIRST_DAY, FIRST_DAY)

    assert outcome.status == "finished_with_failures"
    published = tables(workspace.state)
    assert {name for name in (*AS_OF_TABLES, "rollback_monitor", "lifecycle_events") if len(published[name])} == {
        "health_checks",
        "decisions",
    }
    assert set(published["health_checks"]["check_name"]) == {"configuration"}
    assert published["decisions"]["recommendation"].tolist() == ["invalid", "invalid"]
    assert published["decisions"]["summary"].str.contains("metric").all()
    assert (published["row_ledger"]["rows_accepted"] > 0).any()
