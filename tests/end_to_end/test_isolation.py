"""One broken experiment never reaches another: what the others publish is what a clean run publishes."""

import json

import pandas as pd
import pytest

from orchestration.workspace import Workspace
from tests.end_to_end.pipeline import copy_of, run, table
from tests.end_to_end.two_experiments.days import FIRST_DAY, LAST_DAY

pytestmark = pytest.mark.xdist_group("two_experiments")

RESULT_TABLES = ("exposure_counts", "metric_moments", "scorecard", "health_checks", "decisions")
BROKEN_METRIC = "- {id: odd_metric, type: mean, source: orders, event: purchase}\n"
REASONS = {
    "checkout": "experiments/checkout.yaml:10: unknown metric 'conversoin'; did you mean 'conversion'?",
    "no_yaml": "experiments/no_yaml.yaml:6: isn't valid YAML",
    "odd": "metrics/odd.yaml:1: metric 'odd_metric': a mean needs `aggregate`",
}


@pytest.fixture(scope="module")
def broken(unrun_shop, tmp_path_factory) -> Workspace:
    """Checkout names an unknown metric. Beside it a file that is no YAML, and an experiment whose metric is broken.

    Checkout has the larger part of the exposures: were its rows refused, every day would be refused.
    """
    workspace = copy_of(unrun_shop, tmp_path_factory.mktemp("broken"), "configs")
    checkout = workspace.configs / "experiments" / "checkout.yaml"
    valid = checkout.read_text()
    no_yaml = valid.replace("id: checkout", "id: no_yaml").replace("weight: 0.5}", "weight: [0.5}")
    odd = valid.replace("id: checkout", "id: odd").replace("[conversion]", "[odd_metric]")
    checkout.write_text(valid.replace("[conversion]", "[conversoin]"))
    checkout.with_name("no_yaml.yaml").write_text(no_yaml)
    checkout.with_name("odd.yaml").write_text(odd)
    (workspace.configs / "metrics" / "odd.yaml").write_text(BROKEN_METRIC)
    return Workspace(workspace.configs, workspace.data, workspace.configs.parent / "state")


@pytest.fixture(scope="module")
def outcome(broken):
    return run(broken, FIRST_DAY, LAST_DAY)


@pytest.mark.parametrize("name", RESULT_TABLES)
def test_the_others_publish_what_a_clean_run_publishes(shop, broken, outcome, name):
    ours, clean = (table(workspace.state, name, experiment_id="pricing") for workspace in (broken, shop))
    assert len(clean)
    # The experiments share an exposure log, of which more rows were accepted: its digest says so, the numbers don't.
    ours, clean = (frame.drop(columns="input_digest") for frame in (ours, clean))
    pd.testing.assert_frame_equal(ours, clean, check_exact=True)


def test_no_day_is_lost(shop, broken, outcome):
    ours, clean = (table(workspace.state, "source_days").drop(columns="content_hash") for workspace in (broken, shop))
    pd.testing.assert_frame_equal(ours, clean, check_exact=True)


@pytest.mark.parametrize("experiment", REASONS)
def test_the_broken_one_says_what_is_wrong_and_where(broken, outcome, experiment):
    (health,) = table(broken.state, "health_checks", experiment_id=experiment).to_dict("records")
    assert (health["check_name"], health["severity"], bool(health["passed"])) == ("configuration", "error", False)
    assert REASONS[experiment] in health["message"]

    (decision,) = table(broken.state, "decisions", experiment_id=experiment).to_dict("records")
    assert (decision["recommendation"], decision["as_of_date"]) == ("invalid", pd.Timestamp(LAST_DAY))
    (reason,) = json.loads(decision["reasons"])
    assert (reason["rule"], reason["outcome"]) == ("configuration", "invalid")
    assert health["message"] in decision["summary"]


def test_the_run_says_that_configurations_failed(outcome):
    (check,) = [check for check in outcome.failed_checks if check.check == "configuration"]
    assert check.is_error and check.description == "3 of 3 experiments fail"


def test_a_mended_file_is_analysed_as_if_it_had_never_been_broken(shop, broken, outcome, tmp_path):
    """One run of the last day: the exposures that could not be judged before are read again, their variants checked."""
    mended = copy_of(broken, tmp_path, "configs", "state")
    checkout = mended.configs / "experiments" / "checkout.yaml"
    checkout.write_text(checkout.read_text().replace("conversoin", "conversion"))
    for file in ("experiments/no_yaml.yaml", "experiments/odd.yaml", "metrics/odd.yaml"):
        (mended.configs / file).unlink()
    run(mended, LAST_DAY, LAST_DAY)
    for name in RESULT_TABLES:
        ours = table(mended.state, name)
        ours = ours[ours["experiment_id"].isin(["checkout", "pricing"])].reset_index(drop=True)
        pd.testing.assert_frame_equal(ours, table(shop.state, name), check_exact=True, obj=name)
    for name in ("row_ledger", "quarantine", "source_days"):
        pd.testing.assert_frame_equal(table(mended.state, name), table(shop.state, name), check_exact=True, obj=name)
