"""Weights may change during an experiment, as long as its metrics can be combined over the epochs."""

import pytest

from configs.load import ConfigError, load_config
from configs.render import render

EXPERIMENT = "experiments/free_shipping.yaml"
SECOND = "{from: 2026-10-05, weights: {control: 0.5, free: 0.5}}"
CHANGED = (EXPERIMENT, SECOND, "{from: 2026-10-05, weights: {control: 0.9, free: 0.1}}")
METRICS = "metrics/orders.yaml"
COVARIATE = "covariate: {lookback_days: 14}"


def test_epochs_are_strata_where_weights_change_and_only_there(write_config, tmp_path):
    plain, changed = load_config(write_config()), load_config(write_config(CHANGED))

    assert not plain.experiments["free_shipping"].changes_weights
    assert changed.experiments["free_shipping"].changes_weights
    render(changed, tmp_path)
    assert (tmp_path / "experiment_strata.csv").read_text() == (
        "experiment_id,attribute\nfree_shipping,allocation epoch\n"
    )


CASES = [
    ((EXPERIMENT, "  minimum_days: 14", "  minimum_days: 14\n  adjustment: post_stratification"),
     "24: isn't built yet: post_stratification beside weights that change during the experiment, whose epochs are"
     " strata of their own; leave it out"),
    ((METRICS, COVARIATE, "bootstrap: {}"),
     "15: 'revenue' is bootstrapped, which can't be combined over epochs of different weights; drop `bootstrap`, or"
     " start a new experiment"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "expected"), CASES, ids=[case[1][:40] for case in CASES])
def test_what_cannot_be_combined_is_refused_at_its_line(write_config, change, expected):
    with pytest.raises(ConfigError) as caught:
        load_config(write_config(CHANGED, change))

    assert f"{EXPERIMENT}:{expected}" in str(caught.value).splitlines()


def test_some_epoch_must_have_both_arms(write_config):
    weights = "weights: {free: 0.5, control: 0.5}"
    with pytest.raises(ConfigError) as caught:
        load_config(
            write_config(
                (EXPERIMENT, weights, "weights: {control: 1, free: 0}"),
                (EXPERIMENT, SECOND, "{from: 2026-10-05, weights: {control: 0, free: 1}}"),
            )
        )

    assert (
        f"{EXPERIMENT}:13: no epoch gives both 'control' and 'free' a weight: they can't be compared"
        in str(caught.value).splitlines()
    )
