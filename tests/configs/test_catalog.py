"""Metrics into columns: what is shared, what differs, and the numbers in it."""

from configs.catalog import metric_catalog
from configs.load import load_config

ORDERS = "metrics/orders.yaml"


def catalog_of(root):
    catalog = metric_catalog(load_config(root))
    by_id = {metric["metric_id"]: metric for metric in catalog["metrics"]}
    values = {value["column"]: value for value in catalog["unit_values"]}
    components = {component["column"]: component for component in catalog["components"]}
    return catalog, by_id, values, components


def without(entry, *keys):
    return {key: value for key, value in entry.items() if key not in keys}


def test_a_mean_with_cap_and_covariate(write_config):
    catalog, metrics, values, components = catalog_of(write_config())

    revenue = metrics["revenue"]
    assert without(revenue, "value", "covariate", "history", "metric_hash") == {
        "metric_id": "revenue", "type": "mean", "is_binary": False, "decimals": 2, "end_days": 7,
        "cap_upper": 50000, "cap_quantile": None,
        "denominator": None, "denominator_decimals": 0, "denominator_cap_upper": None, "lookback_days": 14,
    }  # fmt: skip
    value, covariate, history = (values[revenue[name]] for name in ("value", "covariate", "history"))
    assert without(value, "column", "component") == {"aggregate": "sum", "first_day": 0, "last_day": 6}
    assert without(covariate, "column", "component") == {"aggregate": "sum", "first_day": -14, "last_day": -1}
    assert without(history, "column", "component") == {"aggregate": "sum", "first_day": -14, "last_day": -1}
    assert covariate["component"] == value["component"]
    assert without(components[value["component"]], "column") == {
        "source_id": "shop_events", "event_name": "purchase",
        "where": [{"property": "channel", "op": "in", "values": ["web"], "negated": False}],
        "aggregate": "sum", "measure": "amount", "open_ended": False,
    }  # fmt: skip
    assert without(components[history["component"]], "column") == {
        "source_id": "shop_events", "event_name": None, "where": [],
        "aggregate": "count", "measure": None, "open_ended": False,
    }  # fmt: skip
    assert catalog["lookback_days"] == 14


def test_a_ratio_has_two_values_and_its_cap_applies_to_both(write_config):
    root = write_config((ORDERS, "window: {end_days: 14}", "window: {end_days: 14}\n  cap: {upper: 500}"))

    _, metrics, values, components = catalog_of(root)

    ratio = metrics["order_value"]
    numerator, denominator = values[ratio["value"]], values[ratio["denominator"]]
    assert (ratio["decimals"], ratio["denominator_decimals"]) == (2, 0)
    assert (ratio["cap_upper"], ratio["denominator_cap_upper"]) == (50000, 500)
    assert (numerator["last_day"], denominator["last_day"]) == (13, 13)
    assert components[numerator["component"]]["aggregate"] == "sum"
    assert components[denominator["component"]]["aggregate"] == "count"


def test_proportion_and_retention_are_binary_counts(write_config):
    _, metrics, values, components = catalog_of(write_config())

    retention = metrics["retention"]
    value = values[retention["value"]]
    assert (retention["is_binary"], retention["decimals"], retention["end_days"]) == (True, 0, 8)
    assert (value["first_day"], value["last_day"], value["aggregate"]) == (7, 7, "sum")
    assert components[value["component"]]["aggregate"] == "count"
    assert metrics["conversion"]["is_binary"]


def test_a_metric_without_window_is_open_ended(write_config):
    _, metrics, values, components = catalog_of(write_config())

    load_time = metrics["load_time"]
    value = values[load_time["value"]]
    assert load_time["end_days"] is None
    assert (load_time["decimals"], load_time["lookback_days"], load_time["covariate"]) == (3, 0, None)
    assert (value["aggregate"], value["first_day"], value["last_day"]) == ("max", 0, None)
    assert components[value["component"]]["open_ended"]


def test_a_quantile_cap_is_text_without_padding(write_config):
    root = write_config((ORDERS, "{upper: 500}", "{upper_quantile: 0.9990}"))

    _, metrics, _, _ = catalog_of(root)

    assert (metrics["revenue"]["cap_quantile"], metrics["revenue"]["cap_upper"]) == ("0.999", None)


def test_metrics_share_the_columns_they_have_in_common(write_config):
    extra = """\
- {id: orders, type: mean, source: shop_events, event: purchase, aggregate: count, window: {end_days: 7}}
- {id: later, type: mean, source: shop_events, event: purchase, aggregate: count, window: {end_days: 9}}
"""
    before, *_ = catalog_of(write_config())
    catalog, metrics, values, _ = catalog_of(write_config(files={"metrics/extra.yaml": extra}))

    assert metrics["orders"]["value"] == metrics["conversion"]["value"]
    assert metrics["orders"]["metric_hash"] != metrics["conversion"]["metric_hash"]
    later = values[metrics["later"]["value"]]
    assert later["component"] == values[metrics["orders"]["value"]]["component"]
    assert catalog["components"] == before["components"]
    assert len(catalog["unit_values"]) == len(before["unit_values"]) + 1


def test_conditions_are_normalised(write_config):
    def columns(where):
        root = write_config((ORDERS, 'where: [{property: channel, op: "=", value: web}]', f"where: {where}"))
        _, metrics, values, components = catalog_of(root)
        return components[values[metrics["revenue"]["value"]]["component"]]

    listed = columns(
        "[{property: coupon, op: not in, value: [b, a, b]}, {property: channel, op: in, value: [1, true]}]"
    )
    assert listed["where"] == [
        {"property": "channel", "op": "in", "values": ["1", "true"], "negated": False},
        {"property": "coupon", "op": "in", "values": ["a", "b"], "negated": True},
    ]
    assert columns("[{property: channel, value: web}]") == columns("[{property: channel, op: in, value: [web]}]")
    assert columns("[{property: channel, op: '!=', value: 1.5}]")["where"] == [
        {"property": "channel", "op": "in", "values": ["1.5"], "negated": True}
    ]


def test_a_changed_definition_gets_another_column_and_a_description_does_not(write_config):
    _, before, _, _ = catalog_of(write_config())

    def revenue(*replacement):
        _, metrics, _, _ = catalog_of(write_config(replacement))
        return metrics["revenue"]

    assert revenue(ORDERS, "label: Revenue per user", "description: other words") == before["revenue"]
    assert revenue("sources.yaml", "decimals: 2", "decimals: 4")["value"] != before["revenue"]["value"]
    assert revenue(ORDERS, "value: web", "value: app")["value"] != before["revenue"]["value"]
    capped = revenue(ORDERS, "upper: 500", "upper: 600")
    assert capped["value"] == before["revenue"]["value"]
    assert capped["metric_hash"] != before["revenue"]["metric_hash"]


def test_sources_and_attributes_are_listed_in_order(write_config):
    catalog, *_ = catalog_of(write_config())

    assert catalog["attributes"] == ["country", "device"]
    assert catalog["exposure_sources"] == [{"source_id": "web", "attributes": ["country", "device"]}]
    assert catalog["event_sources"] == [
        {"source_id": "shop_events", "measures": ["amount", "duration"], "properties": ["channel", "coupon"]}
    ]
    assert catalog["late_arrival_days"] == 3


NO_STRATA = {"attributes": [], "by_epoch": False, "metrics": []}


def test_epochs_are_strata_where_weights_change(write_config):
    epoch = "{from: 2026-10-05, weights: {control: 0.5, free: 0.5}}"
    changed = (
        "experiments/free_shipping.yaml",
        epoch,
        epoch.replace("control: 0.5, free: 0.5", "control: 0.9, free: 0.1"),
    )

    assert catalog_of(write_config(changed))[0]["strata"] == {
        "attributes": [],
        "by_epoch": True,
        "metrics": ["conversion", "order_value", "retention", "revenue"],
    }


def test_strata_are_those_of_analysed_experiments_that_ask_for_them(write_config):
    free, badges = "experiments/free_shipping.yaml", "experiments/badges.yaml"
    stratified = "\nanalysis: {minimum_days: 3, adjustment: post_stratification, strata: [device]}\n"
    of_badges = (badges, "  primary: [load_time]\n", f"  primary: [load_time]{stratified}")
    of_free = (free, "  minimum_days: 14", "  minimum_days: 14\n  adjustment: post_stratification\n  strata: [country]")

    assert catalog_of(write_config())[0]["strata"] == NO_STRATA
    assert catalog_of(write_config(of_badges))[0]["strata"] == NO_STRATA  # it is a draft
    assert catalog_of(write_config(of_badges, (badges, "status: draft\n", ""), of_free))[0]["strata"] == {
        "attributes": ["country", "device"],
        "by_epoch": False,
        "metrics": ["conversion", "load_time", "order_value", "retention", "revenue"],
    }


def test_a_project_without_metrics_has_an_empty_catalog(write_config):
    root = write_config(
        files={
            "metrics/orders.yaml": None,
            "metrics/visits.yaml": "[]\n",
            "experiments/badges.yaml": None,
            "experiments/free_shipping.yaml": None,
        }
    )
    (root / "experiments").mkdir()

    catalog, *_ = catalog_of(root)

    assert (catalog["metrics"], catalog["components"], catalog["lookback_days"]) == ([], [], 0)
