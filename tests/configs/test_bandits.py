"""`bandit`: what it asks of an experiment, by line, and what is rendered of it."""

import csv

import pytest

from configs.catalog import metric_catalog
from configs.load import ConfigError, load_config
from configs.pinning import config_hash
from configs.render import render

FILE = "experiments/headline.yaml"
BANDIT = """\
id: headline
type: bandit
start: 2026-10-01
end: 2026-10-03
variants:
  - {id: plain, weight: 0.4, baseline: true}
  - {id: short, weight: 0.3}
  - {id: bold, weight: 0.3}
metrics: {primary: [conversion], secondary: [order_value]}
bandit:
  reward: conversion
  policies: [{id: only_bold, shares: {bold: 1}}]
analysis: {minimum_days: 3}
"""


def rows(folder, name):
    with (folder / f"{name}.csv").open(newline="") as file:
        return [tuple(row.values()) for row in csv.DictReader(file) if row["experiment_id"] == "headline"]


def test_its_means_are_kept_by_batch_and_each_day_is_an_epoch(write_config, tmp_path):
    config = load_config(write_config(files={FILE: BANDIT}))
    render(config, tmp_path / "generated")
    assert rows(tmp_path / "generated", "experiment_batches") == [("headline", "conversion")]
    epochs = rows(tmp_path / "generated", "experiment_epochs")
    assert [row[1:] for row in epochs if row[3] == "bold"] == [
        ("0", "2026-10-01", "bold", "0.3"),
        ("1", "2026-10-02", "bold", "0.3"),
        ("2", "2026-10-03", "bold", "0.3"),
    ]
    assert metric_catalog(config)["batches"] == {"metrics": ["conversion"]}


def test_another_floor_is_another_configuration(write_config):
    hashes = {
        config_hash(config, config.experiments["headline"])
        for text in (BANDIT, BANDIT.replace("  reward", "  floor: 0.1\n  reward"))
        for config in [load_config(write_config(files={FILE: text}))]
    }
    assert len(hashes) == 2


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("bandit:\n  reward: conversion\n  policies: [{id: only_bold, shares: {bold: 1}}]\n", "",
         "2: a bandit needs `bandit: {reward: <metric>}`: what its units are allocated by"),
        ("type: bandit\n", "", "1: `bandit` is of type bandit, not ab"),
        ("  reward: conversion", "  floor: 0.4\n  reward: conversion",
         "11: 3 variants cannot each get 0.4; at most 0.3333"),
        ("  - {id: bold, weight: 0.3}", "  - {id: bold, weight: 0.28}\n  - {id: rare, weight: 0.02}",
         "9: 'rare' starts below the floor of 0.05; raise its weight"),
        ("reward: conversion", "reward: order_value",
         "11: 'order_value' isn't a primary metric: what units are allocated by decides"),
        ("primary: [conversion], secondary: [order_value]", "primary: [conversion, order_value]",
         "9: 'order_value' is a ratio, which a bandit has no inference for; make it secondary"),
        ("secondary: [order_value]", "guardrail: [{metric: retention, non_inferiority_margin: 0.1}]",
         "9: a bandit's guardrail has an `absolute_margin`: arms' means are of other days"),
        ("{bold: 1}", "{bald: 1}", "12: unknown variant 'bald'; did you mean 'bold'?"),
        ("{bold: 1}", "{bold: 0.9}", "12: the policy's shares sum to 0.9, not to 1"),
        ("minimum_days: 3", "minimum_days: 3, method: always_valid",
         "13: a bandit is decided once, fixed; method 'always_valid' is not for it"),
        ("metrics:", "segments: [country]\nmetrics:",
         "9: a bandit has no effects by segment: batches of a segment are too small"),
        ("metrics:", "hashing: {salt: x}\nmetrics:",
         "9: a bandit's buckets change each day, so that no hashing can be held against its log"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_where_it_stands(write_config, old, new, expected):
    assert BANDIT.count(old) == 1
    with pytest.raises(ConfigError) as caught:
        load_config(write_config(files={FILE: BANDIT.replace(old, new)}))
    messages = [str(problem) for problem in caught.value.problems]
    assert any(message.startswith(f"{FILE}:{expected}") for message in messages), messages


def test_a_reward_without_window_is_refused(write_config):
    open_ended = BANDIT.replace("conversion", "load_time")
    with pytest.raises(ConfigError, match="'load_time' has no window: early batches would have had longer to earn"):
        load_config(write_config(files={FILE: open_ended}))
