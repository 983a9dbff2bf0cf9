"""Plans from given baselines, where nothing was ever run."""

import json
from pathlib import Path

import duckdb
import pytest

from orchestration.cli import main
from orchestration.history import BASELINES, BaselineError, NoHistoryError, plan_inputs
from orchestration.power_picture import draw_power
from orchestration.workspace import Workspace

CONFIGS = Path(__file__).parents[2] / "configs"
GIVEN = (
    "conversion=0.1", "orders_per_user=0.2,0.3", "web_orders_per_user=0.1,0.1", "revenue_per_user=10,900,0.2",
    "refund_rate=0.05,0.05", "page_load_time=2,1",
)  # fmt: skip


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(CONFIGS, tmp_path / "data", tmp_path / "state")


def test_a_metric_never_used_is_planned_from_a_given_baseline(workspace):
    inputs = plan_inputs(workspace, "checkout_redesign", 2_000, GIVEN)
    frame = inputs.plan()
    assert (frame["status"] == "ok").all()
    assert (frame["history_experiment_id"] == "given").all()
    history = inputs.history.set_index("metric_id")
    assert history.loc["conversion", "variance"] == pytest.approx(0.09)
    assert history.loc["revenue_per_user", ["mean", "variance", "variance_reduction"]].tolist() == [10, 900, 0.2]


def test_without_history_everything_must_be_given(workspace):
    for units_per_day, given in ((None, GIVEN), (2_000, GIVEN[1:])):
        with pytest.raises(NoHistoryError, match="--baseline METRIC=MEAN,VARIANCE"):
            plan_inputs(workspace, "checkout_redesign", units_per_day, given)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("conversoin=0.1", "'conversoin' isn't a metric of checkout_redesign; did you mean 'conversion'"),
        ("conversion=2", "'conversion' is a share between 0 and 1"),
        ("conversion=often", "expected conversion=MEAN, and perhaps"),
        ("revenue_per_user=10", "expected revenue_per_user=MEAN,VARIANCE"),
        ("revenue_per_user=10,nan", "expected revenue_per_user=MEAN,VARIANCE"),
        ("revenue_per_user=10,-1", "a variance is at least 0"),
        ("revenue_per_user=10,900,1.5", "its reduction a share below 1"),
    ],
)
def test_a_baseline_that_cannot_be_says_why(workspace, given, message):
    with pytest.raises(BaselineError, match=message):
        plan_inputs(workspace, "checkout_redesign", 2_000, [given])


def test_a_quantile_is_planned_from_the_scorecard_not_from_its_moments() -> None:
    """Moments are of 3 events a unit. An effect's error of .5 at 100 and 300 units is a variance of 18.75."""
    with duckdb.connect() as connection:
        connection.execute(
            """
            create table metric_moments as
            select
                date '2026-10-05' as as_of_date, 'old' as experiment_id, 'a' as variant_id, 'all' as segment_name,
                null::double as denominator_mean, null::double as denominator_variance,
                null::double as denominator_covariance, *
            from (values ('load_p95', 100, 3.0, 4.0), ('revenue', 100, 10.0, 90.0))
                as m (metric_id, n_units, mean, variance)
            """
        )
        connection.execute(
            """
            create table scorecard as
            select
                date '2026-10-05' as as_of_date, 'old' as experiment_id, 'a' as baseline_id, 'all' as segment_name,
                100::bigint as n_baseline, 300::bigint as n_treatment, null::double as variance_reduction, *
            from (values ('load_p95', 'event_quantile', 8.0, 0.5), ('revenue', 'welch', 10.0, 0.9))
                as s (metric_id, method, baseline_mean, effect_se_pooled)
            """
        )
        rows = connection.execute(BASELINES, {"experiment": "new", "is_stratified": False}).df().set_index("metric_id")

    assert rows.loc["load_p95", ["mean", "variance"]].tolist() == [8, 18.75]
    assert rows.loc["revenue", ["mean", "variance"]].tolist() == [10, 90]


@pytest.mark.parametrize(("suffix", "begins"), [(".png", b"\x89PNG"), (".svg", b"<svg")])
def test_the_picture_is_a_file_of_its_kind(workspace, tmp_path, suffix, begins):
    path = tmp_path / "new" / f"power{suffix}"
    draw_power(plan_inputs(workspace, "checkout_redesign", 2_000, GIVEN), path)
    assert path.read_bytes().startswith(begins)


def test_the_calendar_as_json(workspace, monkeypatch, capsys):
    command = ["equipoise", "--configs", str(CONFIGS), "calendar", "--from", "2026-10-01", "--format", "json"]
    monkeypatch.setattr("sys.argv", command)
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 0
    printed = json.loads(capsys.readouterr().out)
    shown = {row["experiment_id"]: row for row in printed["experiments"]}
    assert shown["search_ranking"]["overlaps"] == "loyalty_badges"
    assert printed["traffic"][0]["experiments"] == "loyalty_badges"
