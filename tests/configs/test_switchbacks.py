"""`switchback`: what it asks of an experiment, by line, and what is rendered of it."""

import csv

import pytest

from configs.catalog import metric_catalog
from configs.load import ConfigError, load_config
from configs.pinned_files import pin, read_pinned, write_configuration
from configs.render import render

FILE = "experiments/dispatch.yaml"
METRICS = "metrics/rides.yaml"
RIDES = """\
- {id: rides, type: mean, source: shop_events, event: purchase, aggregate: count}
- {id: weekly_rides, type: mean, source: shop_events, event: purchase, aggregate: count, window: {end_days: 7}}
"""
DISPATCH = """\
id: dispatch
type: switchback
start: 2026-10-01
end: 2026-10-14
switchback: {attribute: country, period_minutes: 60, block_periods: 6, carryover_periods: 2}
variants:
  - {id: old, weight: 0.5, baseline: true}
  - {id: new, weight: 0.5}
metrics: {primary: [rides]}
"""


def test_its_periods_are_rendered_and_its_units_are_not_followed(write_config, tmp_path):
    config = load_config(write_config(files={FILE: DISPATCH, METRICS: RIDES}))
    render(config, tmp_path / "generated")

    def rendered(name: str) -> list[dict[str, str]]:
        with (tmp_path / "generated" / f"{name}.csv").open(newline="") as file:
            return [row for row in csv.DictReader(file) if row["experiment_id"] == "dispatch"]

    source = config.experiments["dispatch"].exposure_source
    assert [(row["exposure_source"], row["starts_at"][:10]) for row in rendered("experiment_switchbacks")] == [
        (source, rendered("experiments")[0]["start_date"])
    ]
    assert rendered("experiment_switchback_metrics") == [{"experiment_id": "dispatch", "metric_id": "rides"}]
    assert rendered("experiments")[0]["exposure_source"] == "" and rendered("experiment_metrics") == []
    assert metric_catalog(config)["switchbacks"] == {"metrics": ["rides"], "attributes": ["country"]}


def test_it_is_read_back_as_it_was_pinned(write_config, tmp_path):
    config = load_config(write_config(files={FILE: DISPATCH, METRICS: RIDES}))
    path = pin(tmp_path / "pins", config, config.experiments["dispatch"])
    again = write_configuration(tmp_path / "again", [read_pinned(tmp_path / "pins", path.stem)])
    assert again.experiments["dispatch"].switchback == config.experiments["dispatch"].switchback


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("attribute: country", "attribute: town", "5: exposure source 'web' has no attribute 'town'"),
        ("period_minutes: 60", "period_minutes: 50", "5: periods of 50 minutes don't make a day"),
        ("block_periods: 6", "block_periods: 2", "5: blocks of 2 periods have none left after a carryover of 2"),
        ("block_periods: 6", "block_periods: 90", "5: 336 periods are fewer than 4 blocks of 90"),
        ("block_periods: 6, carryover_periods: 2", "carryover_periods: 5", "5: 336 periods are no multiple of 5"),
        ("type: switchback", "type: ab", "5: 'switchback' goes with type switchback, not ab"),
        ("switchback: {", "# {", "2: type switchback needs a block"),
        ("[rides]", "[weekly_rides]", "9: metric 'weekly_rides' has a window since exposure"),
        ("metrics:", "segments: [device]\nmetrics:", "9: 'segments' is of units that keep a variant"),
        ("metrics:", "analysis: {method: always_valid}\nmetrics:", "9: a switchback is compared once, fixed"),
        ("[rides]}", "[rides], guardrail: [{metric: conversion, non_inferiority_margin: 0.1}]}",
         "9: a guardrail of a switchback has an `absolute_margin`"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_where_it_stands(write_config, old, new, expected):
    assert DISPATCH.count(old) == 1
    with pytest.raises(ConfigError) as caught:
        load_config(write_config(files={FILE: DISPATCH.replace(old, new), METRICS: RIDES}))
    messages = [str(problem) for problem in caught.value.problems]
    assert any(message.startswith(f"{FILE}:{expected}") for message in messages), messages
