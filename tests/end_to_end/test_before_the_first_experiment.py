"""A project that is set up before its first experiment starts is run daily like any other."""

from dataclasses import replace

import pytest

from tests.end_to_end.pipeline import assert_same_results, copy_of, run, table
from tests.end_to_end.two_experiments.days import DAYS


@pytest.fixture
def workspace(unrun_shop, tmp_path):
    """Its only experiment starts on the second log date."""
    copied = replace(copy_of(unrun_shop, tmp_path, "configs"), state=tmp_path / "state")
    (copied.configs / "experiments" / "pricing.yaml").unlink()
    return copied


def test_nothing_to_analyse_yet_is_no_failure(workspace):
    outcome = run(workspace, DAYS[0], DAYS[0])
    assert not [str(check) for check in outcome.failed_checks if check.is_error]
    assert table(workspace.state, "scorecard").empty
    assert set(table(workspace.state, "source_days")["status"]) == {"ok"}


@pytest.mark.slow
def test_the_days_before_leave_no_trace_in_what_follows(workspace, tmp_path):
    at_once = replace(workspace, state=tmp_path / "at_once")
    run(at_once, DAYS[0], DAYS[1])
    for day in DAYS[:2]:
        run(workspace, day, day)
    assert_same_results(workspace.state, at_once.state)
