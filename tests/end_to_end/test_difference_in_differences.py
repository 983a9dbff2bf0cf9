"""A change that reaches twelve of twenty-four regions on two days: from YAML over simulated logs to a decision.

Orders are worth 40 % more in a region once it has the change: that is the truth.
"""

import json
from datetime import date, timedelta

import pytest

from orchestration.workspace import Workspace
from tests.end_to_end.pipeline import assert_same_results, command, copy_of, run, table

pytestmark = pytest.mark.long

FIRST, LAST = date(2026, 10, 1), date(2026, 10, 16)
TRUE_CHANGE = 0.4
REGIONS = [f"r{number:02}" for number in range(24)]
ADOPTION = dict.fromkeys(REGIONS[:6], date(2026, 10, 8)) | dict.fromkeys(REGIONS[6:12], date(2026, 10, 11))
SHARES = ", ".join(f"{region}: {1 / 24:.10f}" for region in REGIONS[:-1])
FILES = {
    "project.yaml": "{name: shop, late_arrival_days: 2, history_start: 2026-10-01}\n",
    "sources.yaml": """\
exposures:
  - {id: web, path: "exposures/{date}.csv", format: csv, allow_empty_days: true,
     columns: {unit_id: unit, experiment_id: experiment, variant_id: variant, exposed_at: at}}
events:
  - {id: shop, path: "orders/{date}.csv", format: csv, properties: [region],
     columns: {event_id: id, unit_id: unit, event_name: name, occurred_at: at},
     measures: {amount: {column: amount, unit: EUR}}}
""",
    "metrics/orders.yaml": """\
- {id: order_value, type: ratio,
   numerator: {source: shop, event: order, aggregate: sum, measure: amount},
   denominator: {source: shop, event: order}}
- {id: spend, type: mean, source: shop, event: order, aggregate: sum, measure: amount}
- {id: orders, type: mean, source: shop, event: order, aggregate: count}
""",
    "experiments/same_day_delivery.yaml": f"""\
id: same_day_delivery
type: difference_in_differences
start: {FIRST}
end: {LAST}
difference_in_differences:
  group: region
  adoption: {{{", ".join(f"{region}: {day}" for region, day in ADOPTION.items())}}}
metrics: {{primary: [order_value], secondary: [spend], guardrail: [{{metric: orders, non_inferiority_margin: 0.1}}]}}
""",
    "experiments/new_prices.yaml": f"""\
id: new_prices
type: interrupted_time_series
start: {FIRST}
end: {LAST}
interrupted_time_series: {{break_date: 2026-10-13, season_days: 1}}
metrics: {{primary: [order_value]}}
""",
    "simulation.yaml": f"""\
population: {{visits_per_day: 0.5, new_unit_share: 0}}
events:
  order:
    probability: 0.6
    measures: {{amount: {{mean: 20, sigma: 0.4, unit_sigma: 0.1}}}}
    properties: {{region: {{{SHARES}, {REGIONS[-1]}: {1 - 23 * round(1 / 24, 10):.10f}}}}}
rows: {{malformed: 0}}
experiments:
  same_day_delivery: {{effects: {{treated: {{order: {{measures: {{amount: {1 + TRUE_CHANGE}}}}}}}}}}}
""",
}
ID = "same_day_delivery"


@pytest.fixture(scope="module")
def regions(tmp_path_factory) -> Workspace:
    root = tmp_path_factory.mktemp("regions")
    workspace = Workspace(root / "configs", root / "data", root / "state")
    for name, text in FILES.items():
        (workspace.configs / name).parent.mkdir(parents=True, exist_ok=True)
        (workspace.configs / name).write_text(text, encoding="utf-8")
    simulated = command(workspace, "simulate", "--units", "1200", "--days", "16", "--seed", "4")
    assert simulated.status == 0, simulated.err
    assert command(workspace, "validate").status == 0
    run(workspace, FIRST, LAST)
    return workspace


def test_the_effect_is_found_and_shipped(regions):
    row = table(regions.state, "quasi_estimates", experiment_id=ID, metric_id="order_value", as_of_date=LAST).query(
        "estimate == 'effect'"
    )
    assert (row["status"].item(), row["method"].item()) == ("ok", "did2s")
    assert (row["n_treatment"].item(), row["n_baseline"].item()) == (12, 12)
    assert row["ci_low"].item() < TRUE_CHANGE * row["baseline_mean"].item() < row["ci_high"].item()
    assert row["effect_relative"].item() == pytest.approx(TRUE_CHANGE, abs=0.1)

    decision = table(regions.state, "decisions", experiment_id=ID, as_of_date=LAST)
    assert (decision["recommendation"].item(), decision["variant_id"].item()) == ("ship", "treated")
    assert "every assumption passed its check" in decision["summary"].item()


def test_it_is_decided_at_its_end_and_begins_with_the_first_adoption(regions):
    found = table(regions.state, "quasi_estimates", experiment_id=ID, metric_id="order_value")
    effects = found[found["estimate"] == "effect"].set_index("as_of_date")["status"]
    decisions = table(regions.state, "decisions", experiment_id=ID).set_index("as_of_date")["recommendation"]

    assert set(effects[:"2026-10-07"]) == {"not_begun"} and effects.iloc[7] != "not_begun"
    assert set(decisions.iloc[:-1]) == {"continue"} and len(decisions) == 16


def test_assumptions_stand_beside_the_estimate(regions):
    checks = table(regions.state, "quasi_checks", experiment_id=ID, metric_id="order_value", as_of_date=LAST)
    assert checks.set_index("check_name")["passed"].to_dict() == dict.fromkeys(
        ["enough_groups", "pre_trend", "leads", "placebo_adoption"], True
    )
    series = table(regions.state, "quasi_estimates", experiment_id="new_prices", as_of_date=LAST)
    assert series.query("estimate == 'effect'")["status"].item() == "assumption_failed"
    decision = table(regions.state, "decisions", experiment_id="new_prices", as_of_date=LAST)
    assert decision["recommendation"].item() == "review"
    assert "12 days before the change" in decision["summary"].item()


def test_results_show_effects_and_checks(regions):
    shown = command(regions, "results", "--experiment", ID)
    assert shown.status == 0 and "did2s" in shown.out and "placebo_adoption (passed)" in shown.out
    exported = command(regions, "results", "--experiment", ID, "--metric", "orders", "--format", "json")
    assert {row["metric_id"] for row in json.loads(exported.out)["quasi_estimates"]} == {"orders"}


def test_there_is_nothing_of_it_among_randomised_results(regions):
    assert table(regions.state, "scorecard").empty
    assert table(regions.state, "health_checks").empty


@pytest.mark.slow
def test_day_by_day_gives_the_same_as_all_at_once(regions, tmp_path):
    fresh = copy_of(regions, tmp_path, "configs", "data")
    daily = Workspace(fresh.configs, fresh.data, tmp_path / "daily")
    run(daily, FIRST, LAST - timedelta(days=3))
    for days in (2, 1, 0):
        run(daily, LAST - timedelta(days=days), LAST - timedelta(days=days))

    assert_same_results(daily.state, regions.state)
    verified = command(daily, "verify")
    assert verified.status == 0, verified.out
    replayed = command(daily, "replay", "--experiment", ID, "--as-of", str(LAST))
    assert replayed.status == 0, replayed.out + replayed.err


@pytest.mark.slow
def test_missing_logs_leave_no_number(regions, tmp_path):
    hurt = copy_of(regions, tmp_path, "configs", "data")
    hurt = Workspace(hurt.configs, hurt.data, tmp_path / "state")
    (hurt.data / "orders" / "2026-10-05.csv").unlink()
    run(hurt, FIRST, date(2026, 10, 9))

    rows = table(hurt.state, "quasi_estimates", experiment_id=ID, as_of_date=date(2026, 10, 9))
    assert set(rows["status"]) == {"incomplete"} and rows["effect"].isna().all()
    assert rows["reason"].str.contains("shop 2026-10-05 \\(missing").all()
