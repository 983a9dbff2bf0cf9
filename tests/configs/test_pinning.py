"""The configuration's hash changes with whatever can change a number, and with nothing else."""

import json
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from configs.load import load_config
from configs.pinning import config_hash, pinned_config
from configs.schema import (
    Config,
    Epoch,
    EventSource,
    Experiment,
    ExposureSource,
    Metric,
    Project,
    Sources,
    Variant,
)

PROJECT, SOURCES = "project.yaml", "sources.yaml"
ORDERS, VISITS = "metrics/orders.yaml", "metrics/visits.yaml"
FREE = "experiments/free_shipping.yaml"

CHANGES_A_NUMBER = [
    (PROJECT, "timezone: UTC", "timezone: Europe/Berlin"),
    (PROJECT, "late_arrival_days: 3", "late_arrival_days: 4"),
    (PROJECT, "2026-09-01", "2026-09-02"),
    (SOURCES, "exposed_at: ts", "exposed_at: seen_at"),
    (SOURCES, "event_id: id, ", ""),
    (SOURCES, "column: amount", "column: amount_usd"),
    (SOURCES, "decimals: 2", "decimals: 3"),
    (SOURCES, "format: csv", "format: jsonl"),
    (SOURCES, "[country, device]", "[country, device, plan]"),
    (ORDERS, "aggregate: sum\n", "aggregate: max\n"),
    (ORDERS, "value: web", "value: app"),
    (ORDERS, 'op: "="', 'op: "!="'),
    (ORDERS, "upper: 500", "upper: 400"),
    (ORDERS, "lookback_days: 14", "lookback_days: 7"),
    (ORDERS, "label: Revenue per user", "direction: decrease"),
    (ORDERS, "{end_days: 14}", "{end_days: 15}"),
    (ORDERS, "denominator: {source: shop_events, event: purchase}",
     "denominator: {source: shop_events, event: visit}"),
    (FREE, "start: 2026-10-01\n", "start: 2026-09-30\n"),
    (FREE, "end: 2026-10-28", "end: 2026-10-29"),
    (FREE, "{from: 2026-10-05", "{from: 2026-10-06"),
    (FREE, "[country, device]", "[country]"),
    (FREE, "[revenue, retention]", "[revenue]"),
    (FREE, "[revenue, retention]", "[revenue, retention, load_time]"),
    (FREE, "non_inferiority_margin: 0.05", "non_inferiority_margin: 0.04"),
    (FREE, "non_inferiority_margin", "absolute_margin"),
    (FREE, "minimum_days: 14", "minimum_days: 13"),
    (FREE, "minimum_days: 14", "minimum_days: 14\n  alpha: 0.1"),
    (FREE, "minimum_days: 14", "minimum_days: 14\n  correction: none"),
    (FREE, "minimum_days: 14", "minimum_days: 14\n  minimum_detectable_effect: 0.1"),
]  # fmt: skip

CHANGES_NO_NUMBER = [
    (PROJECT, "timezone: UTC", "timezone: UTC\nretention: {run_days: 7}"),
    (PROJECT, "name: shop", "name: store"),
    (SOURCES, "path: events/{date}.csv", "path: elsewhere/{date}.csv"),
    (SOURCES, "format: csv\n", "format: csv\n    allow_empty_days: true\n"),
    (SOURCES, "unit: USD", "unit: dollars"),
    (SOURCES, "duration: {column: seconds", "duration: {column: milliseconds"),
    (SOURCES, "[channel, coupon]", "[coupon, channel, page]"),
    (SOURCES, "[country, device]", "[device, country]"),
    (ORDERS, "label: Revenue per user", "label: Revenue"),
    (ORDERS, "label: Revenue per user", "description: What it is"),
    (ORDERS, 'op: "=", value: web', "op: in, value: [web]"),
    (ORDERS, "upper: 500", "upper: 500.0"),
    (ORDERS, "  type: proportion\n", "  type: proportion\n  aggregate: count\n"),
    (ORDERS, "  window: {end_days: 14}", "  window: {start_days: 0, end_days: 14}\n  direction: increase"),
    (VISITS, "aggregate: max", "aggregate: sum"),
    (FREE, "name: Free shipping", "name: Shipping for free\nteam: growth"),
    (FREE, "owner: ana@example.com", "owner: ben@example.com"),
    (FREE, "owner: ana@example.com", "status: paused"),
    (FREE, "statement: It lifts conversion", "statement: It does"),
    (FREE, "probability: 0.7", "probability: 0.6"),
    (FREE, "[revenue, retention]", "[retention, revenue]"),
    (FREE, "segments: [country, device]", "segments: [device, country]"),
    (FREE, "start: 2026-10-01\n", "start: 2026-10-01\nexposure_source: web\n"),
    (FREE, "minimum_days: 14", "minimum_days: 14\n  alpha: 0.05"),
    (FREE, "minimum_days: 14", "minimum_days: 14\ndecision: {rule: risk_aware}"),
]  # fmt: skip


def hash_of(root):
    config = load_config(root)
    return config_hash(config, config.experiments["free_shipping"])


@pytest.fixture
def original(write_config):
    return hash_of(write_config())


@pytest.mark.parametrize(("file", "old", "new"), CHANGES_A_NUMBER)
def test_what_can_change_a_number_changes_the_hash(write_config, original, file, old, new):
    replacements = [(file, old, new)]
    if "start: 2026-09-30" in new:  # the first epoch begins with the experiment
        replacements.append((FREE, "- {from: 2026-10-01", "- {from: 2026-09-30"))

    assert hash_of(write_config(*replacements)) != original


@pytest.mark.parametrize(("file", "old", "new"), CHANGES_NO_NUMBER)
def test_what_only_describes_does_not_change_the_hash(write_config, original, file, old, new):
    assert hash_of(write_config((file, old, new))) == original


def test_another_experiment_and_another_metric_do_not_change_the_hash(write_config, original):
    extra = "- {id: views, type: mean, source: shop_events, event: view, aggregate: count}\n"
    root = write_config(
        (VISITS, "direction: decrease", "cap: {upper: 9}"),
        files={"metrics/extra.yaml": extra, "experiments/badges.yaml": None},
    )

    assert hash_of(root) == original


def test_the_order_of_primaries_changes_the_hash_for_it_decides_between_winners(write_config):
    plan = "primary: [conversion]\n  secondary: [revenue, retention]"
    orders = ("[conversion, revenue]", "[revenue, conversion]")

    hashes = {hash_of(write_config((FREE, plan, f"primary: {order}\n  secondary: [retention]"))) for order in orders}

    assert len(hashes) == 2


def test_the_hash_is_stable_over_releases(original):
    """A failure means that the next upgrade recomputes every experiment's history."""
    assert original == "358dd1dc80533ff6"


def test_experiments_with_the_same_plan_have_hashes_of_their_own(write_config):
    config = load_config(write_config())

    hashes = {config_hash(config, experiment) for experiment in config.experiments.values()}

    assert len(hashes) == 2
    assert all(len(hash_) == 16 and set(hash_) <= set("0123456789abcdef") for hash_ in hashes)


def rebuilt(pinned):
    """The configuration that a pinned one describes; what it leaves out gets a placeholder or its default."""
    sources = {
        kind: [source | {"path": "{date}"} for source in pinned["sources"][kind]] for kind in ("exposures", "events")
    }
    experiment = pinned["experiment"]
    return Config.model_validate_json(
        json.dumps(
            {
                "project": pinned["project"] | {"name": "rebuilt"},
                "sources": sources,
                "metrics": pinned["metrics"],
                "experiments": {experiment["id"]: experiment},
            }
        ),
        strict=True,
    )


@pytest.mark.parametrize("id_", ["free_shipping", "badges"])
def test_the_pinned_configuration_is_enough_to_rebuild_what_was_analysed(write_config, id_):
    config = load_config(write_config())
    pinned = pinned_config(config, config.experiments[id_])

    again = rebuilt(json.loads(json.dumps(pinned)))

    assert pinned_config(again, again.experiments[id_]) == pinned
    assert again.experiments[id_].metrics.roles.keys() == again.metrics.keys()
    assert again.experiments[id_].analysis == config.experiments[id_].analysis


names = st.from_regex(r"[a-z][a-z0-9_]{0,8}", fullmatch=True).filter(lambda name: name != "all")
texts = st.text(st.characters(codec="utf-8"), min_size=1, max_size=12)


@st.composite
def configs(draw):
    """One experiment on one metric, with arbitrary ids, texts, numbers and options."""
    event_source = EventSource(
        id="events",
        path="{date}",
        format=draw(st.sampled_from(["parquet", "csv", "jsonl"])),
        columns={"unit_id": draw(texts), "event_name": draw(texts), "occurred_at": draw(texts)},
        measures={"amount": {"column": draw(texts), "decimals": draw(st.integers(0, 12))}},
        properties=draw(st.lists(names, min_size=1, max_size=3, unique=True)),
    )
    metric = Metric(
        id=draw(names),
        label=draw(texts),
        type="mean",
        source="events",
        event=draw(texts),
        where=draw(
            st.lists(
                st.builds(
                    dict,
                    property=st.sampled_from(event_source.properties),
                    op=st.sampled_from(["in", "not in"]),
                    value=st.lists(texts | st.integers() | st.booleans(), min_size=1, max_size=3),
                ),
                max_size=2,
            )
        ),
        aggregate=draw(st.sampled_from(["sum", "max"])),
        measure="amount",
        window=draw(st.none() | st.integers(1, 366).map(lambda days: {"end_days": days})),
        cap=draw(st.none() | st.decimals("0.01", "1e9", places=2).map(lambda upper: {"upper": upper})),
        covariate=draw(st.none() | st.integers(1, 90).map(lambda days: {"lookback_days": days})),
    )
    arms = draw(st.lists(texts.filter(lambda text: text != "all"), min_size=2, max_size=4, unique=True))
    variants = [Variant(id=id_, weight=1 / len(arms), baseline=index == 0) for index, id_ in enumerate(arms)]
    experiment = Experiment(
        id=draw(names),
        name=draw(texts),
        start=date(2026, 10, 1),
        end=draw(st.dates(date(2026, 10, 8), date(2027, 1, 1))),
        exposure_source="exposures",
        variants=variants,
        allocation=draw(
            st.sampled_from([(), (Epoch(from_=date(2026, 10, 1), weights=dict.fromkeys(arms, 1 / len(arms))),)])
        ),
        metrics={"primary": (metric.id,)},
        analysis={"alpha": draw(st.floats(0.001, 0.4))},
    )
    columns = {name: draw(texts) for name in ("unit_id", "experiment_id", "variant_id", "exposed_at")}
    return Config(
        project=Project(name="shop", history_start=date(2026, 9, 1)),
        sources=Sources(
            exposures=(ExposureSource(id="exposures", path="{date}", format="csv", columns=columns),),
            events=(event_source,),
        ),
        metrics={metric.id: metric},
        experiments={experiment.id: experiment},
    )


@given(configs())
def test_any_configuration_survives_pinning(config):
    (experiment,) = config.experiments.values()
    pinned = pinned_config(config, experiment)

    again = rebuilt(json.loads(json.dumps(pinned)))

    (experiment_again,) = again.experiments.values()
    assert config_hash(again, experiment_again) == config_hash(config, experiment)
