"""A pinned configuration comes back from its file as the configuration that it was."""

import json

import pytest

from configs.load import load_config
from configs.pinned_files import PinnedConfigError, agreeing, pin, read_pinned, write_configuration
from configs.pinning import config_hash
from tests.configs.test_pinning import FREE, ORDERS, PROJECT, SOURCES, VISITS


@pytest.fixture
def pinned(write_config, tmp_path):
    """Pins the experiments of a configuration with these changes, and reads them back."""

    def pin_all(*replacements):
        config = load_config(write_config(*replacements))
        paths = [pin(tmp_path / "pinned", config, experiment) for experiment in config.experiments.values()]
        return config, {one.experiment_id: one for one in (read_pinned(path.parent, path.stem) for path in paths)}

    return pin_all


def test_the_configuration_read_back_is_the_one_pinned_but_for_names(pinned, tmp_path):
    config, stored = pinned()

    again = write_configuration(tmp_path / "again", stored.values())

    assert again.experiments.keys() == config.experiments.keys()
    for id_, experiment in config.experiments.items():
        assert config_hash(again, again.experiments[id_]) == config_hash(config, experiment)
        assert again.experiments[id_].variants == experiment.variants
        assert again.experiments[id_].metrics == experiment.metrics
        assert again.experiments[id_].segments == experiment.segments
    assert again.metrics["revenue"].label == config.metrics["revenue"].label == "Revenue per user"


@pytest.mark.parametrize(
    "place",
    [
        "format: postgres\n    table: a.b\n    connection: URL\n    log_date: day",
        "format: delta\n    path: d\n    log_date: day",
    ],
)
def test_where_logs_lay_is_not_pinned_but_their_format_is(pinned, tmp_path, place):
    config, stored = pinned((SOURCES, "path: events/{date}.csv\n    format: csv", place))
    again = write_configuration(tmp_path / "again", stored.values())
    for id_, experiment in config.experiments.items():
        assert config_hash(again, again.experiments[id_]) == config_hash(config, experiment)


def test_text_that_yaml_would_read_otherwise_comes_back(pinned, tmp_path):
    text = "no: \\U0001F600 \\u2028 \\x7f 1e-3 é #"
    config, stored = pinned((ORDERS, "value: web", f'value: "{text}"'), (SOURCES, "column: amount", 'column: "0.10"'))

    again = write_configuration(tmp_path / "again", stored.values())

    assert again.metrics["revenue"].where[0].value == (config.metrics["revenue"].where[0].value,)
    assert again.sources.events[0].measures["amount"].column == "0.10"


def test_what_only_describes_is_added_to_the_file_and_the_last_one_counts(pinned, tmp_path):
    pinned()
    config, stored = pinned(
        (ORDERS, "Revenue per user", "Euros"), (FREE, "[revenue, retention]", "[retention, revenue]")
    )

    again = write_configuration(tmp_path / "again", [stored["free_shipping"]])

    assert len(stored["free_shipping"].descriptions) == 2
    assert again.metrics["revenue"].label == "Euros"
    assert again.experiments["free_shipping"].metrics == config.experiments["free_shipping"].metrics


def test_pinning_the_same_again_leaves_the_file_alone(pinned, tmp_path):
    pinned()
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "pinned").iterdir()}

    pinned()

    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "pinned").iterdir()} == before


def test_a_file_from_before_descriptions_were_kept_is_enough(pinned, tmp_path):
    config, stored = pinned()
    path = tmp_path / "pinned" / f"{stored['free_shipping'].config_hash}.json"
    path.write_text(json.dumps(stored["free_shipping"].content))

    again = write_configuration(tmp_path / "again", [read_pinned(path.parent, path.stem)])

    assert again.experiments["free_shipping"].metrics.roles == config.experiments["free_shipping"].metrics.roles


def test_configurations_that_agree_are_written_together(pinned):
    _, stored = pinned()
    assert agreeing(stored.values()) == [list(stored.values())]


@pytest.mark.parametrize(
    "replacement",
    [
        (PROJECT, "late_arrival_days: 3", "late_arrival_days: 4"),
        (SOURCES, "exposed_at: ts", "exposed_at: seen_at"),
        (VISITS, "direction: decrease", "direction: increase"),
        (VISITS, "  aggregate: max", "  label: Wait\n  aggregate: max"),
    ],
)
def test_configurations_that_contradict_each_other_are_written_apart(pinned, replacement):
    loads = (FREE, "[revenue, retention]", "[revenue, retention, load_time]")
    _, before = pinned(loads)
    _, after = pinned(loads, replacement)
    free, badges = before["free_shipping"], after["badges"]

    assert agreeing([free, badges]) == [[free], [badges]]
    assert agreeing([free, after["free_shipping"]]) == [[free], [after["free_shipping"]]]


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda text: text[:40], "not readable as JSON"),
        (lambda text: text.replace("2026-10-28", "2026-10-29"), "digests"),
    ],
)
def test_a_damaged_file_is_told_from_a_missing_one_and_pinned_anew(pinned, tmp_path, damage, said):
    _, stored = pinned()
    path = tmp_path / "pinned" / f"{stored['free_shipping'].config_hash}.json"
    path.write_text(damage(path.read_text()))

    with pytest.raises(PinnedConfigError, match=said):
        read_pinned(path.parent, path.stem)
    pinned()

    assert read_pinned(path.parent, path.stem) == stored["free_shipping"]
    with pytest.raises(PinnedConfigError, match="never pinned"):
        read_pinned(path.parent, "0" * 16)
