"""`cluster`: what it asks of an experiment, by line, and what is rendered of it."""

import csv

import pytest

from configs.catalog import metric_catalog
from configs.load import ConfigError, load_config
from configs.pinned_files import pin, read_pinned, write_configuration
from configs.render import render

FILE = "experiments/dispatch.yaml"
DISPATCH = """\
id: dispatch
start: 2026-10-01
end: 2026-10-14
cluster: {attribute: country}
variants:
  - {id: old, weight: 0.5, baseline: true}
  - {id: new, weight: 0.5}
metrics: {primary: [conversion], secondary: [order_value]}
"""


def test_its_sums_are_kept_by_cluster(write_config, tmp_path):
    config = load_config(write_config(files={FILE: DISPATCH}))
    render(config, tmp_path / "generated")
    for name in ("experiment_clusters", "experiment_strata"):
        with (tmp_path / "generated" / f"{name}.csv").open(newline="") as file:
            assert list(csv.DictReader(file)) == [{"experiment_id": "dispatch", "attribute": "country"}]
    strata = metric_catalog(config)["strata"]
    assert (strata["attributes"], strata["metrics"]) == (["country"], ["conversion", "order_value"])


def test_it_is_read_back_as_it_was_pinned(write_config, tmp_path):
    config = load_config(write_config(files={FILE: DISPATCH}))
    path = pin(tmp_path / "pins", config, config.experiments["dispatch"])
    again = write_configuration(tmp_path / "again", [read_pinned(tmp_path / "pins", path.stem)])
    assert again.experiments["dispatch"].cluster == config.experiments["dispatch"].cluster


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("attribute: country", "attribute: town", "4: exposure source 'web' has no attribute 'town'"),
        ("secondary: [order_value]", "guardrail: [{metric: retention, non_inferiority_margin: 0.1}]",
         "8: a guardrail of clusters has an `absolute_margin`"),
        ("metrics:", "segments: [device]\nmetrics:", "8: clusters have no effects by segment"),
        ("metrics:", "analysis: {method: always_valid}\nmetrics:",
         "8: clusters are compared once, fixed; method 'always_valid' is not for them"),
        ("metrics:", "analysis: {correction: dunnett}\nmetrics:", "8: dunnett is of independent units; take holm"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_where_it_stands(write_config, old, new, expected):
    assert DISPATCH.count(old) == 1
    with pytest.raises(ConfigError) as caught:
        load_config(write_config(files={FILE: DISPATCH.replace(old, new)}))
    messages = [str(problem) for problem in caught.value.problems]
    assert any(message.startswith(f"{FILE}:{expected}") for message in messages), messages
