"""Distinct counts and categories from YAML to the published tables, by logs whose numbers can be counted by hand.

Forty units an arm, exposed at noon of the first day. Most pay six hours later, by the method of a list, and buy p1; all
of these pay by card on the second day, for p1 and p2. The third day's log brings an invoice that the first control unit
paid an hour before its card, for p3.
"""

import csv
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from orchestration.workspace import Workspace
from tests.end_to_end.pipeline import assert_same_results, run, table

pytestmark = pytest.mark.long

DAYS = [date(2026, 10, day) for day in (1, 2, 3)]
NOON = datetime(2026, 10, 1, 12)
CATEGORIES = ["card", "paypal", "invoice", "other", "none"]
METHODS = {
    "old": ["card"] * 20 + ["paypal"] * 12 + ["cheque"] * 4 + [None] * 4,
    "new": ["card"] * 8 + ["paypal"] * 20 + ["cheque"] * 2 + [None] * 10,
}
ON_DAY_2 = {"old": [20, 12, 0, 4, 4], "new": [8, 20, 0, 2, 10]}
ON_DAY_3 = {"old": [19, 12, 1, 4, 4], "new": [8, 20, 0, 2, 10]}
PROPERTY = "source: shop, event: payment, property"
FILES = {
    "project.yaml": "{name: shop, late_arrival_days: 2, history_start: 2026-10-01}\n",
    "sources.yaml": """\
exposures:
  - {id: web, path: "exposures/{date}.csv", format: csv, allow_empty_days: true, attributes: [country],
     columns: {unit_id: unit, experiment_id: experiment, variant_id: variant, exposed_at: at}}
events:
  - {id: shop, path: "payments/{date}.csv", format: csv, properties: [method, product],
     columns: {event_id: id, unit_id: unit, event_name: name, occurred_at: at}}
""",
    "metrics/payments.yaml": f"""\
- {{id: method, type: categorical, {PROPERTY}: method, categories: [card, paypal, invoice], window: {{end_days: 1}}}}
- {{id: products, type: mean, aggregate: count_distinct, {PROPERTY}: product, window: {{end_days: 2}}}}
""",
    "experiments/checkout.yaml": """\
id: checkout
start: 2026-10-01
end: 2026-10-01
variants: [{id: old, weight: 0.5, baseline: true}, {id: new, weight: 0.5}]
segments: [country]
metrics: {primary: [products], secondary: [method]}
analysis: {minimum_days: 1, minimum_units: 10, minimum_detectable_effect: 0.1}
""",
}


def payments() -> Iterator[tuple[date, list[object]]]:
    """Each payment with its log date."""
    for variant, methods in METHODS.items():
        for number, method in enumerate(methods):
            unit = f"{variant}-{number}"
            if method is not None:
                yield DAYS[0], [f"{unit}-a", unit, "payment", NOON + timedelta(hours=6), method, "p1"]
                for product in ("p1", "p2"):
                    yield DAYS[1], [f"{unit}-{product}", unit, "payment", NOON + timedelta(hours=30), "card", product]
    yield DAYS[2], ["late", "old-0", "payment", NOON + timedelta(hours=5), "invoice", "p3"]


@pytest.fixture(scope="module")
def unrun(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    root = tmp_path_factory.mktemp("payment_methods")
    for name, text in FILES.items():
        write(root / "configs" / name, text)
    exposed = [
        f"{variant}-{number},checkout,{variant},{NOON},DE"
        for variant in METHODS
        for number in range(len(METHODS["old"]))
    ]
    write(root / "data" / "exposures" / f"{DAYS[0]}.csv", "\n".join(["unit,experiment,variant,at,country", *exposed]))
    for day in DAYS:
        path = root / "data" / "payments" / f"{day}.csv"
        write(path, "")
        with path.open("w", newline="") as file:
            rows = [row for log_date, row in payments() if log_date == day]
            csv.writer(file).writerows([["id", "unit", "name", "at", "method", "product"], *rows])
    return Workspace(root / "configs", root / "data", root / "state")


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@pytest.fixture(scope="module")
def shop(unrun: Workspace) -> Workspace:
    """Two days, then the third."""
    run(unrun, DAYS[0], DAYS[1])
    run(unrun, DAYS[2], DAYS[2])
    return unrun


def counts(shop: Workspace, day: date, **equal: object) -> dict[str, list[int]]:
    rows = table(shop.state, "category_counts", as_of_date=day, experiment_id="checkout", **equal)
    rows = rows.sort_values("position")
    return {variant: rows[rows["variant_id"] == variant]["n_units"].tolist() for variant in METHODS}


def test_two_runs_are_the_same_as_one(shop: Workspace, tmp_path: Path) -> None:
    whole = replace(shop, state=tmp_path / "whole")
    run(whole, DAYS[0], DAYS[-1])
    assert_same_results(shop.state, whole.state)


def test_a_late_payment_may_have_been_the_first(shop: Workspace) -> None:
    assert counts(shop, DAYS[1], segment_name="all") == ON_DAY_2
    assert counts(shop, DAYS[2], segment_name="all") == ON_DAY_3
    assert counts(shop, DAYS[2], segment_name="country") == ON_DAY_3
    rows = table(shop.state, "category_counts", as_of_date=DAYS[2], segment_name="all", variant_id="new")
    assert dict(zip(rows["category"], rows["share"], strict=True)) == dict(
        zip(CATEGORIES, [0.2, 0.5, 0.0, 0.05, 0.25], strict=True)
    )


@pytest.mark.parametrize(("day", "by_arm"), [(DAYS[1], ON_DAY_2), (DAYS[2], ON_DAY_3)])
def test_the_scorecard_tests_the_counts(shop: Workspace, day: date, by_arm: dict[str, list[int]]) -> None:
    """Shares differ by .3, .2, 0, .05, .15, and from the late invoice on by .275, .2, .025, .05, .15: half is .35."""
    (row,) = table(shop.state, "scorecard", as_of_date=day, metric_id="method", segment_name="all").itertuples()

    observed = np.array(list(by_arm.values()))
    expected = stats.chi2_contingency(observed[:, observed.sum(axis=0) > 0], correction=False)
    assert row.p_value == pytest.approx(expected.pvalue, rel=1e-12)
    assert row.p_value_adjusted == row.p_value
    assert row.effect == pytest.approx(0.35)
    assert (row.n_baseline, row.n_treatment, row.method) == (40, 40, "chi_squared")
    assert row.status == "sparse"


def test_each_product_counts_once(shop: Workspace) -> None:
    """p1 and p2 of 36 and 30 units that paid; the late p3 of one."""
    rows = table(shop.state, "metric_moments", as_of_date=DAYS[2], metric_id="products", segment_name="all")
    assert dict(zip(rows["variant_id"], rows["total"], strict=True)) == {"old": 73.0, "new": 60.0}
    method = table(shop.state, "metric_moments", as_of_date=DAYS[2], metric_id="method", segment_name="all")
    assert method["n_units"].tolist() == [40, 40]
    assert method[["mean", "variance", "total"]].isna().all(axis=None)


def test_the_decision_is_made_by_what_has_a_better_way(shop: Workspace) -> None:
    (decision,) = table(shop.state, "decisions", as_of_date=DAYS[2]).itertuples()
    assert decision.recommendation in ("ship", "stop", "review", "rollback")
    assert "method" not in decision.reasons
    assert set(table(shop.state, "rollback_monitor")["metric_id"]) == {"products"}


@pytest.mark.slow
@pytest.mark.parametrize("command", [("verify",), ("replay", "--as-of", f"{DAYS[2]}")])
def test_one_rebuild_gives_the_same_bits(shop: Workspace, equipoise, command: tuple[str, ...]) -> None:
    printed = equipoise(shop, *command, "--format", "json")
    assert (printed.status, printed.err) == (0, "")
    found = json.loads(printed.out)
    rows = found["rows"] if command == ("verify",) else found["decisions"][0]["rows"]
    assert found["identical"]
    assert rows["category_counts"] > 0


def test_the_plan_says_why_it_has_no_size_for_categories(shop: Workspace, equipoise) -> None:
    printed = equipoise(shop, "plan", "--experiment", "checkout", "--format", "json")
    rows = {row["metric_id"]: row for row in json.loads(printed.out)}
    assert rows["products"]["status"] == "ok"
    assert rows["method"]["reason"] == "categories have no mean, and no effect of it to plan for"
