"""Quantiles of single events: what may be written, what it becomes, and what it is hashed to."""

import pytest

from configs.catalog import metric_catalog
from configs.load import ConfigError, load_config
from configs.pinning import config_hash, pinned_config
from configs.schema import Metric

VISITS, BADGES = "metrics/visits.yaml", "experiments/badges.yaml"
AGGREGATE = "  aggregate: max\n  measure: duration\n"
OF_EVENTS = [
    (VISITS, "  type: mean\n", "  type: quantile\n  quantile: 0.95\n  of: events\n"),
    (VISITS, AGGREGATE, "  measure: duration\n"),
]
OF_UNITS = (VISITS, "  type: mean\n", "  type: quantile\n  quantile: 0.95\n")
MINIMUM = (BADGES, "  primary: [load_time]\n", "  primary: [load_time]\nanalysis: {minimum_days: 3}\n")


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ([*OF_EVENTS, (VISITS, "  measure: duration\n", "")], "a quantile of events needs `measure`: the number that"),
        ([OF_EVENTS[0]], "a quantile of events takes no `aggregate`: it is of each event's measure; drop it"),
        (
            [(VISITS, "  type: mean\n", "  type: mean\n  of: events\n")],
            "`of: events` goes with type quantile, not mean",
        ),
        ([*OF_EVENTS, (VISITS, "  of: events\n", "  of: sessions\n")], "of: expected one of units, events"),
        ([*OF_EVENTS, (VISITS, "measure: duration", "measure: durations")], "has no measure 'durations'"),
        ([*OF_EVENTS, (VISITS, "  direction: decrease\n", "  cap: {upper: 9}\n")], "a quantile needs no `cap`"),
    ],
)
def test_what_does_not_go_together_says_where_and_what_to_do(write_config, changes, expected):
    with pytest.raises(ConfigError, match=expected) as caught:
        load_config(write_config(*changes))

    assert "metrics/visits.yaml:" in str(caught.value)


def test_other_methods_than_fixed_are_refused(write_config):
    method = (*MINIMUM[:2], "  primary: [load_time]\nanalysis: {minimum_days: 3, method: bayesian}\n")
    with pytest.raises(ConfigError, match="method bayesian doesn't go with quantile metrics"):
        load_config(write_config(*OF_EVENTS, method))


def test_its_events_are_counted_and_listed(write_config):
    """The moments are of the number of events with the measure; the list holds the measures, in thousandths."""
    catalog = metric_catalog(load_config(write_config(*OF_EVENTS)))
    metric = next(metric for metric in catalog["metrics"] if metric["metric_id"] == "load_time")
    value = next(value for value in catalog["unit_values"] if value["column"] == metric["value"])
    component = next(one for one in catalog["components"] if one["column"] == value["component"])

    assert (component["aggregate"], component["measure"]) == ("count", "duration")
    assert component["event_values"] == metric["event_values"] == "e_" + component["column"].removeprefix("c_")
    assert (metric["decimals"], metric["event_decimals"]) == (0, 3)
    assert (metric["first_day"], metric["last_day"], metric["quantile"]) == (0, None, "0.95")
    assert [one for one in catalog["components"] if "event_values" in one] == [component]


def test_what_a_quantile_is_of_is_part_of_the_hash(write_config):
    of_units, of_events = (load_config(write_config(*changes, MINIMUM)) for changes in ([OF_UNITS], OF_EVENTS))
    hashes = {config_hash(config, config.experiments["badges"]) for config in (of_units, of_events)}
    pinned = [
        pinned_config(config, config.experiments["badges"])["metrics"]["load_time"] for config in (of_units, of_events)
    ]

    assert len(hashes) == 2
    assert "of" not in pinned[0], "as before there was a choice"
    assert Metric.model_validate(pinned[1]) == of_events.metrics["load_time"].model_copy(update={"label": ""})
