"""`aggregate: count_distinct`: what it takes, and the columns it becomes."""

import pytest

from configs.catalog import metric_catalog
from configs.load import ConfigError, load_config
from configs.pinning import config_hash, pinned_config

EXTRA, BADGES = "metrics/extra.yaml", "experiments/badges.yaml"
DISTINCT = (
    "{id: distinct, type: mean, source: shop_events, event: purchase, aggregate: count_distinct, property: coupon"
)


def errors_of(root):
    with pytest.raises(ConfigError) as caught:
        load_config(root)
    return [str(problem) for problem in caught.value.problems]


@pytest.mark.parametrize(
    ("metric", "expected"),
    [
        (DISTINCT.replace(", property: coupon", "") + "}",
         "aggregate 'count_distinct' counts the different values of one column; give `property`, or `measure`"),
        (DISTINCT + ", measure: amount}",
         "aggregate 'count_distinct' counts the different values of one column; give `property`, or `measure`"),
        (DISTINCT.replace("coupon", "cupon") + "}",
         "source 'shop_events' declares no property 'cupon'; did you mean 'coupon'?"),
        (DISTINCT.replace("count_distinct", "count") + "}",
         "aggregate 'count' takes no property; drop `property` or use 'count_distinct'"),
        (DISTINCT.replace("property: coupon", "measure: amount") + ", cap: {upper: 2.5}}",
         "cap 2.5 is finer than the 0 decimals of aggregate 'count_distinct'"),
        (DISTINCT.replace("count_distinct", "first") + "}",
         "aggregate 'first' goes with type categorical, and only there"),
        ("{id: distinct, type: ratio, property: coupon, numerator: {source: shop_events, event: purchase},"
         " denominator: {source: shop_events, event: visit}}",
         "a ratio takes numerator and denominator, not property"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said(write_config, metric, expected):
    errors = errors_of(write_config(files={EXTRA: f"- {metric}\n"}))

    assert errors == [f"metrics/extra.yaml:1: metric 'distinct': {expected}"]


def columns_of(write_config, metrics):
    catalog = metric_catalog(load_config(write_config(files={EXTRA: metrics})))
    by_id = {metric["metric_id"]: metric for metric in catalog["metrics"]}
    values = {value["column"]: value for value in catalog["unit_values"]}
    components = {component["column"]: component for component in catalog["components"]}
    return catalog, by_id, values, components


def test_each_window_counts_its_own_values_of_one_set(write_config):
    short = f"- {DISTINCT}, window: {{start_days: 1, end_days: 3}}, covariate: {{lookback_days: 2}}}}\n"
    long = f"- {DISTINCT}, window: {{end_days: 7}}}}\n".replace("id: distinct", "id: in_a_week")
    catalog, by_id, values, components = columns_of(write_config, short + long)

    (value_set,) = catalog["value_sets"]
    assert value_set | {"column": ""} == {
        "column": "", "source_id": "shop_events", "event_name": "purchase", "where": [], "aggregate": "count_distinct",
        "measure": None, "property": "coupon", "open_ended": False,
    }  # fmt: skip
    window = values[by_id["distinct"]["value"]]
    assert (window["aggregate"], window["first_day"], window["last_day"]) == ("sum", 1, 2)
    counted = [
        components[values[column]["component"]]
        for column in (by_id["distinct"]["value"], by_id["distinct"]["covariate"], by_id["in_a_week"]["value"])
    ]
    assert [(one["values"], one["first_day"], one["last_day"]) for one in counted] == [
        (value_set["column"], 1, 2),
        (value_set["column"], -2, -1),
        (value_set["column"], 0, 6),
    ]


def test_a_measure_s_values_are_counted_whole(write_config):
    metric = DISTINCT.replace("property: coupon", "measure: amount")
    _, by_id, _, _ = columns_of(write_config, f"- {metric}}}\n")

    assert by_id["distinct"]["decimals"] == 0


def test_metrics_without_it_have_no_sets(write_config):
    assert metric_catalog(load_config(write_config()))["value_sets"] == []


def test_the_property_is_part_of_the_configuration_s_hash(write_config):
    def pinned(property_):
        metric = DISTINCT.replace("property: coupon", f"property: {property_}")
        config = load_config(write_config((BADGES, "[load_time]", "[distinct]"), files={EXTRA: f"- {metric}}}\n"}))
        experiment = config.experiments["badges"]
        return pinned_config(config, experiment), config_hash(config, experiment)

    (coupons, its_hash), (_, other_hash) = pinned("coupon"), pinned("channel")
    assert coupons["sources"]["events"][0]["properties"] == ["coupon"]
    assert coupons["metrics"]["distinct"]["property"] == "coupon"
    assert its_hash != other_hash
