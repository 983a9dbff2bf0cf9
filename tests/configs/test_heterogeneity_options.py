"""Pairs of segments and trends in YAML: what is refused, rendered and pinned."""

import pytest

from configs.catalog import metric_catalog
from configs.load import ConfigError, load_config
from configs.pinning import config_hash, pinned_config
from configs.render import render

EXPERIMENT = "experiments/free_shipping.yaml"
OLD = "segments: [country, device]"


def loaded(write_config, text: str):
    return load_config(write_config((EXPERIMENT, OLD, f"{OLD}\n{text}")))


@pytest.mark.parametrize(("text", "message"), [
    ("segment_pairs: [[country, devise]]",
     "17: a pair is of two `segments`; 'devise' is not one of them; did you mean 'device'?"),
    ("segment_pairs: [[country, country]]", "17: a pair needs two different segments, not 'country' twice"),
    ("segment_pairs: [[country, device], [device, country]]",
     "17: the pair of 'device' and 'country' is listed twice"),
    ("trends: {days: 2}", "17: trends.days: "),
])  # fmt: skip
def test_what_cannot_be_is_refused(write_config, text, message):
    with pytest.raises(ConfigError) as caught:
        loaded(write_config, text)
    assert any(line.startswith(f"{EXPERIMENT}:{message}") for line in str(caught.value).splitlines()), caught.value


def test_trends_need_days_in_which_a_unit_can_be_exposed_for_all_of_them(write_config):
    badges = ("experiments/badges.yaml", "metrics:\n", "trends: {days: 12}\nmetrics:\n")
    with pytest.raises(ConfigError) as caught:
        load_config(write_config(badges))
    assert str(caught.value) == (
        "experiments/badges.yaml:9: no unit is exposed for 12 days: results go from 2026-09-10 to"
        " 2026-09-20, which is 11"
    )


def test_trends_need_a_metric_that_has_a_value_of_a_day(write_config):
    ratio = "metrics:\n  primary: [order_value]\n"
    badges = ("experiments/badges.yaml", "metrics:\n  primary: [load_time]\n", f"trends: {{days: 5}}\n{ratio}")
    with pytest.raises(ConfigError, match=r"badges.yaml:9: trends are of means \(not of count_distinct\), proportions"):
        load_config(write_config(badges))


def test_a_pair_is_a_segment_of_its_own(write_config, tmp_path):
    config = loaded(write_config, "segment_pairs: [[device, country]]")
    assert metric_catalog(config)["segment_pairs"] == [["device", "country"]]
    render(config, tmp_path / "generated")
    assert (tmp_path / "generated/experiment_segments.csv").read_text() == (
        'experiment_id,segment_name\nfree_shipping,country\nfree_shipping,device\nfree_shipping,"device, country"\n'
    )


def test_trends_are_rows_and_their_metrics_columns(write_config, tmp_path):
    config = loaded(write_config, "trends: {}")
    catalog = metric_catalog(config)
    assert catalog["trends"] == {"days": 14, "metrics": ["conversion", "retention", "revenue"]}
    render(config, tmp_path / "generated")
    assert (tmp_path / "generated/experiment_trends.csv").read_text() == "experiment_id,days\nfree_shipping,14\n"


def test_without_them_nothing_is_asked_of_the_models(write_config):
    catalog = metric_catalog(load_config(write_config()))
    assert (catalog["segment_pairs"], catalog["trends"]) == ([], {"days": 0, "metrics": []})


def test_both_are_part_of_the_hash_and_absent_ones_change_none(write_config):
    texts = ["", "segment_pairs: []", "segment_pairs: [[country, device]]", "trends: {}", "trends: {days: 14}"]
    configs = [loaded(write_config, text) for text in texts]
    hashes = [config_hash(config, config.experiments["free_shipping"]) for config in configs]
    assert hashes[0] == hashes[1] and hashes[3] == hashes[4] and len(set(hashes)) == 3
    pinned = pinned_config(configs[3], configs[3].experiments["free_shipping"])["experiment"]
    assert pinned["trends"] == {"days": 14} and "segment_pairs" not in pinned


def test_overlaps_are_asked_of_the_project_and_change_no_hash(write_config):
    plain, asked = (
        load_config(write_config(("project.yaml", "name: shop\n", f"name: shop\n{text}")))
        for text in ("", "overlaps: {}\n")
    )
    assert metric_catalog(plain)["overlaps"] is None
    assert metric_catalog(asked)["overlaps"] == {
        "minimum_shared_units": 1000, "metrics": ["conversion", "order_value", "retention", "revenue"],
    }  # fmt: skip
    assert config_hash(plain, plain.experiments["free_shipping"]) == config_hash(
        asked, asked.experiments["free_shipping"]
    )


def test_too_few_shared_units_are_refused(write_config):
    with pytest.raises(ConfigError, match=r"project.yaml:2: overlaps.minimum_shared_units: must be at least 20, got 1"):
        load_config(write_config(("project.yaml", "name: shop\n", "name: shop\noverlaps: {minimum_shared_units: 1}\n")))
