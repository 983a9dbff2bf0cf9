"""A metric's `bootstrap`: what it goes with, how many replicates it takes, what it changes."""

import pytest

from analysis.scorecard.plan import comparison_plan
from configs.bootstrap_checks import replicates_needed
from configs.catalog import metric_catalog
from configs.load import ConfigError, load_config
from configs.pinning import config_hash, pinned_config

ORDERS, EXPERIMENT = "metrics/orders.yaml", "experiments/free_shipping.yaml"
PLAIN = "  denominator: {source: shop_events, event: purchase}\n"
BASKET = (ORDERS, PLAIN, PLAIN + "  bootstrap: {}\n")
ANALYSIS = "  minimum_days: 14"


def errors(root) -> str:
    with pytest.raises(ConfigError) as caught:
        load_config(root)
    return str(caught.value)


def test_an_empty_mapping_gives_the_defaults(write_config):
    options = load_config(write_config(BASKET)).metrics["order_value"].bootstrap

    assert options is not None
    assert (options.replicates, options.interval, options.seed) == (1999, "percentile", None)


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("bootstrap:", "`bootstrap` got nothing; write `bootstrap: {}` for its defaults, or leave the key out"),
        ("bootstrap: {replicates: 500}", "bootstrap.replicates"),
        ("bootstrap: {interval: basic}", "bootstrap.interval: expected one of percentile, bca, got 'basic'"),
        ("bootstrap: {seed: -1}", "bootstrap.seed"),
        ("bootstrap: {buckets: 10}", "unknown key 'buckets'"),
    ],
)
def test_a_wrong_option_is_an_error(write_config, written, expected):
    message = errors(write_config((ORDERS, PLAIN, f"{PLAIN}  {written}\n")))

    assert message.startswith(f"{ORDERS}:")
    assert expected in message


def test_covariates_and_quantiles_take_none(write_config):
    both = (ORDERS, "  covariate: {lookback_days: 14}\n", "  covariate: {lookback_days: 14}\n  bootstrap: {}\n")
    quantile = ("metrics/visits.yaml", "  type: mean\n", "  type: quantile\n  quantile: 0.5\n  bootstrap: {}\n")

    assert "`bootstrap` is of unadjusted values: drop `covariate`" in errors(write_config(both))
    assert "a quantile takes no `bootstrap`" in errors(write_config(quantile))


@pytest.mark.parametrize(
    ("option", "expected"),
    [
        ("method: always_valid",
         "method always_valid doesn't go with bootstrapped metrics ('order_value'): their intervals hold at one planned"
         " look; use method fixed, or the metrics without `bootstrap`"),
        ("correction: dunnett",
         "correction dunnett doesn't go with bootstrapped metrics ('order_value'): it needs a t distribution; use"
         " holm"),
        ("alpha: 0.005",
         "'order_value' is bootstrapped with 1999 replicates, too few to reject at the smallest level that it is tested"
         " at here; give the metric `bootstrap: {replicates: 3199}` or more, or fewer metrics and variants to the"
         " experiment"),
    ],
)  # fmt: skip
def test_an_experiment_that_a_bootstrap_does_not_serve_is_refused(write_config, option, expected):
    message = errors(write_config(BASKET, (EXPERIMENT, ANALYSIS, f"  {option}")))

    line = 20 if option.startswith("alpha") else 23
    assert message == f"{EXPERIMENT}:{line}: {expected}"


def test_stratified_experiments_take_bootstrapped_metrics_unadjusted(write_config):
    config = load_config(write_config(BASKET, (EXPERIMENT, ANALYSIS, "  adjustment: post_stratification")))
    plan = comparison_plan(config.experiments, config.metrics)

    of_basket = plan[plan["metric_id"] == "order_value"]
    assert len(of_basket) and not of_basket["is_adjusted"].any()
    assert plan[plan["metric_id"] == "conversion"]["is_adjusted"].any()


def test_replicates_needed_are_those_of_the_smallest_level(write_config):
    config = load_config(write_config(BASKET))
    free_shipping, badges = config.experiments["free_shipping"], config.experiments["badges"]

    # Four metrics, one treatment: deterioration at .025/4 = .00625, so 2/.00625 - 1.
    assert replicates_needed(free_shipping, "order_value") == 319
    # One metric, two treatments: both levels are .025 and .0125; 2/.0125 - 1.
    assert replicates_needed(badges, "load_time") == 159


def test_it_makes_another_column_and_another_hash(write_config):
    plain = load_config(write_config())
    config = load_config(write_config(BASKET))
    of_metric = {metric["metric_id"]: metric for metric in metric_catalog(config)["metrics"]}
    before = {metric["metric_id"]: metric for metric in metric_catalog(plain)["metrics"]}

    assert of_metric["order_value"]["is_bootstrapped"] is True
    assert of_metric["order_value"]["metric_hash"] != before["order_value"]["metric_hash"]
    assert {id_: entry for id_, entry in of_metric.items() if id_ != "order_value"} == {
        id_: entry for id_, entry in before.items() if id_ != "order_value"
    }
    experiment = config.experiments["free_shipping"]
    pinned = pinned_config(config, experiment)["metrics"]["order_value"]["bootstrap"]
    assert pinned == {"replicates": 1999, "interval": "percentile"}
    seeds = [PLAIN + f"  bootstrap: {{seed: {seed}}}\n" for seed in (1, 2)]
    hashes = {
        config_hash(loaded, loaded.experiments["free_shipping"])
        for loaded in (plain, config, *(load_config(write_config((ORDERS, PLAIN, text))) for text in seeds))
    }
    assert len(hashes) == 4
