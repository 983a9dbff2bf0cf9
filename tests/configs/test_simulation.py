"""`simulation.yaml`: defaults, and every error with its line."""

from pathlib import Path

import pytest

from configs.load import ConfigError, load_config
from configs.simulation_load import load_scenario
from configs.simulation_schema import Scenario

CONFIGS = Path(__file__).parents[2] / "configs"


@pytest.fixture(scope="module")
def config():
    return load_config(CONFIGS)


def errors_of(tmp_path, config, text):
    (tmp_path / "simulation.yaml").write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_scenario(tmp_path, config)
    return str(caught.value).splitlines()


def test_the_demos_scenario_fits_its_configuration(config):
    scenario = load_scenario(CONFIGS, config)

    assert set(scenario.experiments) == set(config.experiments)


def test_without_a_file_everything_has_its_default(tmp_path, config):
    assert load_scenario(tmp_path, config) == Scenario()


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("populaton: {}", "simulation.yaml:1: unknown key 'populaton'; did you mean 'population'?"),
        (
            "events:\n  visit: {rate: 1, probability: 0.5}",
            "simulation.yaml:2: events.visit: give exactly one of",
        ),
        (
            "events:\n  refund: {after: purchase, rate: 1}",
            "simulation.yaml:2: events.refund: an event `after`",
        ),
        (
            "events:\n  vist: {rate: 1}",
            "simulation.yaml:2: no metric uses event 'vist'; did you mean 'visit'?",
        ),
        (
            "events:\n  refund: {after: opened, probability: 0.5}\n  opened:\n    after: refund\n    probability: 0.1",
            "simulation.yaml:2: 'opened' itself follows an event; name one that doesn't",
        ),
        (
            "events:\n  purchase:\n    rate: 1\n    measures: {amont: {}}",
            "simulation.yaml:4: unknown measure 'amont'; did you mean 'amount'?",
        ),
        (
            "events:\n  visit:\n    rate: 1\n    properties: {topic: {a: 1}}",
            "simulation.yaml:4: unknown property 'topic'; known properties: channel",
        ),
        (
            "events:\n  visit:\n    rate: 1\n    properties: {channel: {web: 0.5, app: 0.4}}",
            "simulation.yaml:4: events.visit.properties: the shares of property channel sum to 0.9",
        ),
        (
            "attributes:\n  country: {US: {share: 0.5}}",
            "simulation.yaml:1: attributes: the shares of attribute country sum to 0.5; they must sum to 1",
        ),
        (
            "attributes: {age: {old: {share: 1}}}",
            "simulation.yaml:1: unknown attribute 'age'; known attributes:",
        ),
        (
            "attributes:\n  country:\n    US: {share: 1, measures: {amuont: 2}}",
            "simulation.yaml:3: unknown measure 'amuont'; did you mean 'amount'?",
        ),
        ("population:\n  weekdays: [1, 1]", "simulation.yaml:1: population: `weekdays` takes 7 numbers"),
        ("population:\n  hours: [1]", "simulation.yaml:1: population: `hours` takes 24 numbers"),
        (
            "rows: {late: 0.9, duplicate: 0.2}",
            "simulation.yaml:1: rows: late, too_late, duplicate and malformed",
        ),
        ("bots: {events: [vsit]}", "simulation.yaml:1: unknown event 'vsit'; did you mean 'visit'?"),
        (
            "experiments:\n  banner_color: {}",
            "simulation.yaml:2: unknown experiment 'banner_color'; did you mean 'banner_colour'?",
        ),
        (
            "experiments:\n  banner_colour:\n    effects:\n      grean: {}",
            "simulation.yaml:4: unknown variant 'grean'; did you mean 'green'?",
        ),
        (
            "experiments:\n  banner_colour:\n    effects:\n      green:\n        buy: {rate: 2}",
            "simulation.yaml:5: unknown event 'buy'; known events:",
        ),
        (
            "experiments:\n  banner_colour:\n    effects:\n      green:\n        visit: {measures: {amount: 2}}",
            "simulation.yaml:5: unknown measure 'amount'; there are no measures",
        ),
        (
            "experiments:\n  banner_colour:\n    lost: {variant: red, share: 0.1}",
            "simulation.yaml:3: unknown variant 'red'; known variants: blue, green",
        ),
        (
            "experiments:\n  banner_colour:\n    lost: {variant: green, share: 0.1, among: {device: phone}}",
            "simulation.yaml:3: give 'device' its values under `attributes` first",
        ),
        (
            "attributes: {device: {mobile: {share: 1}}}\nexperiments:\n  banner_colour:\n"
            "    lost: {variant: green, share: 0.1, among: {device: phone}}",
            "simulation.yaml:4: unknown value 'phone'; known values: mobile",
        ),
        (
            "experiments:\n  banner_colour:\n    lost:\n      - {variant: green, share: 0.1}\n"
            "      - {variant: red, share: 0.1}",
            "simulation.yaml:5: unknown variant 'red'; known variants: blue, green",
        ),
        ("a: [", "simulation.yaml:"),
        ("", "simulation.yaml:1: the file is empty"),
    ],
)
def test_every_error_names_its_line_and_what_to_do(tmp_path, config, text, error):
    errors = errors_of(tmp_path, config, text)

    assert any(line.startswith(error) for line in errors), errors


def test_all_errors_are_listed_at_once(tmp_path, config):
    text = "bots: {events: [vsit]}\nattributes: {age: {old: {share: 1}}}\nexperiments: {other: {}}"

    assert len(errors_of(tmp_path, config, text)) == 3
