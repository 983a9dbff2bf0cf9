"""`also` and `further` of a metric's covariate: what they come to, what they go with, and what they change."""

import pytest

from configs.catalog import metric_catalog
from configs.covariates import further_terms
from configs.load import ConfigError, load_config, load_config_tolerant
from configs.pinned_files import pin, read_pinned, write_configuration
from configs.pinning import config_hash

ORDERS, VISITS, SOURCES = "metrics/orders.yaml", "metrics/visits.yaml", "sources.yaml"
OWN = "  covariate: {lookback_days: 14}\n"
PAGES = """\
  - id: pages
    path: pages/{date}.csv
    format: csv
    columns: {event_id: id, unit_id: user_id, event_name: name, occurred_at: ts}
    measures: {seconds: {column: s, decimals: 1}}
"""
WITH_PAGES = (SOURCES, "    properties: [channel, coupon]\n", f"    properties: [channel, coupon]\n{PAGES}")
LONGEST = "{name: longest, source: pages, event: view, aggregate: max, measure: seconds}"


def listed(covariate: str) -> tuple[str, str, str]:
    """Revenue with these covariates."""
    return ORDERS, OWN, f"  covariate: {{lookback_days: 14, {covariate}}}\n"


def errors(root) -> str:
    with pytest.raises(ConfigError) as caught:
        load_config(root)
    return str(caught.value)


def names(config, metric_id: str) -> list[str]:
    return [term.name for term in further_terms(config.metrics[metric_id])]


def test_metrics_come_to_definitions_in_the_order_listed(write_config):
    config = load_config(write_config(listed(f"also: [retention, order_value], further: [{LONGEST}]"), WITH_PAGES))

    further = config.metrics["revenue"].further_covariates
    assert names(config, "revenue") == [
        *("retention", "order_value_numerator", "order_value_denominator", "longest", "no history in pages")
    ]
    assert [(one.type, one.event, one.measure) for one in further] == [
        *(("proportion", "visit", None), ("mean", "purchase", "amount"), ("mean", "purchase", None)),
        ("mean", "view", "seconds"),
    ]
    assert config.metrics["revenue"].covariate.also == ()


def test_a_ratio_that_lists_itself_gets_its_denominator(write_config):
    plain = "  denominator: {source: shop_events, event: purchase}\n"
    covariate = f"{plain}  covariate: {{lookback_days: 7, also: [order_value]}}\n"
    config = load_config(write_config((ORDERS, plain, covariate)))

    assert names(config, "order_value") == ["order_value_denominator"]


@pytest.mark.parametrize(
    ("covariate", "expected"),
    [
        ("also: [retentoin]", "unknown metric 'retentoin'; did you mean 'retention'?"),
        ("also: [revenue]", "its own value before exposure is its first covariate already; drop it here"),
        ("also: [p95]", "'p95' is a quantile: only means, proportions, retentions and ratios can be covariates"),
        ("also: [retention, retention]", "covariate: `also` lists each covariate once"),
        (f"further: [{LONGEST}]", "unknown source 'pages'"),
        ("further: [{name: a, source: shop_events, event: buy, aggregate: sum, measure: amuont}]",
         "source 'shop_events' has no measure 'amuont'; did you mean 'amount'?"),
        ("further: [{name: a, source: shop_events, event: buy, where: [{property: chanel, value: x}]}]",
         "source 'shop_events' declares no property 'chanel'; did you mean 'channel'?"),
        ("further: [{name: a, source: shop_events, event: buy, type: proportion, aggregate: max, measure: amount}]",
         "a proportion asks whether the event happened: no aggregate, measure or property"),
        ("further: [{source: shop_events, event: buy}]", "missing key 'name'"),
        ("also: [retention], further: [{name: retention, source: shop_events, event: buy}]",
         "`further` has a covariate of the name that 'retention' brings; rename that one"),
        (f"also: [{', '.join(f'm{number}' for number in range(9))}]", "at most 8 further covariates"),
    ],
)  # fmt: skip
def test_a_covariate_that_cannot_be_is_an_error_at_its_line(write_config, covariate, expected):
    quantile = (
        "- {id: p95, type: quantile, quantile: 0.95, source: shop_events, event: view, aggregate: max,"
        " measure: duration}\n- id: load_time"
    )
    message = errors(write_config(listed(covariate), (VISITS, "- id: load_time", quantile)))

    assert any(
        found.startswith(f"{ORDERS}:16: metric 'revenue': ") and expected in found for found in message.splitlines()
    ), message


def test_a_metric_is_broken_with_one_that_it_lists(write_config):
    broken = (VISITS, "  window: {start_days: 7, end_days: 8}\n", "")
    config, _, reasons = load_config_tolerant(write_config(listed("also: [retention]"), broken))

    assert "free_shipping" in reasons
    assert "metric 'revenue' is broken: its covariate 'retention' is broken" in reasons["free_shipping"]
    assert set(config.metrics) == {"conversion", "order_value", "load_time"}


def test_only_the_metric_that_asks_and_its_experiments_change(write_config):
    plain = load_config(write_config(WITH_PAGES))
    more = load_config(write_config(listed("also: [retention]"), WITH_PAGES))
    hashes = [
        {one["metric_id"]: one["metric_hash"] for one in metric_catalog(each)["metrics"]} for each in (plain, more)
    ]

    assert {id_ for id_ in hashes[0] if hashes[0][id_] != hashes[1][id_]} == {"revenue"}
    assert all("further" not in one for one in metric_catalog(plain)["metrics"])
    changed = {id_ for id_ in plain.experiments
               if config_hash(plain, plain.experiments[id_]) != config_hash(more, more.experiments[id_])}  # fmt: skip
    assert changed == {"free_shipping"}


def test_unit_values_are_of_the_lookback(write_config):
    catalog = metric_catalog(load_config(write_config(listed(f"further: [{LONGEST}]"), WITH_PAGES)))
    values = {one["column"]: one for one in catalog["unit_values"]}
    components = {one["column"]: one for one in catalog["components"]}
    further = next(one for one in catalog["metrics"] if one["metric_id"] == "revenue")["further"]

    assert [(one["name"], one["kind"], one["decimals"]) for one in further] == [
        ("longest", "amount", 1),
        ("no history in pages", "no_history", 0),
    ]
    assert [(values[one["value"]]["first_day"], values[one["value"]]["last_day"]) for one in further] == [(-14, -1)] * 2
    assert [components[values[one["value"]]["component"]]["event_name"] for one in further] == ["view", None]


def test_a_pinned_configuration_holds_what_the_list_came_to(write_config, tmp_path):
    config = load_config(write_config(listed(f"also: [retention], further: [{LONGEST}]"), WITH_PAGES))
    experiment = config.experiments["free_shipping"]
    path = pin(tmp_path / "pinned", config, experiment)
    pinned = read_pinned(tmp_path / "pinned", path.stem)
    again = write_configuration(tmp_path / "again", [pinned])

    assert names(again, "revenue") == names(config, "revenue")
    assert [one["id"] for one in pinned.content["sources"]["events"]] == ["pages", "shop_events"]
    assert config_hash(again, again.experiments["free_shipping"]) == path.stem
