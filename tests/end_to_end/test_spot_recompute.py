"""A changed metric, a new metric, a new segment: what depends on it is recomputed over its history, nothing else is."""

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from orchestration.provenance import PROVENANCE
from orchestration.workspace import Workspace
from tests.end_to_end.pipeline import assert_same_results, copy_of, run, tables, without_check
from tests.end_to_end.twenty_experiments import DAYS, FIRST_DAY, LAST_DAY

CHANGED, WITH_METRIC, WITH_SEGMENT, WITH_COVARIATES = ALL_CHANGED = "e04", "e01", "e02", "e13"
OF_FAMILY = ["p_value_adjusted", "ci_low_adjusted", "ci_high_adjusted", "confidence_level_adjusted", "significant"]
"""What a metric's results owe to the others of its family and must change with them."""

OF_ALL_METRICS = ["level", "p_value", "least_harm", "is_harmful"]
"""What the rollback monitor owes to the number of the experiment's metrics."""


def replace_text(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert text.count(old) == 1
    path.write_text(text.replace(old, new))


@pytest.fixture(scope="module")
def changed(twenty, tmp_path_factory) -> Workspace:
    """Four experiments changed at once, each in its own way; then the last day is run, as on any day."""
    workspace = copy_of(twenty, tmp_path_factory.mktemp("changed"), "configs", "state")
    replace_text(workspace.configs / "metrics" / f"{CHANGED}.yaml", "aggregate: max", "aggregate: sum")
    covariates = "   covariate: {lookback_days: 1, also: [special_e13, conversion]},\n   numerator:"
    replace_text(workspace.configs / "metrics" / f"{WITH_COVARIATES}.yaml", "   numerator:", covariates)
    (workspace.configs / "metrics" / "new.yaml").write_text(
        "- {id: purchases, type: mean, source: orders, event: purchase, aggregate: count}\n"
    )
    experiments = workspace.configs / "experiments"
    replace_text(experiments / f"{WITH_METRIC}.yaml", "secondary: [revenue]", "secondary: [revenue, purchases]")
    replace_text(experiments / f"{WITH_SEGMENT}.yaml", "metrics:\n", "segments: [device]\nmetrics:\n")
    run(workspace, LAST_DAY, LAST_DAY)
    return workspace


@pytest.fixture(scope="module")
def before(twenty) -> dict[str, pd.DataFrame]:
    return tables(twenty.state)


@pytest.fixture(scope="module")
def after(changed) -> dict[str, pd.DataFrame]:
    return tables(changed.state)


def of(frame: pd.DataFrame, experiment_id: str, *, apart_from: list[str] | None = None) -> pd.DataFrame:
    """An experiment's rows of the whole population, without the columns of provenance and some others.

    Nor the check that says that its definition changed.
    """
    frame = without_check(frame[frame["experiment_id"] == experiment_id], "definition_changed")
    if "segment_name" in frame:
        frame = frame[frame["segment_name"] == "all"]
    return frame.drop(columns=[*PROVENANCE, *(apart_from or [])], errors="ignore").reset_index(drop=True)


def test_no_other_experiment_changes_in_any_table_or_column(before, after):
    assert before.keys() == after.keys()
    for name, frame in before.items():
        pair = (frame, after[name])
        if "experiment_id" in frame:
            pair = tuple(one[~one["experiment_id"].isin(ALL_CHANGED)].reset_index(drop=True) for one in pair)
        pd.testing.assert_frame_equal(*pair, check_exact=True, obj=name)


def test_a_changed_metric_has_a_new_history_and_the_others_of_its_experiment_the_old_one(before, after):
    old, new = (of(found["metric_moments"], CHANGED) for found in (before, after))
    assert new["as_of_date"].dt.date.unique().tolist() == DAYS
    is_changed = old["metric_id"] == f"special_{CHANGED}"
    assert (old.loc[is_changed, "metric_hash"].to_numpy() != new.loc[is_changed, "metric_hash"].to_numpy()).all()
    # On the first day nobody has bought twice: the largest order is the sum.
    later = is_changed & (old["as_of_date"] > pd.Timestamp(FIRST_DAY))
    assert (old.loc[later, "mean"] < new.loc[later, "mean"]).all()
    pd.testing.assert_frame_equal(old[~is_changed], new[~is_changed], check_exact=True)
    for name, columns in (("scorecard", OF_FAMILY), ("rollback_monitor", [])):
        left, right = (of(found[name], CHANGED, apart_from=columns) for found in (before, after))
        kept = left["metric_id"] != f"special_{CHANGED}"
        pd.testing.assert_frame_equal(left[kept], right[kept], check_exact=True, obj=name)
    for name in ("exposure_counts", "health_checks"):
        pd.testing.assert_frame_equal(*(of(found[name], CHANGED) for found in (before, after)), check_exact=True)


def test_a_new_metric_has_the_whole_history_and_changes_no_older_ones_numbers(before, after):
    new = of(after["metric_moments"], WITH_METRIC)
    added = new[new["metric_id"] == "purchases"]
    assert added["as_of_date"].dt.date.unique().tolist() == DAYS
    assert (added["n_units"] == 24).all() and (added["mean"] > 0).all() and (added["n_not_computed"] == 0).all()
    for name, columns in (("metric_moments", []), ("scorecard", OF_FAMILY), ("rollback_monitor", OF_ALL_METRICS)):
        left, right = (of(found[name], WITH_METRIC, apart_from=columns) for found in (before, after))
        right = right[right["metric_id"] != "purchases"].reset_index(drop=True)
        pd.testing.assert_frame_equal(left, right, check_exact=True, obj=name)
    for name in ("exposure_counts", "health_checks"):
        pd.testing.assert_frame_equal(*(of(found[name], WITH_METRIC) for found in (before, after)), check_exact=True)


def test_a_new_segment_adds_rows_at_the_latest_date_and_changes_no_number_of_everyone(before, after):
    for name in ("exposure_counts", "metric_moments", "scorecard", "rollback_monitor", "decisions"):
        pd.testing.assert_frame_equal(*(of(found[name], WITH_SEGMENT) for found in (before, after)), check_exact=True)
    for name in ("exposure_counts", "metric_moments", "scorecard"):
        rows = after[name][(after[name]["experiment_id"] == WITH_SEGMENT) & (after[name]["segment_name"] == "device")]
        assert set(rows["segment_value"]) == {"phone", "laptop"}
        assert rows["as_of_date"].dt.date.unique().tolist() == [LAST_DAY]


def test_new_covariates_are_of_the_whole_history_and_change_that_metric_alone(before, after):
    rows = after["covariate_moments"]
    assert before["covariate_moments"].empty and set(rows["metric_id"]) == {f"special_{WITH_COVARIATES}"}
    assert set(rows["covariate"]) == {f"special_{WITH_COVARIATES}_denominator", "conversion"}
    assert sorted(rows["as_of_date"].dt.date.unique()) == DAYS
    own = [f"special_{WITH_COVARIATES}"]
    for name, columns in (("metric_moments", []), ("scorecard", OF_FAMILY), ("rollback_monitor", [])):
        left, right = (of(found[name], WITH_COVARIATES, apart_from=columns) for found in (before, after))
        kept = ~left["metric_id"].isin(own)
        pd.testing.assert_frame_equal(left[kept], right[kept], check_exact=True, obj=name)
    moments = of(after["metric_moments"], WITH_COVARIATES).query("metric_id in @own")
    assert (moments["n_not_computed"] == 0).all() and moments["covariate_mean"].notna().all()
    # The log begins with the experiment, so that there is no lookback yet.
    reasons = of(after["scorecard"], WITH_COVARIATES).query("metric_id in @own")["reason"]
    assert reasons.str.contains("unadjusted: its covariate looks back to").all()


@pytest.mark.parametrize(
    ("experiment_id", "change"),
    [
        (CHANGED, f'metrics.special_{CHANGED}.aggregate: "max", now "sum"'),
        (WITH_METRIC, 'experiment.metrics.secondary: ["revenue"], now ["purchases", "revenue"]'),
        (WITH_SEGMENT, 'experiment.segments: [], now ["device"]'),
    ],
)
def test_from_the_change_on_a_check_warns_and_says_what_changed(before, after, experiment_id, change):
    old, new = (
        checks[(checks["experiment_id"] == experiment_id) & (checks["check_name"] == "definition_changed")]
        for checks in (before["health_checks"], after["health_checks"])
    )
    assert old["passed"].all()
    assert new["passed"].tolist() == [day < LAST_DAY for day in DAYS]
    last = new.iloc[-1]
    assert last["severity"] == "warning"
    assert change in last["message"]
    assert f"until as-of {LAST_DAY} results were published under another definition" in last["message"]
    assert old["config_hash"].iloc[0] in last["message"]


def test_what_was_replaced_is_kept(changed):
    assert {path.name for path in changed.superseded.iterdir()} == {*ALL_CHANGED}


@pytest.mark.slow
def test_all_is_as_if_it_had_been_so_from_the_beginning(changed, tmp_path):
    fresh = replace(changed, state=tmp_path / "state")
    run(fresh, FIRST_DAY, LAST_DAY)
    assert_same_results(changed.state, fresh.state, apart_from="definition_changed")
