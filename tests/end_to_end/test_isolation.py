"""One broken experiment never reaches another: what the others publish is what a clean run publishes."""

import json

import pandas as pd
import pytest

from tests.end_to_end.pipeline import copy_of, run, table
from tests.end_to_end.two_experiments.days import DAYS, FIRST_DAY, LAST_DAY

pytestmark = pytest.mark.xdist_group("two_experiments")

RESULT_TABLES = ("exposure_counts", "metric_moments", "scorecard", "health_checks", "decisions")
CHECKOUT = "experiments/checkout.yaml"


def _write(path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@pytest.fixture(scope="module")
def broken(unrun_shop, tmp_path_factory):
    """The two experiments, beside them one that is no YAML, one of an unknown metric, one whose metric is broken."""
    workspace = copy_of(unrun_shop, tmp_path_factory.mktemp("broken"), "configs", "data")
    checkout = (workspace.configs / CHECKOUT).read_text()

    def add(name: str, old: str, new: str) -> None:
        text = checkout.replace("id: checkout", f"id: {name}").replace(old, new)
        _write(workspace.configs / "experiments" / f"{name}.yaml", text)

    add("no_yaml", "weight: 0.5}", "weight: [0.5}")
    add("unknown_metric", "[conversion]", "[conversoin]")
    add("broken_metric", "[conversion]", "[odd_metric]")
    _write(workspace.configs / "metrics" / "odd.yaml", "- {id: odd_metric, type: mean, source: orders, event: purchase}\n")
    return workspace


