"""Thresholds of the health checks: the project's, an experiment's own, and what they do to the hash."""

import pytest

from configs.load import ConfigError, load_config
from configs.pinning import config_hash
from configs.schema import HealthThresholds

FREE = "experiments/free_shipping.yaml"


def hash_of(root):
    config = load_config(root)
    return config_hash(config, config.experiments["free_shipping"])


def test_an_experiment_overrides_single_thresholds():
    project = HealthThresholds(outlier_share=0.1, stale_days=5)
    both = project.overridden_by(HealthThresholds(stale_days=3))

    assert (both.outlier_share, both.stale_days, both.imbalance_p) == (0.1, 3, 0.001)


def test_only_thresholds_that_differ_are_in_the_hash(write_config):
    plain = hash_of(write_config())
    default = hash_of(write_config(("project.yaml", "name: shop", "name: shop\nhealth: {stale_days: 3}")))
    project = hash_of(write_config(("project.yaml", "name: shop", "name: shop\nhealth: {stale_days: 4}")))
    experiment = hash_of(write_config((FREE, "id: free_shipping", "id: free_shipping\nhealth: {stale_days: 4}")))

    assert plain == default
    assert len({plain, project, experiment}) == 3


def test_an_unknown_threshold_is_an_error(write_config):
    root = write_config((FREE, "id: free_shipping", "id: free_shipping\nhealth: {stale_day: 4}"))

    with pytest.raises(ConfigError, match=r"free_shipping\.yaml:2: .*'stale_day'.*stale_days"):
        load_config(root)
