"""Which share of an event's rows a metric's conditions keep, and what events and attributes default to."""

import pytest

from analysis.simulation.behaviour import resolve
from configs.schema import Condition
from configs.simulation_schema import Scenario

CHANNELS = {"order": {"rate": 1, "properties": {"channel": {"app": 0.5, "web": 0.3, "true": 0.2}}}}


@pytest.mark.parametrize(
    ("conditions", "share"),
    [
        ([], 1.0),
        ([{"value": "app"}], 0.5),
        ([{"op": "!=", "value": "app"}], 0.5),
        ([{"op": "in", "value": ["app", "web"]}], 0.8),
        ([{"op": "not in", "value": ["app", "web"]}], 0.2),
        ([{"value": True}], 0.2),
        ([{"op": "!=", "value": "app"}, {"op": "!=", "value": "web"}], 0.2),
        ([{"value": "app"}, {"value": "web"}], 0.0),
        ([{"value": "fax"}], 0.0),
    ],
)
def test_qualifying_share(config, make_scenario, conditions, share):
    order = resolve(config, make_scenario(events=CHANNELS)).by_event["shop", "order"]

    kept = order.qualifying_share([Condition(property="channel", **condition) for condition in conditions])

    assert kept == pytest.approx(share)


def test_everything_that_metrics_and_sources_name_has_a_default(config):
    behaviour = resolve(config, Scenario())

    assert set(behaviour.by_event) == {("shop", "order"), ("shop", "return"), ("shop", "visit"), ("desk", "opened")}
    order = behaviour.by_event["shop", "order"]
    assert set(order.measures) == {"amount"}
    assert order.properties == {"channel": {"app": 0.5, "other": 0.5}}  # app_orders asks for app
    assert set(behaviour.attributes) == {"country", "tier"}


def test_an_event_follows_another_of_its_own_source(config, make_scenario):
    events = {"return": {"after": "order", "probability": 0.3}, "order": {"probability": 0.2}}
    processes = resolve(config, make_scenario(events=events)).by_event

    assert processes["shop", "return"].parent is processes["shop", "order"]
    assert processes["shop", "return"].happens_at_most_once  # as at most one order a visit does
    assert list(processes).index(("shop", "order")) < list(processes).index(("shop", "return"))
