"""What health checks read beside metrics: bots, amounts in another unit, earlier experiments, former definitions."""

import pytest

from configs.catalog import metric_catalog
from configs.definition_changes import definition_changes, listed_changes
from configs.load import ConfigError, load_config
from configs.pinned_files import pin, read_pinned, write_configuration
from configs.pinning import config_hash, pinned_config
from configs.predecessors import predecessors
from configs.render import render

PROJECT, SOURCES, FREE, BADGES = (
    "project.yaml",
    "sources.yaml",
    "experiments/free_shipping.yaml",
    "experiments/badges.yaml",
)
LIMIT = (PROJECT, "name: shop", "name: shop\nhealth: {bot_daily_events: 500}")
IN_DOLLARS = (SOURCES, "unit: USD,", "unit: USD, unit_column: currency,")


def rendered(config, folder, table):
    render(config, folder)
    return (folder / f"{table}.csv").read_text().splitlines()[1:]


def test_nothing_is_summed_up_that_nobody_asks_for(write_config, tmp_path):
    config = load_config(write_config())
    catalog = metric_catalog(config)
    assert (catalog["probes"], catalog["measures_with_units"]) == ([], [])
    assert rendered(config, tmp_path, "experiment_probes") == []
    assert rendered(config, tmp_path, "experiment_predecessors") == []


def test_a_bot_s_busiest_day_and_what_it_brings(write_config):
    """Of every metric of the analysed experiment; the draft asks for none."""
    catalog = metric_catalog(load_config(write_config(LIMIT)))
    probes = {probe["metric_id"]: probe for probe in catalog["probes"]}
    metrics = {metric["metric_id"]: metric for metric in catalog["metrics"]}
    values = {value["column"]: value for value in catalog["unit_values"]}
    components = {component["column"]: component for component in catalog["components"]}
    assert set(probes) == {"conversion", "revenue", "order_value", "retention"}
    assert {probe["above"] for probe in probes.values()} == {500}
    busiest = values[probes["revenue"]["value"]]
    assert (busiest["aggregate"], busiest["first_day"], busiest["last_day"]) == ("max", 0, 6)
    assert (components[busiest["component"]]["event_name"], components[busiest["component"]]["aggregate"]) == (
        None,
        "count",
    )
    for id_, probe in probes.items():
        assert probe["denominator"] == metrics[id_]["value"]
        assert probe["end_days"] == metrics[id_]["end_days"]
        assert probe["denominator_is_binary"] == metrics[id_]["is_binary"]


def test_each_experiment_has_the_probes_of_its_own_limit(write_config, tmp_path):
    running = (BADGES, "status: draft", "status: running\nhealth: {bot_daily_events: 50}")
    config = load_config(write_config(LIMIT, running))
    hashes = {(probe["metric_id"], probe["above"]): probe["metric_hash"] for probe in metric_catalog(config)["probes"]}
    rows = rendered(config, tmp_path, "experiment_probes")
    assert f"badges,{hashes['load_time', 50]}" in rows
    assert f"free_shipping,{hashes['revenue', 500]}" in rows
    assert len(rows) == 5


def test_amounts_of_metrics_on_the_measure_are_counted(write_config):
    catalog = metric_catalog(load_config(write_config(IN_DOLLARS)))
    assert catalog["measures_with_units"] == ["amount"]
    assert [(probe["metric_id"], probe["kind"]) for probe in catalog["probes"]] == [
        ("order_value", "other_unit"),
        ("revenue", "other_unit"),
    ]
    values = {value["column"]: value["component"] for value in catalog["unit_values"]}
    components = {component["column"]: component for component in catalog["components"]}
    revenue = catalog["probes"][1]
    other, own = (components[values[revenue[part]]] for part in ("value", "denominator"))
    assert (other["other_unit_of"], other["measure"], other["where"]) == ("amount", None, own["where"])
    assert (own["aggregate"], own["measure"], own["event_name"]) == ("count", "amount", "purchase")


def test_what_is_summed_up_changes_no_column_of_a_metric(write_config):
    plain, probed = (metric_catalog(load_config(write_config(*changes))) for changes in ((), (LIMIT, IN_DOLLARS)))
    assert plain["metrics"] == probed["metrics"]
    assert all(component in probed["components"] for component in plain["components"])


def test_a_unit_column_needs_the_unit_to_expect(write_config):
    root = write_config((SOURCES, "unit: USD,", "unit_column: currency,"))
    with pytest.raises(ConfigError, match=r"sources\.yaml:.*`unit_column` needs `unit`"):
        load_config(root)


def test_only_a_checked_unit_is_in_the_hash(write_config, tmp_path):
    def hash_of(*changes):
        config = load_config(write_config(*changes))
        return config_hash(config, config.experiments["free_shipping"])

    euros = (SOURCES, "unit: USD,", "unit: EUR,")
    checked = (SOURCES, "unit: USD,", "unit: EUR, unit_column: currency,")
    assert hash_of() == hash_of(euros)
    assert len({hash_of(), hash_of(IN_DOLLARS), hash_of(checked)}) == 3
    config = load_config(write_config(IN_DOLLARS))
    path = pin(tmp_path / "pinned", config, config.experiments["free_shipping"])
    again = write_configuration(tmp_path / "again", [read_pinned(path.parent, path.stem)])
    assert again.sources.events[0].measures["amount"].unit_column == "currency"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ([(BADGES, "status: draft", "status: stopped")], ["badges"]),  # it ended 11 days before
        ([], []),  # a draft has no units
        ([(BADGES, "status: draft", "status: stopped"), (BADGES, "end: 2026-09-20", "end: 2026-09-16")], []),
        ([(BADGES, "status: draft", "status: stopped"), (BADGES, "2026-09-10", "2026-10-01"),
          (BADGES, "2026-09-20", "2026-10-15")], []),
    ],
)  # fmt: skip
def test_earlier_experiments_ended_not_long_before_the_start(write_config, changes, expected):
    looking = (FREE, "id: free_shipping", "id: free_shipping\nhealth: {carry_over_days: 14}")
    config = load_config(write_config(looking, *changes))
    assert predecessors(config, config.experiments["free_shipping"]) == expected
    assert predecessors(config, config.experiments["badges"]) == []


def test_what_changed_of_a_definition_is_said_by_path(write_config):
    def pinned(*changes):
        config = load_config(write_config(*changes))
        return pinned_config(config, config.experiments["free_shipping"])

    changed = pinned(
        LIMIT,
        (FREE, "minimum_days: 14", "minimum_days: 7"),
        (FREE, "secondary: [revenue, retention]", "secondary: [revenue]"),
        (FREE, "segments: [country, device]", "segments: [device, country]"),
        (FREE, "non_inferiority_margin: 0.05", "absolute_margin: 1"),
    )
    changes = definition_changes(pinned(), changed)
    assert "experiment.analysis.minimum_days: 14, now 7" in changes
    assert 'experiment.metrics.secondary: ["retention", "revenue"], now ["revenue"]' in changes
    assert "experiment.metrics.guardrail.order_value.absolute_margin: absent, now 1.0" in changes
    assert "experiment.metrics.guardrail.order_value.non_inferiority_margin: 0.05, now absent" in changes
    assert not any("segments" in change or "health" in change for change in changes)
    assert definition_changes(changed, changed) == []
    assert listed_changes([*"abcdefg"]) == "a; b; c; d; e; and 2 more"
