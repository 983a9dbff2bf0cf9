"""Which experiments one rebuild covers."""

from datetime import date
from pathlib import Path

import pytest

from configs.load import load_config
from configs.pinned_files import pin, read_pinned
from orchestration.planning import BuiltExperiment
from orchestration.verify import rebuild_groups
from tests.end_to_end.two_experiments import days

CONFIGS = Path(days.__file__).parent
ENDED = date(2026, 10, 6)
"""When the last window of checkout has ended; that of pricing did the day before."""


@pytest.mark.parametrize(
    ("checkout", "pricing", "groups"),
    [
        (date(2026, 10, 3), date(2026, 10, 3), {date(2026, 10, 3): ["checkout", "pricing"]}),
        (ENDED, date(2026, 10, 5), {ENDED: ["checkout", "pricing"]}),
        (ENDED, date(2026, 10, 3), {date(2026, 10, 3): ["pricing"], ENDED: ["checkout"]}),
        (date(2026, 10, 2), date(2026, 10, 5), {date(2026, 10, 2): ["checkout"], date(2026, 10, 5): ["pricing"]}),
    ],
)
def test_experiments_built_as_far_or_ended_are_rebuilt_together(tmp_path, checkout, pricing, groups):
    config = load_config(CONFIGS)
    paths = [pin(tmp_path / "pinned", config, experiment) for experiment in config.experiments.values()]
    pinned = [read_pinned(path.parent, path.stem) for path in paths]
    built = {"checkout": BuiltExperiment("", checkout), "pricing": BuiltExperiment("", pricing)}

    found = rebuild_groups(pinned, built, tmp_path / "configurations")

    assert {through: [one.experiment_id for one in group] for through, group in found} == groups
