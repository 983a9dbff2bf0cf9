"""`expectations/<source>.yaml`: every error with its line, and a page that explains every key."""

from pathlib import Path

import pytest

from configs import suite_schema
from configs.load import load_config, load_config_tolerant
from configs.problems import ConfigError
from configs.suite_load import load_suites
from configs.suite_schema import Suite

PAGE = Path(__file__).parents[2] / "docs" / "expectations.md"
GOOD = """\
day:
  - {figure: rows_read, min_value: 1000}
  - {figure: null_share, of: channel, max_value: 0.1, severity: blocking}
  - {figure: median, of: amount, event: purchase, min_value: 20, max_value: 60}
rows:
  - {expect: column_values_to_be_in_set, column: channel, value_set: [app, no], mostly: 0.99}
  - {expect: column_values_to_match_regex, column: unit_id, regex: "^u[0-9]+$"}
  - {expect: column_values_to_be_between, column: amount, event: purchase, min_value: 0}
"""


@pytest.fixture
def write(write_config):
    """Writes a suite beside a valid configuration, and returns the folder."""

    def written(text: str, name: str = "shop_events.yaml") -> Path:
        root = write_config()
        (root / "expectations").mkdir(exist_ok=True)
        (root / "expectations" / name).write_text(text)
        return root

    return written


def problems(root: Path) -> list[str]:
    with pytest.raises(ConfigError) as raised:
        load_config(root)
    return [str(problem) for problem in raised.value.problems]


def test_a_source_may_do_without(write_config):
    assert load_suites(write_config(), load_config(write_config()).sources) == ({}, {})


def test_values_are_read_as_they_stand(write):
    root = write(GOOD)
    suites, broken = load_suites(root, load_config(root).sources)
    assert broken == {}
    suite = suites["shop_events"]
    assert suite.day[0].severity == "warning"
    assert suite.day[2].label == "median of amount (purchase)"
    assert suite.rows[0].value_set == ("app", "no")  # YAML 1.2: `no` is text


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("figure: rows_read", "figur: rows_read", "2: day: unknown key 'figur'; did you mean 'figure'?"),
        ("of: channel", "of: chanel", "3: source 'shop_events' has no column 'chanel'; did you mean 'channel'?"),
        ("of: channel, ", "of: channel, min_value: 0.2, ", "3: day: min_value 0.2 is above max_value 0.1"),
        ("severity: blocking", "severity: fatal", "3: day.severity: expected one of blocking, warning, off"),
        ("of: amount, event", "event", "4: day: median needs `of`: the measure it is of"),
        ("of: amount, event", "of: channel, event", "4: source 'shop_events' has no measure 'channel'"),
        ("rows_read, min", "rows_read, of: channel, min", "2: day: rows_read is a figure of the whole day: remove"),
        ("rows_read, min_value: 1000", "rows_read", "2: day: rows_read needs min_value, max_value or both, or"),
        ("rows_read, ", "rows_read, event: purchase, ", "2: day: `event` goes with median alone"),
        ("[app, no]", "[app, 5]", "6: rows.value_set: expected text, got 5; write it in quotes"),
        ("value_set: [app, no], ", "", "6: rows: column_values_to_be_in_set needs value_set"),
        ("mostly: 0.99", "mostly: 1.5", "6: rows.mostly: must be at most 1, got 1.5"),
        ('regex: "^u[0-9]+$"', 'regex: "("', "7: '(' isn't a regular expression: missing )"),
        ('regex: "^u[0-9]+$"', "max_value: 3", "7: rows: column_values_to_match_regex takes no max_value; it takes"),
        ("column: amount", "column: channel", "8: source 'shop_events' has no measure 'channel'"),
        ("  - {figure: null", "  - {figure: rows_read, max_value: 9}\n  - {figure: null", "3: rows_read is there"),
    ],
)  # fmt: skip
def test_errors_say_what_where_and_what_to_do(write, old, new, expected):
    assert old in GOOD
    found = problems(write(GOOD.replace(old, new, 1)))
    assert len(found) == 1
    assert found[0].startswith(f"expectations/shop_events.yaml:{expected}")


def test_a_file_that_no_source_reads(write):
    assert problems(write(GOOD, "shop_event.yaml")) == [
        "expectations/shop_event.yaml:1: isn't read: there is no log source 'shop_event'; did you mean 'shop_events'?"
    ]
    assert (
        "expectations/more.yml:1: isn't read: only expectations/<source>.yaml is" in problems(write("", "more.yml"))[0]
    )


def test_an_exposure_log_has_no_events(write):
    root = write("day:\n  - {figure: median, of: country, event: x, max_value: 1}\n", "web.yaml")
    assert "expectations/web.yaml:2: an exposure log has no events; remove `event`" in problems(root)


def test_a_broken_suite_does_not_stop_the_daily_run(write):
    root = write("day: 5\n")
    config, _, _ = load_config_tolerant(root)
    suites, broken = load_suites(root, config.sources)
    assert suites == {}
    assert [str(problem) for problem in broken["shop_events"]] == [
        "expectations/shop_events.yaml:1: day: expected a list, got 5"
    ]


def test_every_key_figure_and_expectation_is_documented():
    page = PAGE.read_text(encoding="utf-8")
    models = (Suite, suite_schema.DayExpectation, suite_schema.RowExpectation)
    names = {name for model in models for name in model.model_fields}
    names |= {*suite_schema.WHOLE_DAY_FIGURES, *suite_schema.COLUMN_FIGURES, *suite_schema.MEASURE_FIGURES}
    names |= {*suite_schema.SLICE_FIGURES, *suite_schema.ROW_EXPECTATIONS}
    assert [name for name in sorted(names) if f"`{name}`" not in page] == []
