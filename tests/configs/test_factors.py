"""`factors`: the variants they expand to, and what is wrong with them, by line."""

import pytest

from configs.load import ConfigError, load_config
from configs.pinned_files import pin, read_pinned, write_configuration
from configs.pinning import config_hash, pinned_config

FILE = "experiments/button.yaml"
BUTTON = """\
id: button
type: multivariate
start: 2026-10-01
end: 2026-10-28
factors:
  size: [small, large]
  colour: [red, blue]
  badge: ["off", "on"]
interactions: [[colour, size]]
metrics: {primary: [conversion]}
"""


def test_cells_become_variants(write_config):
    (button,) = [load_config(write_config(files={FILE: BUTTON})).experiments["button"]]
    assert [variant.id for variant in button.variants] == [
        *("small-red-off", "small-red-on", "small-blue-off", "small-blue-on"),
        *("large-red-off", "large-red-on", "large-blue-off", "large-blue-on"),
    ]
    assert {variant.weight for variant in button.variants} == {1 / 8}
    assert button.baseline.id == "small-red-off"


def test_a_fraction_runs_its_cells_alone(write_config):
    fraction = BUTTON.replace("interactions: [[colour, size]]", 'fraction: ["badge = -size*colour"]')
    button = load_config(write_config(files={FILE: fraction})).experiments["button"]
    assert [variant.id for variant in button.variants] == [
        *("small-red-off", "small-blue-on", "large-red-on", "large-blue-off"),
    ]


def test_variants_may_be_listed_for_their_weights(write_config):
    listed = BUTTON.replace('  badge: ["off", "on"]\n', "") + (
        "variants:\n  - {id: large-red, weight: 0.1}\n  - {id: small-red, weight: 0.5, baseline: true}\n"
        "  - {id: small-blue, weight: 0.3}\n  - {id: large-blue, weight: 0.1}\n"
    )
    button = load_config(write_config(files={FILE: listed})).experiments["button"]
    assert {variant.id: variant.weight for variant in button.variants}["small-blue"] == 0.3


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("[small, large]", "[small]", "5: factors: factor 'size' needs two levels or more, the baseline's first"),
        ("[small, large]", "[small, small]", "5: factors: factor 'size' has a level twice"),
        ("[small, large]", "[small, small-red]\n  tone: [red-red, red]", None),
        ('  size: [small, large]\n  colour: [red, blue]\n', "",
         "5: factors: a factorial experiment has two factors or more; list the levels of one as `variants`"),
        ("type: multivariate\n", "", "1: factors are of type multivariate, not ab"),
        ("[[colour, size]]", "[[color, size]]", "9: unknown factor 'color'; did you mean 'colour'?"),
        ("[[colour, size]]", "[[colour]]", "9: an interaction is a list of two different factors or more"),
        ("[[colour, size]]", "[[colour, size], [size, colour]]", "9: size:colour is listed twice"),
        ("[[colour, size]]", "[]\nfraction: ['badge = size*color']",
         "10: fraction: generator 'badge = size*color': there is no factor 'color'"),
        ("[[colour, size]]", "[]\nfraction: ['badge = size*colour']",
         "10: fraction: the fraction leaves out 'small-red-off', where every factor is at its baseline; take the other"
         " half of 'badge = size*colour', by a minus or without it"),
        ("[small, large]", "[small, medium, large]\nfraction: ['badge = -size*colour']", None),
        ("metrics:", "analysis: {method: always_valid}\nmetrics:",
         "10: main effects are tested once, fixed; method 'always_valid' is not for `factors`"),
        ("metrics:", "decision: {rule: clear_signals}\nmetrics:",
         "10: levels are recommended by rule risk_aware, not clear_signals; drop it, or drop `factors` and list the"
         " variants"),
        ("metrics:",
         "variants: [{id: small-red-off, weight: 1, baseline: true}, {id: smal-red-on, weight: 0}]\nmetrics:",
         "10: 'smal-red-on' is no cell of the factors; did you mean 'small-red-on'?"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_where_it_stands(write_config, old, new, expected):
    assert BUTTON.count(old) == 1
    with pytest.raises(ConfigError) as caught:
        load_config(write_config(files={FILE: BUTTON.replace(old, new)}))
    messages = [str(problem) for problem in caught.value.problems]
    assert expected is None or f"{FILE}:{expected}" in messages, messages


def test_without_factors_variants_are_still_asked_for(write_config):
    without = "id: button\nstart: 2026-10-01\nend: 2026-10-28\nmetrics: {primary: [conversion]}\n"
    with pytest.raises(ConfigError) as caught:
        load_config(write_config(files={FILE: without}))
    assert [str(problem) for problem in caught.value.problems] == [f"{FILE}:1: missing key 'variants'"]


def test_a_pinned_experiment_is_read_back_with_its_factors_in_order(write_config, tmp_path):
    """Variants are named by the order of factors, which JSON of sorted keys does not keep."""
    config = load_config(write_config(files={FILE: BUTTON}))
    button = config.experiments["button"]
    path = pin(tmp_path / "pins", config, button)
    again = write_configuration(tmp_path / "again", [read_pinned(tmp_path / "pins", path.stem)])
    assert again.experiments["button"].factors == button.factors
    assert config_hash(again, again.experiments["button"]) == path.stem


def test_factors_change_no_hash_of_experiments_without(write_config):
    config = load_config(write_config())
    pinned = pinned_config(config, config.experiments["free_shipping"])["experiment"]
    assert not {"factors", "fraction", "interactions"} & set(pinned)
