"""One of twenty experiments breaks: what the others publish is what a clean run publishes, in every table."""

from pathlib import Path

import pandas as pd
import pytest

from analysis.health import CHECKS
from orchestration.run_status import RunStatus
from orchestration.runs import RunOutcome
from orchestration.workspace import Workspace
from tests.end_to_end.pipeline import copy_of, run, table, tables
from tests.end_to_end.twenty_experiments import EXPERIMENTS, LAST_DAY
from tests.end_to_end.ways_to_break import WAYS, Way, broken

pytestmark = pytest.mark.long

LOG_TABLES = ("row_ledger", "source_days", "quarantine")


def run_broken(twenty: Workspace, folder: Path, *ways: Way) -> tuple[Workspace, RunOutcome]:
    """The last day again, on a copy of the clean state, with experiments broken."""
    workspace = copy_of(twenty, folder, "configs", "data", "state")
    with broken(workspace, *ways):
        return workspace, run(workspace, LAST_DAY, LAST_DAY)


def assert_others_are_as_clean(twenty: Workspace, workspace: Workspace, ways: list[Way]) -> None:
    clean, found = tables(twenty.state), tables(workspace.state)
    victims, touched = {way.victim for way in ways}, frozenset().union(*(way.touches for way in ways))
    assert clean.keys() == found.keys()
    for name in clean:
        pair = [frame.copy() for frame in (clean[name], found[name])]
        if name in LOG_TABLES:
            pair = [_untouched(frame, touched) for frame in pair]
        elif touched and "input_digest" in pair[0]:
            # A log that others share holds other rows: their digest says so, and their numbers don't change.
            pair = [frame.drop(columns="input_digest") for frame in pair]
        if "experiment_id" in pair[0]:
            pair = [frame[~frame["experiment_id"].isin(victims)] for frame in pair]
            assert set(pair[0]["experiment_id"]) <= set(EXPERIMENTS) - victims
        left, right = (frame.reset_index(drop=True) for frame in pair)
        pd.testing.assert_frame_equal(left, right, check_exact=True, obj=name)


def _untouched(frame: pd.DataFrame, touched: frozenset[str]) -> pd.DataFrame:
    return frame[~(frame["source_id"].isin(touched) & (frame["log_date"] == pd.Timestamp(LAST_DAY)))]


def words_of(workspace: Workspace, experiment_id: str) -> str:
    """All that the last day's rows say of an experiment."""
    found = tables(workspace.state)
    columns = {
        "scorecard": ["status", "reason"],
        "health_checks": ["check_name", "message"],
        "decisions": ["recommendation", "summary", "reasons"],
    }
    said = []
    for name, texts in columns.items():
        rows = found[name][
            (found[name]["experiment_id"] == experiment_id) & (found[name]["as_of_date"] == pd.Timestamp(LAST_DAY))
        ]
        if name == "health_checks":
            rows = rows[~rows["passed"].astype(bool)]
        said += rows[texts].astype(str).to_numpy().ravel().tolist()
    return "\n".join(said)


class TestAllAtOnce:
    """Thirteen of twenty broken, each in its own way; and while the run works somebody edits another's file."""

    @pytest.fixture(scope="class")
    def outcome(self, twenty, tmp_path_factory) -> tuple[Workspace, RunOutcome]:
        workspace = copy_of(twenty, tmp_path_factory.mktemp("all_at_once"), "configs", "data", "state")
        edited = workspace.configs / "experiments" / "e14.yaml"

        def edit(_: object) -> list[dict]:
            edited.write_text("id: [no YAML")
            return []

        with broken(workspace, *WAYS.values()), pytest.MonkeyPatch.context() as patch:
            patch.setitem(CHECKS, "edits", edit)
            found = run(workspace, LAST_DAY, LAST_DAY)
        assert edited.read_text() == "id: [no YAML"
        return workspace, found

    def test_the_others_publish_what_a_clean_run_publishes(self, twenty, outcome):
        assert_others_are_as_clean(twenty, outcome[0], list(WAYS.values()))

    @pytest.mark.parametrize("way", WAYS)
    def test_the_broken_one_says_why(self, outcome, way):
        assert WAYS[way].said in words_of(outcome[0], WAYS[way].victim)

    def test_the_run_finishes_with_failures_and_names_the_experiments(self, outcome):
        _, found = outcome
        assert found.status is RunStatus.FINISHED_WITH_FAILURES
        failing = {(check.asset, check.check): {*check.experiments} for check in found.failed_checks if check.is_error}
        assert failing["results/health_checks", "configuration"] == {"e01", "e02", "e03", "e04"}
        assert failing["results/health_checks", "computation"] == {"e08"}
        assert failing["results/scorecard", "computation"] == {"e13"}
        assert failing["results/decisions", "computation"] == {"e12"}

    def test_a_metric_that_fails_leaves_the_experiments_other_metrics_as_they_were(self, twenty, outcome):
        clean, found = (
            table(workspace.state, "scorecard", experiment_id="e13").drop(columns="input_digest")
            for workspace in (twenty, outcome[0])
        )
        others = clean["metric_id"] != "special_e13"
        assert (clean.loc[~others, "status"] != "failed").all()
        on_last = (found["as_of_date"] == pd.Timestamp(LAST_DAY)) & ~others
        assert (found.loc[on_last, "status"] == "failed").all()
        pd.testing.assert_frame_equal(clean[others], found[others], check_exact=True)


@pytest.mark.slow
@pytest.mark.parametrize("way", WAYS)
def test_one_alone_breaks_and_nineteen_are_as_clean(twenty, tmp_path, way):
    workspace, outcome = run_broken(twenty, tmp_path, WAYS[way])
    assert_others_are_as_clean(twenty, workspace, [WAYS[way]])
    assert WAYS[way].said in words_of(workspace, WAYS[way].victim)
    assert outcome.published
