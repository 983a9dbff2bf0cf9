"""The options of `analysis`: what goes together, what they default to, what they change."""

import pytest

from configs.load import ConfigError, load_config
from configs.pinning import config_hash, pinned_config

ORDERS, EXPERIMENT = "metrics/orders.yaml", "experiments/free_shipping.yaml"
OLD = "  minimum_days: 14"
SEQUENTIAL = "  method: group_sequential\n  correction: bonferroni\n  group_sequential: "

CASES = [
    ("  method: group_sequential\n  correction: bonferroni",
     "23: group_sequential needs its planned sample size: add `group_sequential: {planned_units: …}`, the matured "
     "units over all variants at the planned end"),
    ("  method: group_sequential\n  group_sequential: {planned_units: 9000}",
     "23: correction holm doesn't go with method group_sequential: a rejection at one look must not change the "
     "bounds of another; set correction to bonferroni"),
    ("  method: always_valid\n  correction: benjamini_hochberg",
     "24: correction benjamini_hochberg doesn't go with method always_valid: always-valid p-values of one experiment "
     "may depend on each other in any way; set correction to bonferroni or holm or benjamini_yekutieli"),
    ("  method: bayesian\n  correction: hochberg",
     "24: correction hochberg doesn't go with method bayesian: posterior probabilities are no p-values; "
     "set correction to bonferroni or holm"),
    ("  alpha: 0.6\n  alternative: improvement",
     "23: analysis.alpha: must be below 0.5, got 0.6"),
    ("  always_valid: {burn_in: 50}",
     "23: options of always_valid, but the method is fixed; drop them or change it"),
    ("  method: always_valid\n  bayesian: {rope: 0.01}",
     "24: options of bayesian, but the method is always_valid; drop them or change it"),
    ("  method: bayesian\n  proportion_interval: newcombe",
     "24: newcombe intervals hold at one planned look, method bayesian needs wald"),
    ("  method: always_valid\n  relative_interval: fieller",
     "24: fieller intervals hold at one planned look, method always_valid needs auto or delta"),
    ("  method: always_valid\n  alternative: improvement",
     "24: alternative improvement goes with method fixed, not with always_valid"),
    (SEQUENTIAL + "{planned_units: 9000, looks: [2026-10-08, 2026-10-08]}",
     "25: the look at 2026-10-08 doesn't come after the one at 2026-10-08"),
    (SEQUENTIAL + "{planned_units: 9000, looks: [2026-11-12]}",
     "25: the look at 2026-11-12 is outside 2026-10-01 to 2026-11-11, when the last window has passed"),
    (OLD + "\ndecision: {rule: do_no_harm}",
     "24: rule do_no_harm proves that no goal is harmed, so each needs a margin; add conversion to "
     "`decision.margins`, for example {metric: conversion, non_inferiority_margin: 0.02}"),
    (OLD + "\ndecision: {margins: [{metric: conversion, non_inferiority_margin: 0.02}]}",
     "24: `margins` of goals belong to rule do_no_harm, not risk_aware; drop them"),
    (OLD + "\ndecision: {rule: do_no_harm, margins: [{metric: conversion, absolute_margin: 2}]}",
     "24: absolute_margin 2 can't be: 'conversion' is a share between 0 and 1"),
    ("  equivalence: [{metric: load_time, relative_margin: 0.05}]",
     "23: the equivalence test is about 'load_time', not a metric of this experiment; "
     "known metrics of this experiment: conversion, order_value, retention, revenue"),
    ("  equivalence: [{metric: revenue, absolute_margin: 2}, {metric: revenue, relative_margin: 0.1}]",
     "23: 'revenue' has two equivalence tests"),
    ("  equivalence: [{metric: revenue}]",
     "23: analysis.equivalence: an equivalence test needs exactly one of relative_margin, absolute_margin"),
    ("  adjustment: none\n  covariate_adjustment: true",
     "22: analysis: covariate_adjustment: true contradicts adjustment: none"),
    ("  method: bayesian\n  bayesian: {prior: informative}",
     "24: analysis.bayesian: `prior_sd` goes with prior informative, and only there"),
    ("  method: bayesian\n  bayesian: {prior_mean: 0.1}",
     "24: analysis.bayesian: `prior_mean` goes with prior informative, and only there"),
    ("  strata: [country]",
     "23: `strata` belong to adjustment post_stratification, not cuped; drop them or change it"),
    ("  adjustment: post_stratification\n  strata: [country, devise]",
     "24: exposure source 'web' has no attribute 'devise'; did you mean 'device'?"),
    ("  adjustment: post_stratification\n  strata: [country, country]", "24: 'country' is listed twice in strata"),
    ("  adjustment: post_stratification\n  covariate_adjustment: false",
     "22: analysis: covariate_adjustment: false contradicts adjustment: post_stratification; drop one"),
    ("  method: bayesian\n  bayesian:", "24: expected options, got nothing; leave the key out for their defaults"),
]  # fmt: skip

VISITS, BADGES = "metrics/visits.yaml", "experiments/badges.yaml"
MEDIAN = (VISITS, "  type: mean\n", "  type: quantile\n  quantile: 0.5\n")
PRIMARY = "  primary: [load_time]\n"
QUANTILE_CASES = [
    ("method: always_valid", "method always_valid doesn't go with quantile metrics ('load_time'): their intervals hold "
     "at one planned look; use method fixed, or other metrics"),
    ("correction: dunnett", "correction dunnett doesn't go with quantile metrics ('load_time'); use holm"),
]  # fmt: skip


@pytest.mark.parametrize(("option", "expected"), QUANTILE_CASES)
def test_quantiles_take_one_planned_look(write_config, option, expected):
    with pytest.raises(ConfigError) as caught:
        load_config(write_config(MEDIAN, (BADGES, PRIMARY, f"{PRIMARY}analysis:\n  minimum_days: 3\n  {option}\n")))

    assert expected in str(caught.value)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("  direction: decrease\n", "  cap: {upper: 100}\n", "a quantile needs no `cap`"),
        ("  direction: decrease\n", "  covariate: {lookback_days: 7}\n", "a quantile takes no `covariate`"),
        (
            "  aggregate: max\n  measure: duration\n",
            "",
            "a quantile needs `aggregate`: sum, count, max or count_distinct",
        ),
    ],
)
def test_a_quantile_is_of_an_uncapped_aggregate(write_config, old, new, expected):
    with pytest.raises(ConfigError, match=expected):
        load_config(write_config(MEDIAN, (VISITS, old, new)))


def test_the_level_of_a_quantile_is_part_of_the_hash(write_config):
    minimum = (BADGES, PRIMARY, f"{PRIMARY}analysis: {{minimum_days: 3}}\n")
    tenth = (VISITS, MEDIAN[1], "  type: quantile\n  quantile: 0.1\n")
    configs = [load_config(write_config(level, minimum)) for level in (MEDIAN, tenth)]

    assert len({config_hash(config, config.experiments["badges"]) for config in configs}) == 2


@pytest.mark.parametrize(("new", "expected"), CASES, ids=[case[1] for case in CASES])
def test_what_does_not_go_together_says_so(write_config, new, expected):
    with pytest.raises(ConfigError) as caught:
        load_config(write_config((EXPERIMENT, OLD, new)))

    assert f"{EXPERIMENT}:{expected}" in str(caught.value).splitlines()


def test_group_sequential_refuses_metrics_that_keep_growing(write_config):
    root = write_config(
        (EXPERIMENT, OLD, SEQUENTIAL + "{planned_units: 9000}"),
        (ORDERS, "  denominator: {source: shop_events, event: purchase}\n  window: {end_days: 14}\n",
         "  denominator: {source: shop_events, event: purchase}\n"),
    )  # fmt: skip

    with pytest.raises(ConfigError) as caught:
        load_config(root)

    assert str(caught.value) == (
        f"{EXPERIMENT}:23: group_sequential needs metrics with a window, and 'order_value' has none: it keeps growing "
        "for units counted at earlier looks; give it a window, or use always_valid"
    )


def test_a_preregistered_segment_is_one_of_the_segments(write_config):
    root = write_config((EXPERIMENT, "segments: [country, device]",
                         "segments: [country, device]\npreregistered_segments: [devise]"))  # fmt: skip

    with pytest.raises(ConfigError) as caught:
        load_config(root)

    assert str(caught.value) == (f"{EXPERIMENT}:17: 'devise' isn't one of `segments`; did you mean 'device'?")


def loaded(write_config, new):
    config = load_config(write_config((EXPERIMENT, OLD, new)))
    return config, config.experiments["free_shipping"]


def test_a_method_has_its_options_be_they_all_defaults(write_config):
    analysis = loaded(write_config, "  method: always_valid")[1].analysis

    assert (analysis.always_valid.burn_in, analysis.always_valid.planned_units) == (100, None)
    assert (analysis.group_sequential, analysis.bayesian) == (None, None)


def test_writing_defaults_does_not_change_the_hash(write_config):
    hashes = {
        config_hash(*loaded(write_config, "  method: bayesian" + options))
        for options in ("", "\n  bayesian: {}", "\n  bayesian: {prior: flat, scale: relative}", "\n  adjustment: cuped",
                        "\n  relative_interval: auto\n  alternative: two_sided\n  equivalence: []")
    }  # fmt: skip

    assert len(hashes) == 1


@pytest.mark.parametrize(
    "new",
    [
        "  adjustment: lin",
        "  adjustment: none",
        "  alternative: improvement",
        "  proportion_interval: newcombe",
        "  relative_interval: delta",
        "  equivalence: [{metric: revenue, relative_margin: 0.1}]",
        "  method: always_valid",
        "  method: always_valid\n  always_valid: {burn_in: 99}",
        "  method: always_valid\n  always_valid: {planned_units: 2000}",
        SEQUENTIAL + "{planned_units: 9000}",
        SEQUENTIAL + "{planned_units: 9000, spending: pocock}",
        SEQUENTIAL + "{planned_units: 9000, looks: [2026-10-08]}",
        SEQUENTIAL + "{planned_units: 9000, futility_spending: pocock}",
        "  method: bayesian",
        "  method: bayesian\n  bayesian: {prior: weak}",
        "  method: bayesian\n  bayesian: {expected_loss_threshold: 0.01}",
    ],
)
def test_every_option_changes_the_hash_and_survives_pinning(write_config, new):
    plain = config_hash(*loaded(write_config, "  power: 0.8"))
    config, experiment = loaded(write_config, new)

    assert config_hash(config, experiment) != plain
    pinned = pinned_config(config, experiment)["experiment"]["analysis"]
    assert type(experiment.analysis).model_validate(pinned) == experiment.analysis


STRATIFIED = "  adjustment: post_stratification"


def test_strata_are_the_segments_unless_named(write_config):
    default, named = (
        load_config(write_config((EXPERIMENT, OLD, text))).experiments["free_shipping"]
        for text in (STRATIFIED, f"{STRATIFIED}\n  strata: [device]")
    )

    assert (default.strata, named.strata) == (("country", "device"), ("device",))


def test_post_stratification_needs_attributes(write_config):
    with pytest.raises(ConfigError) as caught:
        load_config(write_config((EXPERIMENT, OLD, STRATIFIED), (EXPERIMENT, "segments: [country, device]\n", "")))

    assert (
        f"{EXPERIMENT}:22: post_stratification needs attributes known at exposure: add `strata: [...]` here, or"
        " `segments` to the experiment"
    ) in str(caught.value).splitlines()


def test_strata_are_part_of_the_hash_whatever_their_order_and_where_they_come_from(write_config):
    texts = ["", "\n  strata: [country, device]", "\n  strata: [device, country]", "\n  strata: [device]"]
    configs = [load_config(write_config((EXPERIMENT, OLD, STRATIFIED + text))) for text in texts]
    hashes = [config_hash(config, config.experiments["free_shipping"]) for config in configs]

    assert hashes[0] == hashes[1] == hashes[2] != hashes[3]
    pinned = pinned_config(configs[0], configs[0].experiments["free_shipping"])
    assert pinned["experiment"]["analysis"]["strata"] == ["country", "device"]
