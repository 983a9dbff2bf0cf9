"""Loading a folder: everything wrong is listed at once, and one broken file doesn't stop the others."""

import pytest

from configs.load import ConfigError, Problem, load_config, load_config_tolerant, load_static

ORDERS, VISITS = "metrics/orders.yaml", "metrics/visits.yaml"
FREE, BADGES = "experiments/free_shipping.yaml", "experiments/badges.yaml"


def errors_of(root):
    with pytest.raises(ConfigError) as caught:
        load_config(root)
    assert str(caught.value) == "\n".join(map(str, caught.value.problems))
    return [str(problem) for problem in caught.value.problems]


def test_a_misspelt_primary_metric_is_one_error_though_predictions_name_it_rightly(write_config):
    root = write_config((FREE, "primary: [conversion]", "primary: [conversoin]"))

    assert errors_of(root) == [
        "experiments/free_shipping.yaml:18: unknown metric 'conversoin'; did you mean 'conversion'?"
    ]


def test_a_folder_that_is_not_there(tmp_path):
    root = tmp_path / "nowhere"

    assert errors_of(root) == [f"{root}:1: no such folder; give the folder that holds project.yaml and sources.yaml"]


def test_an_empty_folder_lacks_every_part(tmp_path):
    assert errors_of(tmp_path) == [
        f"experiments:1: no such folder in {tmp_path}; experiments are read from experiments/*.yaml",
        f"metrics:1: no such folder in {tmp_path}; metrics are read from metrics/*.yaml",
        "project.yaml:1: can't be read: No such file or directory",
        "sources.yaml:1: can't be read: No such file or directory",
    ]


def test_all_errors_of_all_files_are_listed_at_once(write_config):
    root = write_config(
        ("project.yaml", "late_arrival_days: 3", "late_arrival_days: many"),
        (ORDERS, "measure: amount\n", "measure: amounts\n"),
        (VISITS, "type: retention", "typo: retention"),
        (FREE, "{id: free, weight: 0.5}", "{id: free, weight: 0.4}"),
        (BADGES, "[load_time]", "[loading_time]"),
        files={"experiments/broken.yaml": "id: [broken\n"},
    )

    assert errors_of(root) == [
        "experiments/badges.yaml:10: unknown metric 'loading_time'; did you mean 'load_time'?",
        "experiments/broken.yaml:2: isn't valid YAML: while parsing a flow sequence "
        "expected ',' or ']', but got '<stream end>'",
        "experiments/free_shipping.yaml:10: the variants' weights sum to 0.9, not to 1",
        "metrics/orders.yaml:13: metric 'revenue': source 'shop_events' has no measure 'amounts'; "
        "did you mean 'amount'?",
        "metrics/visits.yaml:2: metric 'retention': unknown key 'typo'; did you mean 'type'?",
        "project.yaml:3: late_arrival_days: expected a whole number, got 'many'",
    ]


def test_broken_sources_do_not_hide_what_does_not_need_them(write_config):
    root = write_config(
        ("sources.yaml", "format: csv", "format: xml"),
        (FREE, "[revenue, retention]", "[revenue, retentions]"),
        (ORDERS, "type: ratio", "type: rate"),
    )

    assert errors_of(root) == [
        "experiments/free_shipping.yaml:19: unknown metric 'retentions'; did you mean 'retention'?",
        "metrics/orders.yaml:18: metric 'order_value': type: "
        "expected one of proportion, mean, ratio, quantile, retention, categorical, got 'rate'",
        "sources.yaml:10: events.format: expected one of parquet, csv, jsonl, postgres, iceberg, delta, got 'xml'",
    ]


def test_an_unreadable_metrics_file_is_one_error_not_one_for_each_use(write_config):
    root = write_config(files={ORDERS: "- id: conversion\n  type: [\n"})

    assert [error.split(": ")[0] for error in errors_of(root)] == ["metrics/orders.yaml:3"]


@pytest.mark.parametrize(
    ("file", "folder"),
    [
        ("metrics/more.yml", "metrics"),
        ("experiments/growth/free.yaml", "experiments"),
    ],
)
def test_yaml_that_would_go_unread_is_an_error(write_config, file, folder):
    root = write_config(files={file: "- id: x\n"})

    assert errors_of(root) == [f"{file}:1: isn't read: only {folder}/<name>.yaml is; move or rename it"]


def test_other_files_are_left_alone(write_config):
    root = write_config(
        files={"simulation.yaml": "anything: goes\n", "metrics/README.md": "#", "metrics/.old.yaml": "["}
    )

    assert len(load_config(root).metrics) == 5


@pytest.mark.parametrize("content", ["id: conversion\n", "just text\n", "5\n"])
def test_a_metrics_file_holds_a_list(write_config, content):
    assert errors_of(write_config(files={"metrics/more.yaml": content})) == [
        "metrics/more.yaml:1: expected a list of metrics: - id: …"
    ]


@pytest.mark.parametrize("entry", ["- conversion\n", "- 5\n", "-\n"])
def test_an_entry_that_is_no_metric(write_config, entry):
    (error,) = errors_of(write_config(files={"metrics/more.yaml": entry}))

    assert error.startswith("metrics/more.yaml:1: expected keys with values, got ")


def test_metric_ids_are_unique_over_files(write_config):
    root = write_config((VISITS, "id: load_time", "id: revenue"), (BADGES, "[load_time]", "[revenue]"))

    assert errors_of(root) == [
        "metrics/visits.yaml:6: duplicate metric id 'revenue'; first defined at metrics/orders.yaml:6"
    ]


def test_a_duplicate_key_is_an_error_of_its_metric_only(write_config):
    root = write_config((VISITS, "  event: visit\n", "  event: visit\n  event: view\n"))

    config, problems, broken = load_config_tolerant(root)

    assert problems == [Problem(VISITS, 5, "duplicate key 'event'; first given in line 4")]
    assert "load_time" in config.metrics
    assert list(broken) == ["free_shipping"]


def test_static_reads_nothing_else(write_config):
    root = write_config(files={ORDERS: "[", FREE: "]", BADGES: None})

    project, sources = load_static(root)

    assert project.name == "shop"
    assert [source.id for source in sources.exposures] == ["web"]


@pytest.mark.parametrize("file", ["project.yaml", "sources.yaml"])
def test_nothing_can_be_loaded_without_project_and_sources(write_config, file):
    root = write_config(files={file: "unknown: 1\n"})

    for load in (load_config, load_config_tolerant, load_static):
        with pytest.raises(ConfigError) as caught:
            load(root)
        assert {problem.file for problem in caught.value.problems} == {file}


class TestTolerant:
    def test_a_valid_folder_gives_the_same_as_the_strict_load(self, write_config):
        root = write_config()

        assert load_config_tolerant(root) == (load_config(root), [], {})

    @pytest.mark.parametrize(
        "content",
        [
            "id: [\n",
            "",
            "id: free_shipping\nstart: never\n",
            "- a list\n",
            "text\n",
        ],
    )
    def test_a_broken_experiment_is_left_out_and_named_by_its_file(self, write_config, content):
        config, problems, broken = load_config_tolerant(write_config(files={FREE: content}))

        assert list(config.experiments) == ["badges"]
        assert {problem.file for problem in problems} == {FREE}
        assert broken == {"free_shipping": "; ".join(map(str, problems))}

    def test_a_broken_metric_takes_along_the_experiments_that_use_it(self, write_config):
        root = write_config((VISITS, "type: retention", "type: retained"))

        config, problems, broken = load_config_tolerant(root)

        assert list(config.experiments) == ["badges"]
        assert "retention" not in config.metrics
        assert len(problems) == 1
        assert broken == {"free_shipping": f"metric 'retention' is broken: {problems[0]}"}

    def test_a_metric_defined_twice_is_broken_whichever_is_meant(self, write_config):
        root = write_config((VISITS, "id: load_time", "id: revenue"), (BADGES, "[load_time]", "[order_value]"))

        config, _, broken = load_config_tolerant(root)

        assert "revenue" not in config.metrics
        assert list(config.experiments) == ["badges"]
        assert list(broken) == ["free_shipping"]

    def test_an_unreadable_metrics_file_is_the_reason_of_its_users(self, write_config):
        config, problems, broken = load_config_tolerant(write_config(files={VISITS: "- id: [\n"}))

        assert list(config.experiments) == []
        assert broken == {
            "badges": f"metric 'load_time' was not found; unreadable: {problems[0]}",
            "free_shipping": f"metric 'retention' was not found; unreadable: {problems[0]}",
        }

    def test_an_unknown_metric_breaks_its_experiment_only(self, write_config):
        config, problems, broken = load_config_tolerant(write_config((BADGES, "[load_time]", "[nothing]")))

        assert list(config.experiments) == ["free_shipping"]
        assert broken == {"badges": str(problems[0])}

    def test_a_copied_file_does_not_take_the_original_along(self, write_config):
        copy = "experiments/copy_of_badges.yaml"
        root = write_config()
        (root / copy).write_text((root / BADGES).read_text())

        config, problems, broken = load_config_tolerant(root)

        assert list(config.experiments) == ["badges", "free_shipping"]
        assert problems == [Problem(copy, 1, "id 'badges' isn't the file's name; call the file badges.yaml")]
        assert list(broken) == ["copy_of_badges"]

    def test_a_file_that_goes_unread_is_a_problem_of_no_experiment(self, write_config):
        config, problems, broken = load_config_tolerant(write_config(files={"experiments/a.yml": "id: a\n"}))

        assert len(config.experiments) == 2
        assert [problem.file for problem in problems] == ["experiments/a.yml"]
        assert broken == {}
