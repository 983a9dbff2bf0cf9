"""What the schema knows and the pipeline can't do yet is refused, with the reason."""

import pytest

from configs.load import ConfigError, load_config

SOURCES = "sources.yaml"
EXPERIMENT = "experiments/free_shipping.yaml"

CASES = [
    (SOURCES, "    properties: [channel, coupon]\n", """\
    properties: [channel, coupon]
units:
  - id: customers
    path: customers.parquet
    format: parquet
    columns: {unit_id: user_id, valid_from: since}
    attributes: [tier]
""", "16: isn't built yet: unit tables"),
]  # fmt: skip


@pytest.mark.parametrize(("file", "old", "new", "expected"), CASES, ids=[case[3] for case in CASES])
def test_what_is_not_built_yet_is_refused(write_config, file, old, new, expected):
    with pytest.raises(ConfigError) as caught:
        load_config(write_config((file, old, new)))

    assert str(caught.value) == f"{file}:{expected}"


@pytest.mark.parametrize("type_", ["ab", "multivariate", "rollout", "holdout"])
def test_experiment_types_with_plain_arms_are_built(write_config, type_):
    root = write_config((EXPERIMENT, "name: Free shipping", f"type: {type_}"))

    assert load_config(root).experiments["free_shipping"].type == type_
