"""Triggers, holdouts and exclusion groups in YAML: what is refused at which line, and what dbt is given of them."""

import pytest

from configs.load import ConfigError, load_config, load_config_tolerant
from configs.pinning import config_hash, pinned_config
from configs.render import render
from configs.triggers import populations_entry

EXPERIMENT = "experiments/free_shipping.yaml"
PROJECT = "project.yaml"
ALLOCATION = """\
allocation:
  - {from: 2026-10-01, weights: {free: 0.5, control: 0.5}}
  - {from: 2026-10-05, weights: {control: 0.5, free: 0.5}}
"""
TRIGGER = (
    "trigger: {source: shop_events, event: visit, where: [{property: channel, value: web}], counterfactual: true}\n"
)
WINTER = """\
id: winter
type: holdout
start: 2026-09-15
end: 2026-12-31
variants:
  - {id: held_out, weight: 0.1, baseline: true}
  - {id: everyone, weight: 0.9}
metrics: {primary: [conversion]}
"""
HOLDOUT = {"experiments/winter.yaml": WINTER}


def with_lines(text: str) -> tuple[str, str, str]:
    return EXPERIMENT, ALLOCATION, text


def test_everyone_is_kept_beside_a_triggered_experiment(write_config, tmp_path):
    config = load_config(write_config(with_lines(TRIGGER)))
    render(config, tmp_path)

    (entry,) = populations_entry(config)["triggers"]
    assert (entry["source_id"], entry["event_name"]) == ("shop_events", "visit")
    assert (tmp_path / "experiment_triggers.csv").read_text() == (
        f"experiment_id,everyone_id,trigger_hash\nfree_shipping,free_shipping/everyone,{entry['trigger_hash']}\n"
    )
    metrics = (tmp_path / "experiment_metrics.csv").read_text().splitlines()
    of_everyone = [line.split(",")[1] for line in metrics if line.startswith("free_shipping/everyone,")]
    assert of_everyone == ["conversion", "retention", "revenue"]  # not the ratio


def test_a_trigger_is_part_of_the_hash_and_nothing_changes_without_one(write_config):
    plain, triggered = (load_config(write_config(with_lines(text))) for text in ("", TRIGGER))
    hashes = [config_hash(one, one.experiments["free_shipping"]) for one in (plain, triggered)]
    pinned = pinned_config(triggered, triggered.experiments["free_shipping"])

    assert len(set(hashes)) == 2
    assert pinned["experiment"]["trigger"]["where"] == [{"property": "channel", "op": "in", "value": ["web"]}]
    assert {"trigger", "held_out", "holdouts", "exclusion_group"}.isdisjoint(
        pinned_config(plain, plain.experiments["free_shipping"])["experiment"]
    )
    assert "exclusion_groups" not in pinned["project"]


def test_a_holdout_brings_its_baseline_and_its_days(write_config, tmp_path):
    config = load_config(write_config(with_lines("holdouts: [winter]\n"), files=HOLDOUT))
    render(config, tmp_path)

    assert (tmp_path / "experiment_held_out.csv").read_text() == (
        "experiment_id,holdout_id,variant_id,since_date,until_date\n"
        "free_shipping,winter,held_out,2026-09-15,2026-12-31\n"
    )
    pinned = pinned_config(config, config.experiments["free_shipping"])["experiment"]
    assert "holdouts" not in pinned
    assert pinned["held_out"] == [
        {"experiment": "winter", "variant": "held_out", "since": "2026-09-15", "until": "2026-12-31"}
    ]


def test_a_broken_holdout_breaks_the_experiments_that_respect_it_and_no_other(write_config):
    broken = {"experiments/winter.yaml": WINTER.replace("conversion", "nothing")}
    config, _, reasons = load_config_tolerant(write_config(with_lines("holdouts: [winter]\n"), files=broken))

    assert list(config.experiments) == ["badges"]
    assert reasons["free_shipping"].startswith("holdout 'winter' is broken: experiments/winter.yaml:8:")


def test_experiments_of_a_group_that_run_at_once_exclude_each_other_both_ways(write_config, tmp_path):
    groups = (PROJECT, "name: shop\n", "name: shop\nexclusion_groups: [page]\n")
    other = WINTER.replace("type: holdout\n", "exclusion_group: page\n").replace("2026-12-31", "2026-10-10")
    later = other.replace("id: winter", "id: later").replace("2026-09-15", "2026-11-01").replace("10-10", "11-20")
    files = {"experiments/winter.yaml": other, "experiments/later.yaml": later}
    render(load_config(write_config(groups, with_lines("exclusion_group: page\n"), files=files)), tmp_path)

    assert (tmp_path / "experiment_exclusions.csv").read_text() == (
        "experiment_id,other_experiment_id,until_date\n"
        "free_shipping,winter,2026-10-10\nwinter,free_shipping,2026-10-10\n"
    )


CASES = [
    (TRIGGER.replace("shop_events", "shop_event"), {},
     "13: unknown source 'shop_event'; did you mean 'shop_events'?"),
    (TRIGGER.replace("channel", "chanel"), {},
     "13: source 'shop_events' declares no property 'chanel'; did you mean 'channel'?"),
    (TRIGGER.replace(", counterfactual: true", ""), {}, "13: trigger: missing key 'counterfactual'"),
    (ALLOCATION + TRIGGER, {},
     "16: isn't built yet: a trigger beside several allocation epochs, for units are triggered in a later epoch than"
     " they were assigned in; leave out one of the two"),
    ("holdouts: [wintr]\n", HOLDOUT, "13: unknown holdout 'wintr'; did you mean 'winter'?"),
    ("holdouts: [badges]\n", {}, "13: 'badges' is of type ab, not holdout"),
    ("exclusion_group: page\n", {},
     "13: unknown exclusion group 'page'; there are no exclusion_groups in project.yaml"),
]  # fmt: skip


@pytest.mark.parametrize(("lines", "files", "expected"), CASES, ids=[case[2][:50] for case in CASES])
def test_what_does_not_fit_is_refused_at_its_line(write_config, lines, files, expected):
    with pytest.raises(ConfigError) as caught:
        load_config(write_config(with_lines(lines), files=files))

    assert f"{EXPERIMENT}:{expected}" in str(caught.value).splitlines()
