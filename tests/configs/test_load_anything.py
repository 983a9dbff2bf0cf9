"""Whatever a file holds, loading ends in a configuration or in problems, never in another error."""

import copy

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from configs.load import ConfigError, load_config, load_config_tolerant

STATIC = ("project.yaml", "sources.yaml")
PER_RUN = (
    "metrics/orders.yaml",
    "metrics/visits.yaml",
    "experiments/free_shipping.yaml",
    "experiments/badges.yaml",
)

values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.sampled_from(["all", "count_distinct", "2026-10-02", "control", "web", "shop_events", "", "s3://x/{date}"])
    | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.sampled_from(["id", "metric", "weight", "where", "from", "x"]), inner, max_size=3),
    max_leaves=5,
)  # fmt: skip


def places(data, at=()):
    yield at
    if isinstance(data, (dict, list)):
        for key, item in data.items() if isinstance(data, dict) else enumerate(data):
            yield from places(item, (*at, key))


def changed(data, at, action, value):
    if not at:
        return value
    data = copy.deepcopy(data)
    *path, last = at
    parent = data
    for key in path:
        parent = parent[key]
    if action == "replace":
        parent[last] = value
    elif action == "delete":
        del parent[last]
    elif isinstance(parent, list):
        parent.append(value)
    else:
        parent["extra"] = value
    return data


@pytest.mark.parametrize("file", [*STATIC, *PER_RUN])
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(draw=st.data())
def test_any_change_to_a_file_is_accepted_or_explained(write_config, file, draw):
    root = write_config()
    data = yaml.safe_load((root / file).read_text())
    at = draw.draw(st.sampled_from(sorted(places(data), key=str)))
    data = changed(data, at, draw.draw(st.sampled_from(["replace", "delete", "add"])), draw.draw(values))
    (root / file).write_text(yaml.safe_dump(data, allow_unicode=True), encoding="utf-8")

    try:
        config = load_config(root)
    except ConfigError as error:
        assert error.problems
        assert all(problem.line >= 1 and problem.message for problem in error.problems)
        if file in PER_RUN:
            tolerant, problems, broken = load_config_tolerant(root)
            assert problems == error.problems
            assert {*tolerant.experiments, *broken} == {"badges", "free_shipping"}
    else:
        assert load_config_tolerant(root) == (config, [], {})
