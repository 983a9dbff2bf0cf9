"""What a single entity may hold: one change to a valid configuration, one message at one line."""

from datetime import date
from decimal import Decimal

import pytest

from configs.load import ConfigError, load_config

PROJECT, SOURCES = "project.yaml", "sources.yaml"
ORDERS, VISITS = "metrics/orders.yaml", "metrics/visits.yaml"
EXPERIMENT = "experiments/free_shipping.yaml"

CASES = [
    (PROJECT, "late_arrival_days", "late_arival_days",
     "3: unknown key 'late_arival_days'; did you mean 'late_arrival_days'?"),
    (PROJECT, "timezone: UTC", "owner: ana",
     "2: unknown key 'owner'; known keys: exclusion_groups, health, history_start, late_arrival_days, name, "
     "overlaps, timezone"),
    (PROJECT, "timezone: UTC", "timezone: Berlin",
     "2: timezone: unknown timezone 'Berlin'; use an IANA name such as Europe/Berlin"),
    (PROJECT, "name: shop", "name: 5", "1: name: expected text, got 5; write it in quotes"),
    (PROJECT, "name: shop", "name: My Shop",
     "1: name: 'My Shop' isn't an identifier: lower-case letters, digits and _, beginning with a letter"),
    (PROJECT, "late_arrival_days: 3", "late_arrival_days: 31",
     "3: late_arrival_days: must be at most 30, got 31"),
    (PROJECT, "late_arrival_days: 3", "late_arrival_days: true",
     "3: late_arrival_days: expected a whole number, got true"),
    (PROJECT, "late_arrival_days: 3", 'late_arrival_days: "3"',
     "3: late_arrival_days: expected a whole number, got '3'"),
    (PROJECT, "late_arrival_days: 3", "late_arrival_days: 2.5",
     "3: late_arrival_days: expected a whole number, got 2.5"),
    (PROJECT, "2026-09-01", "2026-09-31",
     "4: history_start: expected a date such as 2026-10-01, got '2026-09-31'"),
    (PROJECT, "2026-09-01", "20260901", "4: history_start: expected a date such as 2026-10-01, got 20260901"),
    (PROJECT, "history_start: 2026-09-01", "", "1: missing key 'history_start'"),
    (SOURCES, "format: csv", "format: tsv",
     "10: events.format: expected one of parquet, csv, jsonl, postgres, iceberg, delta, got 'tsv'"),
    (SOURCES, "event_name: name, ", "", "11: events.columns: missing key 'event_name'"),
    (SOURCES, "decimals: 3", "decimals: 13",
     "14: events.measures.duration.decimals: must be at most 12, got 13"),
    (SOURCES, "      duration:", "      Duration:",
     "14: events.measures.Duration: 'Duration' isn't an identifier: "
     "lower-case letters, digits and _, beginning with a letter"),
    (SOURCES, "[country, device]", "[country, all]",
     "6: exposures.attributes: 'all' is reserved: in the results it stands for the whole population"),
    (SOURCES, "[channel, coupon]", "channel", "15: events.properties: expected a list, got 'channel'"),
    (ORDERS, "type: proportion", "type: percentage",
     "2: metric 'conversion': type: "
     "expected one of proportion, mean, ratio, quantile, retention, categorical, got 'percentage'"),
    (ORDERS, "  event: purchase\n  window", "  window",
     "1: metric 'conversion': a proportion needs `source` and `event`"),
    (ORDERS, "- id: order_value\n  type", "- type", "17: missing key 'id'"),
    (ORDERS, "  aggregate: sum\n", "",
     "6: metric 'revenue': a mean needs `aggregate`: sum, count, max or count_distinct"),
    (ORDERS, "  measure: amount\n", "", "6: metric 'revenue': aggregate 'sum' needs a measure"),
    (ORDERS, "aggregate: sum\n", "aggregate: count\n",
     "6: metric 'revenue': aggregate 'count' takes no measure; drop `measure` or use 'sum'"),
    (ORDERS, "aggregate: sum, measure: amount", "aggregate: sum",
     "19: metric 'order_value': numerator: aggregate 'sum' needs a measure"),
    (ORDERS, "aggregate: sum, measure: amount", "aggregate: count",
     "17: metric 'order_value': numerator and denominator are the same, so the ratio is always 1"),
    (ORDERS, "  type: ratio\n", "  type: ratio\n  source: shop_events\n  event: purchase\n",
     "17: metric 'order_value': a ratio takes numerator and denominator, not source, event"),
    (ORDERS, "  denominator: {source: shop_events, event: purchase}\n", "",
     "17: metric 'order_value': a ratio needs `numerator` and `denominator`"),
    (ORDERS, "event: purchase\n  window", "event: purchase\n  cap: {upper: 1}\n  window",
     "1: metric 'conversion': a proportion is 0 or 1: no `cap`"),
    (ORDERS, "event: purchase\n  window", "event: purchase\n  aggregate: sum\n  window",
     "1: metric 'conversion': a proportion asks whether the event happened: no aggregate, measure or property"),
    (ORDERS, "event: purchase\n  window", "event: purchase\n  quantile: 0.5\n  window",
     "1: metric 'conversion': `quantile` goes with type quantile, and only there"),
    (ORDERS, "event: purchase\n  window",
     "event: purchase\n  numerator: {source: shop_events, event: a}\n  window",
     "1: metric 'conversion': `numerator` and `denominator` belong to type ratio, not proportion"),
    (ORDERS, "{end_days: 14}", "{start_days: 14, end_days: 14}",
     "21: metric 'order_value': window: start_days 14 must be below end_days 14"),
    (ORDERS, "{end_days: 14}", "{end_days: 0}",
     "21: metric 'order_value': window.end_days: must be at least 1, got 0"),
    (ORDERS, "{upper: 500}", "{upper: 500, upper_quantile: 0.9}",
     "15: metric 'revenue': cap: give exactly one of `upper` and `upper_quantile`"),
    (ORDERS, "{upper: 500}", "{upper: 1e14}",
     "15: metric 'revenue': cap.upper: must be below 100000000000000, got 100000000000000.0"),
    (ORDERS, "{upper: 500}", "{upper_quantile: 1}",
     "15: metric 'revenue': cap.upper_quantile: must be below 1, got 1"),
    (ORDERS, "{upper: 500}", "{upper: lots}",
     "15: metric 'revenue': cap.upper: expected a number, got 'lots'"),
    (ORDERS, "lookback_days: 14", "lookback_days: 91",
     "16: metric 'revenue': covariate.lookback_days: must be at most 90, got 91"),
    (ORDERS, "lookback_days: 14", "loopback_days: 14",
     "16: metric 'revenue': covariate: unknown key 'loopback_days'; did you mean 'lookback_days'?"),
    (ORDERS, 'op: "=", value: web', 'op: "==", value: web',
     "11: metric 'revenue': where.op: expected one of =, !=, in, not in, got '=='"),
    (ORDERS, "value: web", "value: [web]",
     "11: metric 'revenue': where: op '=' takes one value; use 'in' or 'not in' for a list"),
    (ORDERS, 'op: "=", value: web', "op: in, value: web",
     "11: metric 'revenue': where: op 'in' takes a list of values"),
    (ORDERS, 'op: "=", value: web', "op: not in, value: []",
     "11: metric 'revenue': where: op 'not in' needs at least one value"),
    (ORDERS, "value: web", "value: {a: 1}",
     "11: metric 'revenue': where.value: expected text, a number, true, false or a list of these, "
     "got keys with values"),
    (VISITS, "{start_days: 7, end_days: 8}", "{end_days: 8}",
     "1: metric 'retention': a retention needs `window` with both start_days and end_days"),
    (EXPERIMENT, "{id: free, weight: 0.5}", "{id: free, wieght: 0.5}",
     "12: variants: unknown key 'wieght'; did you mean 'weight'?"),
    (EXPERIMENT, "{id: free, weight: 0.5}", "{id: free, weight: half}",
     "12: variants.weight: expected a number, got 'half'"),
    (EXPERIMENT, "{id: free, weight: 0.5}", "{id: 1, weight: 0.5}",
     "12: variants.id: expected text, got 1; write it in quotes"),
    (EXPERIMENT, "{id: free, weight: 0.5}", "{id: all, weight: 0.5}",
     "12: variants.id: 'all' is reserved: in the results it stands for the whole population"),
    (EXPERIMENT, "{id: free, weight: 0.5}", '{id: "", weight: 0.5}', "12: variants.id: must not be empty"),
    (EXPERIMENT, "{id: free, weight: 0.5}", "{id: free, weight: -0.5}",
     "12: variants.weight: must be at least 0, got -0.5"),
    (EXPERIMENT, "{id: free, weight: 0.5}", "{id: free, weight: 1e999}",
     "12: variants.weight: expected a finite number, got Infinity"),
    (EXPERIMENT, "baseline: true", "baseline: yes",
     "11: variants.baseline: expected true or false, got 'yes'"),
    (EXPERIMENT, "  - {id: free, weight: 0.5}\n", "", "10: variants: needs at least 2 entries, got 1"),
    (EXPERIMENT, "{from: 2026-10-05, ", "{form: 2026-10-05, ",
     "15: allocation: unknown key 'form'; did you mean 'from'?"),
    (EXPERIMENT, "weights: {free: 0.5, control: 0.5}", "weights: {control: 0.9, free: much}",
     "14: allocation.weights.free: expected a number, got 'much'"),
    (EXPERIMENT, "relative_effect: 0.08", "relative_effect: 0",
     "7: hypothesis.predictions.relative_effect: "
     "must not be 0: `probability` is that the effect has this sign"),
    (EXPERIMENT, "probability: 0.7", "probability: 70",
     "7: hypothesis.predictions.probability: must be below 1, got 70"),
    (EXPERIMENT, "non_inferiority_margin: 0.05", "level: 1, absolute_margin: 2",
     "21: metrics.guardrail: a guardrail needs exactly one of non_inferiority_margin, absolute_margin, "
     "level; got absolute_margin, level"),
    (EXPERIMENT, ", non_inferiority_margin: 0.05", "",
     "21: metrics.guardrail: a guardrail needs exactly one of non_inferiority_margin, absolute_margin, "
     "level; got none"),
    (EXPERIMENT, "  primary: [conversion]\n", "", "17: metrics: missing key 'primary'"),
    (EXPERIMENT, "primary: [conversion]", "primary: []",
     "18: metrics.primary: needs at least 1 entry, got 0"),
    (EXPERIMENT, "  primary: [conversion]", "  primary:",
     "18: metrics.primary: expected a list, got nothing"),
    (EXPERIMENT, "minimum_days: 14", "minimum_dayz: 14",
     "23: analysis: unknown key 'minimum_dayz'; did you mean 'minimum_days'?"),
    (EXPERIMENT, "minimum_days: 14", "alpha: 1", "23: analysis.alpha: must be below 0.5, got 1"),
    (EXPERIMENT, "analysis:\n  minimum_days: 14", "analysis: [fixed]",
     "22: analysis: expected keys with values, got a list"),
]  # fmt: skip


@pytest.mark.parametrize(("file", "old", "new", "expected"), CASES, ids=[case[3] for case in CASES])
def test_one_change_gives_one_message_at_its_line(write_config, file, old, new, expected):
    with pytest.raises(ConfigError) as caught:
        load_config(write_config((file, old, new)))

    in_file = [str(problem) for problem in caught.value.problems if problem.file == file]
    assert in_file == [f"{file}:{expected}"]


def test_every_wrong_value_of_a_file_is_listed(write_config):
    root = write_config(
        (EXPERIMENT, "weight: 0.5, baseline: true", "weight: 2, baseline: maybe"),
        (EXPERIMENT, "minimum_days: 14", "minimum_days: 14\n  alfa: 0.1"),
        (EXPERIMENT, "end: 2026-10-28\n", ""),
    )

    with pytest.raises(ConfigError) as caught:
        load_config(root)

    assert str(caught.value).splitlines() == [
        "experiments/free_shipping.yaml:1: missing key 'end'",
        "experiments/free_shipping.yaml:10: variants.baseline: expected true or false, got 'maybe'",
        "experiments/free_shipping.yaml:10: variants.weight: must be at most 1, got 2",
        "experiments/free_shipping.yaml:23: analysis: unknown key 'alfa'; did you mean 'alpha'?",
    ]


def test_yaml_traps_are_read_as_written(write_config):
    """YAML 1.1 makes a boolean of `no`, an error of a bare `=` and text of 1e-1."""
    root = write_config(
        (ORDERS, 'op: "=", value: web', "op: =, value: no"),
        (ORDERS, "{upper: 500}", "{upper_quantile: 999e-3}"),
        (EXPERIMENT, "start: 2026-10-01", 'start: "2026-10-01"'),
    )

    config = load_config(root)

    condition = config.metrics["revenue"].where[0]
    assert (condition.op, condition.value) == ("=", "no")
    assert config.metrics["revenue"].cap.upper_quantile == Decimal("0.999")
    assert config.experiments["free_shipping"].start == date(2026, 10, 1)
    assert config.experiments["free_shipping"].allocation[0].from_ == date(2026, 10, 1)


@pytest.mark.parametrize(
    ("written", "read"),
    [("web", "web"), ('"1"', "1"), ("1", 1), ("1.5", 1.5), ("true", True), ("2026-10-01", "2026-10-01"),
     ("007", "007"), ("1:30", "1:30"), ("1_000", "1_000"), ("on", "on")],
)  # fmt: skip
def test_condition_values_keep_their_type(write_config, written, read):
    config = load_config(write_config((ORDERS, "value: web", f"value: {written}")))

    value = config.metrics["revenue"].where[0].value
    assert (type(value), value) == (type(read), read)
