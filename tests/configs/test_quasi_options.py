"""Quasi-experiments in YAML: what is accepted, and what is refused with file and line."""

from datetime import date

import pytest

from configs.load import ConfigError, load_config
from configs.panel_catalog import panel_catalog
from configs.quasi_periods import panel_days
from configs.render import config_hash

FILE = "experiments/delivery.yaml"
METRICS = """\
- {id: spend, type: mean, source: shop_events, event: purchase, aggregate: sum, measure: amount}
- {id: score, type: ratio, numerator: {source: shop_events, event: view, aggregate: sum, measure: duration},
   denominator: {source: shop_events, event: view}}
"""
DELIVERY = """\
id: delivery
type: difference_in_differences
start: 2026-10-01
end: 2026-10-28
difference_in_differences:
  group: channel
  adoption: {web: 2026-10-15}
metrics: {primary: [spend]}
"""
MATCHED = """\
id: delivery
type: matched
start: 2026-10-01
end: 2026-10-28
matched: {treatment: spend, uptake_from: 2026-10-08, outcome_from: 2026-10-10, covariates: [spend]}
metrics: {primary: [spend]}
"""
CUTOFF = """\
id: delivery
type: regression_discontinuity
start: 2026-10-01
end: 2026-10-28
regression_discontinuity: {running: score, cutoff: 3, outcome_from: 2026-10-10}
metrics: {primary: [spend]}
"""
CASES = [
    (DELIVERY, "  adoption: {web: 2026-10-15}\n", "  adoption: {web: 2026-10-01}\n",
     "7: adoption 2026-10-01 is not after start 2026-10-01 and up to end 2026-10-28: days before it are what the group"
     " is compared with; a group that adopts later needs no date"),
    (DELIVERY, "group: channel", "group: chanel",
     "6: source 'shop_events' declares no property 'chanel'; did you mean 'channel'?"),
    (DELIVERY, "[spend]", "[revenue]",
     "8: metric 'revenue' has a window since exposure, and a quasi-experiment has no exposures: use one without"),
    (DELIVERY, "[spend]", "[load_time]",
     "8: metric 'load_time' aggregates by max; a quasi-experiment takes sum and count"),
    (DELIVERY, "metrics:", "segments: [country]\nmetrics:",
     "8: 'segments' is of randomised units: drop it from a quasi-experiment"),
    (DELIVERY, "type: difference_in_differences", "type: matched",
     "2: type matched needs a block `matched:` that says what is compared"),
    (DELIVERY, "{primary: [spend]}", "{primary: [spend], guardrail: [{metric: score, level: 3}]}",
     "8: a quasi-experiment estimates a change, not a level: use non_inferiority_margin or absolute_margin"),
    (MATCHED, "outcome_from: 2026-10-10", "outcome_from: 2026-10-08",
     "5: outcome_from 2026-10-08 is not after uptake_from 2026-10-08"),
    (MATCHED, "covariates: [spend]", "covariates: [spent]", "5: unknown metric 'spent'; did you mean 'spend'?"),
    (CUTOFF, "running: score", "running: spend",
     "5: metric 'spend' is a mean, and 0 for a unit without score: use a ratio, score per scoring"),
]  # fmt: skip


@pytest.fixture
def written(write_config):
    def write(text):
        return write_config(files={FILE: text, "metrics/quasi.yaml": METRICS})

    return write


@pytest.mark.parametrize("text", [DELIVERY, MATCHED, CUTOFF], ids=["differences", "matched", "cut-off"])
def test_a_design_needs_no_variants(written, text):
    experiment = load_config(written(text)).experiments["delivery"]

    assert [variant.id for variant in experiment.variants] == ["control", "treated"]
    assert experiment.is_quasi and experiment.design is not None


@pytest.mark.parametrize(("text", "old", "new", "expected"), CASES, ids=[case[3][:50] for case in CASES])
def test_what_a_design_cannot_be_computed_of_is_refused(written, text, old, new, expected):
    assert text.count(old) == 1
    with pytest.raises(ConfigError) as caught:
        load_config(written(text.replace(old, new)))

    assert expected in [line.removeprefix(f"{FILE}:") for line in str(caught.value).splitlines()]


def test_a_block_of_another_type_is_refused(write_config):
    file = "experiments/badges.yaml"
    block = "interrupted_time_series: {break_date: 2026-09-15}\nstatus: draft"
    with pytest.raises(ConfigError, match="'interrupted_time_series' goes with type interrupted_time_series, not ab"):
        load_config(write_config((file, "status: draft", block)))


def test_days_belong_to_the_phase_that_began_last(written):
    phases = dict(panel_days(load_config(written(MATCHED)).experiments["delivery"]))

    assert len(phases) == 28
    assert phases[date(2026, 10, 7)] == date(2026, 10, 1)
    assert phases[date(2026, 10, 9)] == date(2026, 10, 8)
    assert phases[date(2026, 10, 28)] == date(2026, 10, 10)


def test_without_one_the_catalog_has_nothing_of_them(write_config, written):
    assert panel_catalog(load_config(write_config())) == {}
    found = panel_catalog(load_config(written(DELIVERY)))
    assert found == {"panels": {"metrics": ["spend"], "group_properties": ["channel"]}}


def test_the_design_is_part_of_the_hash(written):
    hashes = set()
    for text in (DELIVERY, DELIVERY.replace("2026-10-15", "2026-10-16"), DELIVERY.replace("  group: channel\n", "")):
        config = load_config(written(text))
        hashes.add(config_hash(config, config.experiments["delivery"]))
    assert len(hashes) == 3
