"""`type: categorical`: what it takes, where it may stand, and the columns it becomes."""

import pytest

from configs.catalog import metric_catalog
from configs.load import ConfigError, load_config
from configs.pinning import config_hash, pinned_config
from configs.schema import Metric

EXTRA, FREE = "metrics/extra.yaml", "experiments/free_shipping.yaml"
CATEGORICAL = (
    "{id: channel_used, type: categorical, source: shop_events, event: purchase, property: channel,"
    " categories: [web, 1, true], window: {end_days: 7}}"
)
SECONDARY = (FREE, "secondary: [revenue, retention]", "secondary: [revenue, retention, channel_used]")


def errors_of(root):
    with pytest.raises(ConfigError) as caught:
        load_config(root)
    return [str(problem) for problem in caught.value.problems]


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("property: channel,", "", "a categorical needs `property`: which one holds the category"),
        ("property: channel", "property: chanel",
         "source 'shop_events' declares no property 'chanel'; did you mean 'channel'?"),
        (" categories: [web, 1, true],", "", "`categories` goes with type categorical, and only there"),
        ("[web, 1, true]", "[other]", "category 'other' is there by itself; rename it or drop it from `categories`"),
        ("[web, 1, true]", "[web, 1, '1']", "`categories` lists each once, at most 50 of them"),
        ("[web, 1, true]", str([f"c{n}" for n in range(51)]), "`categories` lists each once, at most 50 of them"),
        ("}}", "}, aggregate: count}",
         "a categorical takes the category of a unit's first event: no other aggregate, no measure"),
        ("}}", "}, direction: increase}",
         "a categorical has no mean and no better way: no `cap`, `covariate` or `direction`"),
        ("type: categorical", "type: mean", "`categories` goes with type categorical, and only there"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said(write_config, old, new, expected):
    errors = errors_of(write_config(files={EXTRA: f"- {CATEGORICAL.replace(old, new)}\n"}))

    assert errors == [f"metrics/extra.yaml:1: metric 'channel_used': {expected}"]


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("primary: [conversion]", "primary: [channel_used]", "18: a primary metric is to be better"),
        ("metric: order_value, non", "metric: channel_used, non", "21: a guardrail is not to be worse"),
        ("metric: conversion,", "metric: channel_used,", "7: a prediction is of an effect with a sign"),
    ],
)  # fmt: skip
def test_it_is_nowhere_where_a_better_way_is_asked_for(write_config, old, new, expected):
    root = write_config((FREE, old, new), SECONDARY, files={EXTRA: f"- {CATEGORICAL}\n"})

    assert (
        f"experiments/free_shipping.yaml:{expected}, and categorical metric 'channel_used' has no better way: make it"
        " secondary, or use the share of one category, a proportion with `where`"
    ) in errors_of(root)


@pytest.mark.parametrize(
    ("option", "expected"),
    [
        ("method: always_valid", "the chi-squared test holds at one planned look; use method fixed"),
        ("correction: dunnett", "correction dunnett doesn't go with categorical metrics ('channel_used'); use holm"),
        ("alternative: improvement", "which have no better way; use two_sided"),
        ("equivalence: [{metric: channel_used, absolute_margin: 0.1}]", "an equivalence test is of means"),
    ],
)
def test_its_experiment_asks_once_and_both_ways(write_config, option, expected):
    root = write_config(SECONDARY, (FREE, "minimum_days: 14", option), files={EXTRA: f"- {CATEGORICAL}\n"})

    (error,) = errors_of(root)
    assert expected in error


def test_a_unit_s_category_is_one_column(write_config):
    catalog = metric_catalog(load_config(write_config(files={EXTRA: f"- {CATEGORICAL}\n"})))

    (metric,) = (one for one in catalog["metrics"] if one["metric_id"] == "channel_used")
    (value,) = (one for one in catalog["unit_values"] if one["column"] == metric["value"])
    (component,) = (one for one in catalog["components"] if one["column"] == value["component"])
    assert metric["categories"] == ["web", "1", "true", "other", "none"]
    assert (value["aggregate"], value["first_day"], value["last_day"]) == ("max", 0, 6)
    assert component | {"column": ""} == {
        "column": "", "source_id": "shop_events", "event_name": "purchase", "where": [], "aggregate": "first",
        "measure": None, "open_ended": False, "property": "channel", "categories": ["web", "1", "true"],
    }  # fmt: skip


def test_the_pinned_configuration_is_the_metric_again(write_config):
    def pinned(categories):
        metric = CATEGORICAL.replace("[web, 1, true]", categories)
        config = load_config(write_config(SECONDARY, files={EXTRA: f"- {metric}\n"}))
        experiment = config.experiments["free_shipping"]
        return pinned_config(config, experiment), config_hash(config, experiment)

    (config, its_hash), (_, same), (_, other) = map(pinned, ("[web, 1, true]", "[web, '1', 'true']", "[web, '1']"))
    assert its_hash == same != other
    assert config["sources"]["events"][0]["properties"] == ["channel"]
    again = Metric.model_validate(config["metrics"]["channel_used"] | {"id": "channel_used"})
    assert again.all_categories == ("web", "1", "true", "other", "none")
