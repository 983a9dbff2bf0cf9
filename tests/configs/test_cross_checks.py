"""Every check between entities: one change to a valid configuration, one message at one line."""

import numpy as np
import pytest

from analysis.decisions.levels import deterioration_alpha
from analysis.statistics.power import per_test_power
from configs.load import ConfigError, load_config

PROJECT, SOURCES = "project.yaml", "sources.yaml"
ORDERS, EXPERIMENT = "metrics/orders.yaml", "experiments/free_shipping.yaml"
SECOND_EXPOSURES = """\
  - id: app
    path: app/{date}.jsonl
    format: jsonl
    columns: {unit_id: u, experiment_id: e, variant_id: v, exposed_at: t}
events:
"""

SOURCE_CASES = [
    ("id: shop_events", "id: web", "8: duplicate source id 'web'; first used under exposures"),
    ("events/{date}.csv", "events.csv", "9: path 'events.csv' needs {date}, which stands for the log date"),
    ("exposures/{date}", "../{date}",
     "3: path '../{date}/*.parquet' leaves the data root; give a path relative to it"),
    ("exposures/{date}", "/data/{date}",
     "3: path '/data/{date}/*.parquet' leaves the data root; give a path relative to it"),
    ("{date}.csv", "{date}/{hour}.csv",
     "9: unknown placeholder {hour} in path 'events/{date}/{hour}.csv'; known: {date}"),
    ("[country, device]", "[country, country]", "6: 'country' is listed twice in attributes"),
    ("[channel, coupon]", "[channel, coupon, channel]", "15: 'channel' is listed twice in properties"),
]  # fmt: skip

METRIC_CASES = [
    ("  source: shop_events\n  event: purchase\n  window",
     "  source: shop_event\n  event: purchase\n  window",
     "3: metric 'conversion': unknown source 'shop_event'; did you mean 'shop_events'?"),
    ("  source: shop_events\n  event: purchase\n  window", "  source: web\n  event: purchase\n  window",
     "3: metric 'conversion': source 'web' holds no events; a metric reads a source under `events`"),
    ("measure: amount\n  window", "measure: amuont\n  window",
     "13: metric 'revenue': source 'shop_events' has no measure 'amuont'; did you mean 'amount'?"),
    ("measure: amount}", "measure: size}",
     "19: metric 'order_value': source 'shop_events' "
     "has no measure 'size'; known measures: amount, duration"),
    ("property: channel", "property: chanel",
     "11: metric 'revenue': source 'shop_events' declares no property 'chanel'; did you mean 'channel'?"),
    ("upper: 500", "upper: 0.005",
     "15: metric 'revenue': cap 0.005 is finer than the 2 decimals of measure 'amount'"),
    ("window: {end_days: 14}", "cap: {upper: 99.5}",
     "21: metric 'order_value': cap 99.5 is finer than the 0 decimals of aggregate 'count'"),
    ("id: order_value", "id: conversion",
     "17: duplicate metric id 'conversion'; first defined at metrics/orders.yaml:1"),
]  # fmt: skip

EXPERIMENT_CASES = [
    ("id: free_shipping", "id: free_shiping",
     "1: id 'free_shiping' isn't the file's name; call the file free_shiping.yaml"),
    ("end: 2026-10-28", "end: 2026-09-28", "9: end 2026-09-28 is before start 2026-10-01"),
    ("end: 2026-10-28", "end: 9999-12-31",
     "9: end: 9999-12-31 is no day to plan for; give the planned last day, and move it when plans change"),
    ("minimum_days: 14", "minimum_days: 29",
     "23: minimum_days 29 is more than the 28 days from start to end; no decision could be made"),
    ("{id: free, weight: 0.5}", "{id: control, weight: 0.5}", "12: 'control' is listed twice in variants"),
    (", baseline: true", "", "10: exactly one variant needs `baseline: true`"),
    ("{id: free, weight: 0.5}", "{id: free, weight: 0.5, baseline: true}",
     "10: exactly one variant needs `baseline: true`; got 'control', 'free'"),
    ("{id: free, weight: 0.5}", "{id: free, weight: 0.500000002}",
     "10: the variants' weights sum to 1.000000002, not to 1"),
    ("- {from: 2026-10-01", "- {from: 2026-10-02",
     "14: the first epoch is from 2026-10-02, not from start 2026-10-01"),
    ("- {from: 2026-10-05", "- {from: 2026-10-29",
     "15: the epoch from 2026-10-29 is outside 2026-10-01 to 2026-10-28"),
    ("- {from: 2026-10-05", "- {from: 2026-10-01",
     "15: the epoch from 2026-10-01 doesn't come after the one from 2026-10-01"),
    ("{free: 0.5, control: 0.5}", "{control: 0.9, fre: 0.1, free: 0}",
     "14: unknown variant 'fre'; did you mean 'free'?"),
    ("{free: 0.5, control: 0.5}", "{control: 1}",
     "14: no weight for 'free'; a variant without traffic gets weight 0"),
    ("{free: 0.5, control: 0.5}", "{control: 0.9, free: 0.2}",
     "14: the epoch's weights sum to 1.1, not to 1"),
    ("[conversion]", "[conversoin]", "18: unknown metric 'conversoin'; did you mean 'conversion'?"),
    ("[revenue, retention]", "[revenue, conversion]",
     "19: metric 'conversion' is already primary; a metric has one role in an experiment"),
    ("metric: order_value", "metric: revenue",
     "21: metric 'revenue' is already secondary; a metric has one role in an experiment"),
    ("{metric: conversion, ", "{metric: load_time, ",
     "7: the prediction is about 'load_time', not a metric of this experiment; "
     "known metrics of this experiment: conversion, order_value, retention, revenue"),
    ("[country, device]", "[country, devices]",
     "16: exposure source 'web' has no attribute 'devices'; did you mean 'device'?"),
    ("[country, device]", "[country, country]", "16: 'country' is listed twice in segments"),
    ("start: 2026-10-01", "exposure_source: wep\nstart: 2026-10-01",
     "8: unknown exposure source 'wep'; did you mean 'web'?"),
    ("[revenue, retention]\n  guardrail:\n    - {metric: order_value, non_inferiority_margin: 0.05}",
     "[revenue]\n  guardrail:\n    - {metric: retention, level: 5}",
     "21: level 5 can't be: 'retention' is a share between 0 and 1"),
    ("[revenue, retention]\n  guardrail:\n    - {metric: order_value, non_inferiority_margin: 0.05}",
     "[revenue]\n  guardrail:\n    - {metric: retention, absolute_margin: 1.5}",
     "21: absolute_margin 1.5 can't be: 'retention' is a share between 0 and 1"),
    ("minimum_days: 14", "power: 0.98",
     "23: no sample size reaches power 0.98 with alpha 0.05: the tests of deterioration alone may stop "
     "a good treatment with probability alpha/2; choose a power below 0.975"),
    ("minimum_days: 14", "alpha: 0.45",
     "22: no sample size reaches power 0.8 with alpha 0.45: the tests of deterioration alone may stop "
     "a good treatment with probability alpha/2; choose a power below 0.775"),
    ("primary: [conversion]\n  secondary: [revenue, retention]\n  guardrail:\n"
     "    - {metric: order_value, non_inferiority_margin: 0.05}\nanalysis:\n  minimum_days: 14",
     "primary: [conversion, revenue, retention]\nanalysis:\n  correction: none",
     "20: 3 comparisons of primary metrics and treatments need a correction: without one, chance "
     "alone makes some significant; use holm or bonferroni"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("file", "old", "new", "expected"),
    [(SOURCES, *case) for case in SOURCE_CASES]
    + [(ORDERS, *case) for case in METRIC_CASES]
    + [(EXPERIMENT, *case) for case in EXPERIMENT_CASES],
    ids=lambda value: value if isinstance(value, str) and ": " in value else "",
)
def test_one_change_gives_one_message_at_its_line(write_config, file, old, new, expected):
    with pytest.raises(ConfigError) as caught:
        load_config(write_config((file, old, new)))

    assert f"{file}:{expected}" in str(caught.value).splitlines()
    assert not [problem for problem in caught.value.problems if problem.file not in (file, EXPERIMENT)]


def test_the_unchanged_configuration_is_valid(write_config):
    config = load_config(write_config())

    assert list(config.metrics) == ["conversion", "load_time", "order_value", "retention", "revenue"]
    assert list(config.experiments) == ["badges", "free_shipping"]


def test_an_experiment_can_not_start_before_the_history(write_config):
    root = write_config((PROJECT, "2026-09-01", "2026-09-11"))

    with pytest.raises(ConfigError) as caught:
        load_config(root)

    assert str(caught.value) == (
        "experiments/badges.yaml:3: start 2026-09-10 is before the project's history_start 2026-09-11; "
        "the lake holds no earlier exposures"
    )


def test_the_exposure_source_must_be_named_when_there_are_several(write_config):
    root = write_config((SOURCES, "events:\n", SECOND_EXPOSURES))

    with pytest.raises(ConfigError) as caught:
        load_config(root)

    assert str(caught.value).splitlines() == [
        "experiments/badges.yaml:1: missing key 'exposure_source': there are several (app, web)",
        "experiments/free_shipping.yaml:1: missing key 'exposure_source': there are several (app, web)",
    ]


def test_the_only_exposure_source_is_the_default(write_config):
    config = load_config(write_config())

    assert config.experiments["badges"].exposure_source == "web"


@pytest.mark.parametrize(
    ("weights", "side"),
    [("control: 0, free: 1", "the baseline"), ("control: 1, free: 0", "any treatment")],
)
def test_baseline_and_treatments_need_traffic_in_some_epoch(write_config, weights, side):
    root = write_config(
        (EXPERIMENT, "free: 0.5, control: 0.5", weights), (EXPERIMENT, "control: 0.5, free: 0.5", weights)
    )

    with pytest.raises(ConfigError) as caught:
        load_config(root)

    assert str(caught.value) == f"experiments/free_shipping.yaml:10: no positive weight for {side}: nothing to compare"


def test_an_arm_may_be_without_traffic_beside_others(write_config):
    root = write_config(
        ("experiments/badges.yaml", "{id: gold, weight: 0.3}", "{id: gold, weight: 0}"),
        ("experiments/badges.yaml", "{id: silver, weight: 0.4}", "{id: silver, weight: 0.7}"),
    )

    assert [variant.weight for variant in load_config(root).experiments["badges"].variants] == [0.3, 0, 0.7]


def test_weights_may_miss_one_by_rounding(write_config):
    root = write_config(
        ("experiments/badges.yaml", "id: gold, weight: 0.3", "id: gold, weight: 0.3000000001"),
    )

    assert load_config(root).experiments["badges"].variants[1].weight == 0.3000000001


@pytest.mark.parametrize("alpha", [0.01, 0.05, 0.1, 0.3])
@pytest.mark.parametrize("from_bound", [-0.01, -1e-9, 0, 1e-9, 0.004])
def test_the_powers_refused_are_those_that_the_power_gate_can_never_meet(write_config, alpha, from_bound):
    power = 1 - alpha / 2 + from_bound
    root = write_config((EXPERIMENT, "minimum_days: 14", f"alpha: {alpha}\n  power: {power!r}"))

    try:
        experiment = load_config(root).experiments["free_shipping"]
    except ConfigError as refused:
        assert "no sample size reaches power" in str(refused)
        assert np.isnan(per_test_power(power, alpha / 2, n_guardrails=1))
        assert from_bound >= 0
    else:
        assert per_test_power(power, deterioration_alpha(experiment), n_guardrails=1) < 1
        assert from_bound <= 0


def test_a_single_comparison_needs_no_correction(write_config):
    root = write_config((EXPERIMENT, "minimum_days: 14", "correction: none"))

    assert load_config(root).experiments["free_shipping"].analysis.correction == "none"
