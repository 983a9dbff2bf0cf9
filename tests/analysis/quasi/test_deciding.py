"""What a quasi-experiment recommends, from studies to decisions."""

import json
from datetime import date

import pytest

from analysis.quasi.deciding import quasi_decisions
from analysis.quasi.study import Check, Estimate, Study, failure
from analysis.quasi.tables import check_table, estimate_table
from configs.schema import Experiment, Metric

START, END = date(2026, 10, 1), date(2026, 10, 20)
METRICS = {
    id_: Metric(id=id_, type="mean", source="shop", event="buy", aggregate="count")
    for id_ in ("orders", "visits", "spend")
}
EXPERIMENT = Experiment.model_validate(
    {
        "id": "delivery",
        "type": "difference_in_differences",
        "start": START,
        "end": END,
        "difference_in_differences": {"group": "region", "adoption": {"north": date(2026, 10, 10)}},
        "metrics": {
            "primary": ("orders", "spend"),
            "guardrail": ({"metric": "visits", "non_inferiority_margin": 0.1},),
        },
    }
)


def study(effect, se=1.0, *, fails=(), mean=100.0):
    checks = [Check(name, passed=name not in fails, message=f"about {name}") for name in ("pre_trend", "leads")]
    estimate = Estimate(effect=effect, se=se, df=50, treatment_mean=mean, method="did2s")
    return Study((estimate,), tuple(checks)).judged()


def decided(orders, spend=None, visits=None, day=END):
    studies = {
        (day, "delivery", "orders"): orders,
        (day, "delivery", "spend"): spend or study(0.1),
        (day, "delivery", "visits"): visits or study(0.0),
    }
    tables = estimate_table(studies, {"delivery": EXPERIMENT}, METRICS), check_table(studies)
    row = quasi_decisions(*tables, {"delivery": EXPERIMENT}, METRICS, [day]).iloc[0]
    return row["recommendation"], row["summary"], json.loads(row["reasons"])


@pytest.mark.parametrize(
    ("orders", "visits", "recommendation"),
    [
        (study(5.0), None, "ship"),
        (study(0.5), None, "stop"),
        (study(-5.0), None, "rollback"),
        (study(5.0), study(-1.5, mean=10.0), "review"),
        (study(5.0), study(-20.0), "rollback"),
        (study(5.0, fails=["leads"]), None, "review"),
        (study(-5.0, fails=["leads"]), None, "review"),
        (failure("too_few_groups", "one group"), None, "review"),
    ],
    ids=["better", "nothing", "worse", "guardrail unproven", "guardrail worse", "check", "worse and check", "failure"],
)
def test_recommendations_at_the_end(orders, visits, recommendation):
    assert decided(orders, visits=visits)[0] == recommendation


def test_nothing_is_decided_before_the_end():
    recommendation, summary, _ = decided(study(50.0), day=date(2026, 10, 19))
    assert recommendation == "continue" and "at its end" in summary


def test_a_failed_check_is_named_with_its_figure():
    _, summary, reasons = decided(study(5.0, fails=["pre_trend"]))
    assert "orders fails pre_trend: about pre_trend" in summary
    assert [reason["rule"] for reason in reasons if reason["outcome"] == "review"] == ["pre_trend"]


def test_primaries_are_corrected_over_each_other_and_guardrails_stand_alone():
    studies = {(END, "delivery", id_): study(2.2) for id_ in ("orders", "spend", "visits")}
    table = estimate_table(studies, {"delivery": EXPERIMENT}, METRICS).set_index("metric_id")

    assert table.loc["orders", "p_value"] == pytest.approx(0.0325, abs=1e-3)
    assert table.loc["orders", "p_value_adjusted"] == pytest.approx(2 * table.loc["orders", "p_value"])
    assert not table.loc["orders", "significant"] and table.loc["visits", "significant"]
    assert table.loc["orders", "ci_low_adjusted"] < table.loc["orders", "ci_low"]
    assert table.loc["visits", "ci_low_adjusted"] == table.loc["visits", "ci_low"]


def test_a_margin_is_of_what_would_have_been():
    """−9 against 109 without the change, margin 10.9: t = (−9 + 10.9) / 1.1 = 1.73, one-sided with 50 degrees .045."""
    studies = {(END, "delivery", id_): study(-9.0) for id_ in ("orders", "spend", "visits")}
    table = estimate_table(studies, {"delivery": EXPERIMENT}, METRICS).set_index("metric_id")
    assert table.loc["visits", "p_value_non_inferiority"] == pytest.approx(0.045, abs=1e-3)
    assert table.loc["visits", "effect_relative"] == pytest.approx(-9 / 109)
