"""Rehearsals and calibration on the units of a shop that ran: what the warehouse sums, and what the command prints."""

import json

import numpy as np
import pandas as pd
import pytest

from configs.load import load_config
from orchestration.assets.calibration import CALIBRATION_KEY
from orchestration.bucket_sums import bucket_sums, latest_snapshots
from orchestration.calibration import calibrate_project, calibration_query
from orchestration.definitions import build_defs
from orchestration.verify import verify
from orchestration.warehouse import open_warehouse
from tests.end_to_end.pipeline import copy_of, environment_kept, run, table
from tests.end_to_end.two_experiments.days import LAST_DAY

pytestmark = [pytest.mark.xdist_group("two_experiments"), pytest.mark.long]

DRAFT = """\
id: next
status: draft
start: 2026-11-01
end: 2026-11-03
variants:
  - {id: old, weight: 0.5, baseline: true}
  - {id: new, weight: 0.5}
metrics:
  primary: [revenue]
  guardrail: [{metric: visit_count, non_inferiority_margin: 0.5}]
analysis: {minimum_days: 2, minimum_units: 20, minimum_detectable_effect: 2.5}
"""


@pytest.fixture(scope="module")
def ran(shop, tmp_path_factory):
    """The shop after its run, in folders of its own, with an experiment that is only planned."""
    workspace = copy_of(shop, tmp_path_factory.mktemp("rehearsal"), "configs", "state")
    (workspace.configs / "experiments" / "next.yaml").write_text(DRAFT)
    return workspace


def pooled(rows: pd.DataFrame) -> tuple[int, float, float]:
    """Units, mean, and sum of squares about 0 of all arms, from each arm's published moments."""
    n, mean, variance = (rows[name].astype(float) for name in ("n_units", "mean", "variance"))
    return int(n.sum()), float((n * mean).sum() / n.sum()), float(((n - 1) * variance + n * mean**2).sum())


def cubes(rows: pd.DataFrame) -> float:
    """The sum of cubes about 0 of all arms, likewise."""
    n, mean, variance, third = (
        rows[name].astype(float) for name in ("n_units", "mean", "variance", "third_central_moment")
    )
    return float((n * third + 3 * mean * (n - 1) * variance + n * mean**3).sum())


@pytest.mark.parametrize("experiment_id", ["checkout", "pricing"])
def test_buckets_hold_the_units_that_were_published(ran, experiment_id):
    """Every metric, capped or windowed: the same number of units, mean and squares as the published moments."""
    config = load_config(ran.configs)
    subject = config.experiments[experiment_id]
    with open_warehouse(ran.warehouse) as connection:
        as_of, _ = latest_snapshots(connection)[experiment_id]
        units = bucket_sums(connection, config, subject, units_of=subject, as_of=as_of, salt="s", n_buckets=100)
    published = table(ran.state, "metric_moments", experiment_id=experiment_id, as_of_date=as_of, segment_name="all")
    assert units.metrics.keys() == subject.metrics.roles.keys()
    assert units.n_cells == 100
    for metric_id, sums in units.metrics.items():
        n, mean, squares = pooled(published[published["metric_id"] == metric_id])
        centre, first = sums.centre[0], sums.first[:, 0].sum()
        assert sums.n.sum() == n
        assert centre + first / n == pytest.approx(mean, rel=1e-12)
        squared = sums.second[:, 0, 0].sum() + 2 * centre * first + n * centre**2
        assert squared == pytest.approx(squares, rel=1e-9)
        if config.metrics[metric_id].type == "mean":
            squared_deviations = sums.second[:, 0, 0].sum()
            cubed = sums.third[:, 0].sum() + 3 * centre * squared_deviations + 3 * centre**2 * first + n * centre**3
            assert cubed == pytest.approx(cubes(published[published["metric_id"] == metric_id]), rel=1e-9)


def test_an_experiment_that_is_only_planned_is_rehearsed_on_the_units_of_another(ran, equipoise):
    """Without effect hardly any ships; a tripled metric nearly always does; the guardrail at its margin stops it."""
    printed = equipoise(ran, "rehearse", "--experiment=next", "--replicates=40", "--seed=3", "--format=json")
    assert (printed.status, printed.err) == (0, "")
    rows = {row["scenario"]: row for row in json.loads(printed.out)}
    assert list(rows) == ["no_effect", "planned_effect", "visit_count_at_margin"]
    assert rows["no_effect"]["units_of"] in ("checkout", "pricing")
    assert (rows["no_effect"]["ship_means"], rows["no_effect"]["promised"]) == ("false ship", 0.025)
    assert rows["no_effect"]["ship_rate"] <= 0.15  # 7 of 40: beyond the 99.99 % point of .025
    assert rows["planned_effect"]["ship_rate"] > 0.5
    assert rows["visit_count_at_margin"]["ship_rate"] < rows["planned_effect"]["ship_rate"]
    for row in rows.values():
        assert row["ship_rate_low"] <= row["ship_rate"] <= row["ship_rate_high"]
        shares = [row[f"{name}_rate"] for name in ("ship", "rollback", "review", "stop", "continue")]
        assert np.isclose(sum(shares), 1)


def test_the_table_for_people(ran, equipoise):
    printed = equipoise(ran, "rehearse", "--experiment=checkout", "--replicates=10")
    assert printed.status == 0
    assert "no_effect: no metric changes" in printed.out
    assert "false ship" in printed.out and "promised at most 2.5%" in printed.out


def test_an_unknown_experiment_is_named(ran, equipoise):
    printed = equipoise(ran, "rehearse", "--experiment=nothing")
    assert printed.status == 1
    assert "no experiment 'nothing'; there are: checkout, next, pricing" in printed.err


def test_calibration_of_every_experiment_once(ran):
    """Each metric × treatment has a row; the same units are not calibrated again; the draft has none."""
    config = load_config(ran.configs)
    frame = calibrate_project(ran, config)
    expected = {
        (experiment.id, metric_id, variant.id)
        for experiment in config.experiments.values()
        if experiment.is_analysed
        for metric_id in experiment.metrics.roles
        for variant in experiment.treatments
    }
    assert set(frame[["experiment_id", "metric_id", "variant_id"]].itertuples(index=False, name=None)) == expected
    assert calibrate_project(ran, config).empty
    with open_warehouse(ran.warehouse) as connection:
        assert len(connection.execute(calibration_query(connection)).df()) == len(frame)


def test_a_miscalibrated_metric_says_so_on_later_rows_and_verification_agrees(ran, tmp_path):
    """Rows after the date of the units carry the reason, other metrics do not, and a rebuild says the same."""
    workspace = copy_of(ran, tmp_path, "configs", "state")
    (workspace.configs / "experiments" / "next.yaml").unlink()
    calibrate_project(workspace, load_config(workspace.configs))
    reason = "miscalibrated on its own re-randomised units: an example"
    with open_warehouse(workspace.warehouse) as connection:
        connection.execute(
            "update results.calibration set status = case when metric_id = 'revenue' then 'miscalibrated' "
            "else 'calibrated' end, reason = case when metric_id = 'revenue' then $reason else '' end, "
            "as_of_date = as_of_date - interval 2 day",
            {"reason": reason},
        )
    run(workspace, LAST_DAY - pd.Timedelta(days=3), LAST_DAY)
    rows = table(workspace.state, "scorecard", segment_name="all")
    says_so = rows["reason"].str.contains(reason, regex=False)
    assert set(rows.loc[says_so, "metric_id"]) == {"revenue"}
    assert (rows["status"] == "miscalibrated").equals(says_so)
    assert len(table(workspace.state, "calibration")) > 0
    with environment_kept():
        assert verify(workspace).is_identical


def test_the_weekly_job_calibrates_and_the_daily_one_does_not(ran, tmp_path):
    workspace = copy_of(ran, tmp_path, "state")
    with environment_kept():
        defs = build_defs(workspace)
        daily = defs.resolve_job_def("daily_analysis")
        ended = defs.resolve_job_def("weekly_calibration").execute_in_process()
    assert CALIBRATION_KEY not in daily.asset_layer.executable_asset_keys
    assert ended.success
    (check,) = ended.get_asset_check_evaluations()
    assert check.check_name == "calibrated"
